"""Rank correlation: how far two lists have the same order."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def rank_correlation(a: NDArray[Any], b: NDArray[Any]) -> float:
    """Return Spearman's rank correlation; ties get their mean rank; 0 if either list is constant.

    Equal to ``scipy.stats.spearmanr(a, b).statistic`` if that is a number.

    Examples
    --------
    >>> import numpy as np
    >>> rank_correlation(np.array([1, 2, 3]), np.array([10, 40, 90]))
    1.0
    """
    x, y = (ranks - ranks.mean() for ranks in (_mean_ranks(a), _mean_ranks(b)))
    scale = np.sqrt((x @ x) * (y @ y))
    return float(np.clip(x @ y / scale, -1, 1)) if scale > 0 else 0.0


def _mean_ranks(values: NDArray[Any]) -> NDArray[np.float64]:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: NDArray[np.float64] = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    return ranks
