"""Rows that cover most of some targets, by computing at each pick what every row would add."""

import math

import numpy as np
import numpy.typing as npt

from .squared_distance import squared_distance

STEPS = 2**30  # of the kernel
WEIGHT_BITS, SUM_BITS = 20, 62


def herding(
    candidates: npt.ArrayLike,
    targets: npt.ArrayLike,
    weights: npt.ArrayLike,
    labeled: npt.ArrayLike,
    width: float,
    b: int,
) -> npt.NDArray[np.int64]:
    """Pick `b` candidates; each adds most to the weighted cover of the targets.

    A target is covered by the nearest labeled row or pick, as ``exp(-(distance / width)**2)``,
    rounded to 30 bits. Weights are rounded to 20 bits of the largest, fewer if sums of them times
    covers might reach 2**62. If all weights are 0, they are 1. Of equals the lower index.

    Parameters
    ----------
    candidates : array_like, shape (c, d)
    targets : array_like, shape (t, d)
    weights : array_like, shape (t,)
    labeled : array_like, shape (l, d)
    width : float
    b : int

    Returns
    -------
    ndarray, shape (b,), int64

    Examples
    --------
    >>> rows = [[0.0], [1.0], [1.5], [9.0], [9.1]]
    >>> herding(rows, rows, [1.0] * 5, [[9.05]], 1.0, 2).tolist()
    [1, 0]
    """
    rows, goals = np.asarray(candidates), np.asarray(targets)
    given = [float(weight) for weight in np.asarray(weights)]
    if max(given) == 0:
        given = [1.0] * len(given)
    bits = min(WEIGHT_BITS, SUM_BITS - 30 - math.ceil(math.log2(len(given))))
    steps = [round(weight / max(given) * 2**bits) for weight in given]
    levels = _levels(goals, rows, width)
    known = np.asarray(labeled)
    before = _levels(goals, known, width) if len(known) else []
    covered = [max((of[t] for of in before), default=0) for t in range(len(goals))]
    picks: list[int] = []
    for _ in range(b):
        gains = [
            sum(w * max(0, level - c) for w, level, c in zip(steps, of, covered, strict=True))
            for of in levels
        ]
        best = min((-gain, i) for i, gain in enumerate(gains) if i not in picks)[1]
        picks.append(best)
        covered = [max(c, level) for c, level in zip(covered, levels[best], strict=True)]
    return np.array(picks, dtype=np.int64)


def _levels(
    targets: npt.NDArray[np.floating], rows: npt.NDArray[np.floating], width: float
) -> list[list[int]]:
    """Return the kernel between each row and each target, in steps."""
    squares = squared_distance(targets, rows).T / (width * width)
    return [[round(math.exp(-square) * STEPS) for square in of] for of in squares.tolist()]
