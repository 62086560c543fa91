"""Parkinsons Telemonitoring: 5,875 voice recordings of 42 people (Tsanas et al. 2009, UCI)."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast import checks
from ally_fast._optional import require
from ally_fast.experiments.datasets.dataset import Dataset, check_finite
from ally_fast.experiments.datasets.paths import needed
from ally_fast.experiments.datasets.scaling import standardized
from ally_fast.pools.csv_file import csv_column

_UCI_NUMBER = 189
_SUBJECT, _TARGET = "subject#", "total_UPDRS"
_NOT_FEATURES = (_SUBJECT, _TARGET, "motor_UPDRS")  # the last is part of the target
_TEST_SHARE = 5


def load(folder: Path | None, split: str = "subjects", seed: int = 0) -> Dataset:
    """Return Parkinsons Telemonitoring, standardised with the pool's mean and deviation.

    Parameters
    ----------
    folder : path or None
        Folder with ``parkinsons/parkinsons_updrs.data``; if None, it is downloaded from UCI.
    split : {"subjects", "rows"}
        The test set is a fifth of the people, of whom the model then knows nothing; or a fifth of
        the recordings, so that each person is on both sides.
    seed : int
        Seed of the split.
    """
    checks.choice(split, "split", ("subjects", "rows"))
    if folder is not None:
        columns = _read(needed(folder, "parkinsons", "parkinsons_updrs.data"))
    else:
        fetch = require("ucimlrepo", "experiments", "fetching Parkinsons").fetch_ucirepo
        frame = fetch(id=_UCI_NUMBER).data.original
        columns = {name: np.asarray(frame[name], np.float64) for name in frame.columns}
    for name, values in columns.items():
        check_finite(values, f"parkinsons: {name}")
    features = np.stack([v for name, v in columns.items() if name not in _NOT_FEATURES], axis=1)
    subjects = columns[_SUBJECT]
    groups = subjects if split == "subjects" else np.arange(len(subjects))
    distinct = np.unique(groups)
    order = np.random.Generator(np.random.Philox(key=seed)).permutation(len(distinct))
    test = np.isin(groups, distinct[order[: round(len(distinct) / _TEST_SHARE)]])
    inputs, test_inputs = standardized(features[~test], features[test])
    targets, test_targets = standardized(columns[_TARGET][~test], columns[_TARGET][test])
    return Dataset(
        "parkinsons",
        inputs,
        targets,
        test_inputs,
        test_targets,
        None,
        f"Parkinsons Telemonitoring, total UPDRS; a fifth of the {split} is the test set",
    )


def _read(path: Path) -> dict[str, NDArray[Any]]:
    """Return the columns of the published table."""
    with path.open(newline="", encoding="utf-8", errors="replace") as file:
        names = next(csv.reader([file.readline()]), [])
    missing = {*_NOT_FEATURES} - {*names}
    if missing:
        raise ValueError(f"{path}: lacks the columns {', '.join(sorted(missing))}")
    columns = {name: csv_column(str(path), name).astype(np.float64) for name in names}
    if not len(columns[_TARGET]):
        raise ValueError(f"{path}: has no rows")
    return columns
