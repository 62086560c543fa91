"""The data sets of the paper, and your own."""

from ally_fast.experiments.datasets.dataset import Dataset
from ally_fast.experiments.datasets.registry import DATASETS, load_dataset

__all__ = ["DATASETS", "Dataset", "load_dataset"]
