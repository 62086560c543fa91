"""Predictions of heads for labeled rows that they were not trained on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ally_fast.experiments.datasets import Dataset
from ally_fast.experiments.heads import Head

_FOLDS = 5
_SEED = 2**40  # a key that no seed of an experiment has


def out_of_fold(dataset: Dataset, head: Head, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return class probabilities of pool rows; each of five folds by a head trained on the rest."""
    assert dataset.classes is not None
    probabilities = np.empty((len(rows), dataset.classes), np.float32)
    fold = np.arange(len(rows)) % _FOLDS  # no meaningful order has a period of five
    for number in range(_FOLDS):
        rest, held_out = rows[fold != number], rows[fold == number]
        fitted = head.fit(dataset.inputs[rest], dataset.targets[rest], dataset.classes, _SEED)
        probabilities[fold == number] = fitted.probabilities(dataset.inputs[held_out])
    return probabilities
