"""Your own data, as arrays in an ``.npz``."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ally_fast.experiments.datasets.dataset import Dataset, check_finite
from ally_fast.experiments.datasets.scaling import standardized
from ally_fast.pools.numpy_file import numpy_array

_ARRAYS = ("inputs", "targets", "test_inputs", "test_targets")


def load(path: Path) -> Dataset:
    """Return the arrays ``inputs``, ``targets``, ``test_inputs``, ``test_targets`` of a file.

    Integer targets are classes, from 0. Float targets are values, which are standardised with the
    pool's mean and deviation. Inputs of bytes are images and stay unchanged; all others are
    features, which are standardised in the same way.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If an array is missing or cannot be used.
    """
    if not path.is_file():
        raise FileNotFoundError(2, "no such file", str(path))
    inputs, targets, test_inputs, test_targets = (numpy_array(str(path), name) for name in _ARRAYS)
    for name, array in (("inputs", inputs), ("test_inputs", test_inputs)):
        if array.ndim < 2 or array.dtype.kind not in "uif" or array.dtype != inputs.dtype:
            raise ValueError(
                f"{path}: {name}: got {array.dtype} of shape {array.shape}, needs numbers, "
                "(n, d) or (n, channels, height, width), of the dtype of inputs"
            )
        check_finite(array, f"{path}: {name}")
    for name, array in (("targets", targets), ("test_targets", test_targets)):
        if array.ndim != 1:
            raise ValueError(f"{path}: {name}: got shape {array.shape}, needs (n,)")
        check_finite(array, f"{path}: {name}")
    if inputs.shape[1:] == test_inputs.shape[1:] and inputs.dtype != np.uint8 and len(inputs):
        inputs, test_inputs = standardized(inputs, test_inputs)
    classes = None
    kinds = targets.dtype.kind + test_targets.dtype.kind
    if all(kind in "ui" for kind in kinds) and len(targets) and len(test_targets):
        classes = max(2, int(max(targets.max(), test_targets.max())) + 1)
        targets, test_targets = targets.astype(np.int64), test_targets.astype(np.int64)
    elif kinds == "ff" and len(targets):
        targets, test_targets = standardized(targets, test_targets)
    else:
        raise ValueError(
            f"{path}: targets, test_targets: got {targets.dtype} and {test_targets.dtype}, needs "
            "integers (classes) or floats (values), of at least one row"
        )
    source = f"{path.name}, {len(inputs)} pool rows"
    try:
        return Dataset(path.stem, inputs, targets, test_inputs, test_targets, classes, source)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
