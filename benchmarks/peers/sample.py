"""Uniform training sample, for rivals that do not draw one themselves."""

from __future__ import annotations

import numpy as np


def training_rows(rows: np.ndarray, size: int | None, seed: int = 0) -> np.ndarray:
    """Copy ``size`` rows drawn without replacement, or return all of them.

    Parameters
    ----------
    rows : numpy.ndarray of shape (n, d)
        The pool.
    size : int, optional
        Rows to draw; None, n or more takes the pool itself.
    seed : int
        Seed of the draw.

    Returns
    -------
    numpy.ndarray of shape (min(size, n), d)
        The sample, in pool order.
    """
    if size is None or size >= len(rows):
        return rows
    generator = np.random.default_rng(seed)
    return rows[np.sort(generator.choice(len(rows), size=size, replace=False, shuffle=False))]
