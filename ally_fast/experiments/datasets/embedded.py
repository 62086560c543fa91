"""A pool of embeddings with labels, as a task."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast.experiments.datasets.dataset import Dataset, check_finite
from ally_fast.experiments.datasets.scaling import scaled

_TEST_SHARE, _SPLIT_SEED = 0.2, 0


def embedded(
    name: str,
    embeddings: NDArray[Any],
    classes: NDArray[np.int64],
    source: str,
    *,
    test: NDArray[np.bool_] | None = None,
) -> Dataset:
    """Return the labeled rows as a task, with mean 0 and mean square 1.

    One factor scales all features, so ratios of distances do not change.

    Parameters
    ----------
    embeddings : array, shape (n, d)
    classes : ndarray of int64, shape (n,)
        Classes from 0; -1 for a row without a label, which is left out.
    test : ndarray of bool, shape (n,), optional
        Rows of the test set; by default a random fifth of the labeled rows, the same for every seed
        of an experiment.

    Raises
    ------
    ValueError
        If a labeled row is not finite, or there are fewer than ten labeled rows or two classes.
    """
    labeled = np.flatnonzero(classes >= 0)
    different = len(np.unique(classes[labeled]))
    if len(labeled) < 10 or different < 2:
        raise ValueError(
            f"{name}: got {len(labeled)} rows with a label, of {different} classes; needs at least "
            "10 rows and 2 classes"
        )
    if test is None:
        generator = np.random.Generator(np.random.Philox(key=_SPLIT_SEED))
        held_out = np.zeros(len(labeled), np.bool_)
        count = round(_TEST_SHARE * len(labeled))
        held_out[generator.choice(len(labeled), count, replace=False)] = True
        source = f"{source}; a random fifth of {len(labeled)} labeled rows is the test set"
    else:
        held_out = test[labeled]
    rows = embeddings[labeled]
    check_finite(rows, f"{name}: embeddings")
    inputs, test_inputs = scaled(rows[~held_out], rows[held_out])
    targets = classes[labeled]
    return Dataset(
        name,
        inputs,
        targets[~held_out],
        test_inputs,
        targets[held_out],
        int(targets.max()) + 1,
        source,
    )
