"""Data sets by name."""

from __future__ import annotations

import os
from pathlib import Path

from ally_fast.experiments.datasets import cifar10, frozen, mnist, npz, parkinsons, svhn
from ally_fast.experiments.datasets.dataset import Dataset

_LOADERS = {
    "mnist": mnist.load,
    "cifar10": cifar10.load,
    "svhn": svhn.load,
    "minilm": frozen.load_minilm,
    "imdb": frozen.load_imdb,
    "mnist-pca": frozen.load_mnist_pca,
    "kdd": frozen.load_kdd,
}
DATASETS = (*_LOADERS, "parkinsons")


def load_dataset(
    name: str, folder: str | None = None, *, split: str = "subjects", seed: int = 0
) -> Dataset:
    """Return a data set.

    Parameters
    ----------
    name : str
        One of `DATASETS`, or the path of an ``.npz`` with the arrays ``inputs``, ``targets``,
        ``test_inputs``, ``test_targets``.
    folder : str, optional
        A folder with a subfolder for each data set; by default the environment's
        ``ALLY_FAST_DATA``. Without either, torchvision and ucimlrepo download the data set into the
        user's cache. Data sets of frozen embeddings cannot be downloaded.
    split, seed : {"subjects", "rows"}, int
        Split of Parkinsons; see `ally_fast.experiments.datasets.parkinsons.load`.

    Raises
    ------
    ValueError
        If there is no such data set, or a file holds something else.
    FileNotFoundError
        If a file is missing in the folder.
    """
    if split != "subjects" and name != "parkinsons":
        raise ValueError(f"split: got {split!r} for {name}; only parkinsons takes a split")
    if seed and name != "parkinsons":
        raise ValueError(f"seed: got {seed} for {name}; only parkinsons takes a seed of its split")
    if name.endswith(".npz"):
        return npz.load(Path(name))
    path = folder or os.environ.get("ALLY_FAST_DATA")
    root = None if not path else Path(path)
    if name == "parkinsons":
        return parkinsons.load(root, split, seed)
    if name not in _LOADERS:
        raise ValueError(f"dataset: got {name!r}, needs one of {', '.join(DATASETS)}, or FILE.npz")
    return _LOADERS[name](root)
