"""Compare arms over seeds: learning curves, and paired differences with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast._optional import require
from ally_fast.experiments.round_rows import RoundRow
from ally_fast.record import Record

_CONFIDENCE = 0.95


@dataclass(frozen=True, eq=False)
class Curve(Record):
    """The metric of an arm by seed and round.

    Attributes
    ----------
    arm : str
    seeds : tuple of int
    labeled : ndarray, shape (rounds + 1,)
        Number of labeled rows.
    values : ndarray, shape (seeds, rounds + 1)
        Accuracy, macro recall or mean squared error.
    """

    arm: str
    seeds: tuple[int, ...]
    labeled: NDArray[np.int64]
    values: NDArray[np.float64]

    @property
    def area(self) -> NDArray[np.float64]:
        """Mean of each seed's curve after the first point, which only depends on the start."""
        area: NDArray[np.float64] = self.values[:, 1:].mean(axis=1)
        return area


@dataclass(frozen=True)
class Difference:
    """A paired difference over seeds.

    Attributes
    ----------
    mean : float
    low, high : float
        Student's 95 % interval of the mean; NaN with one seed.
    seeds : int
    """

    mean: float
    low: float
    high: float
    seeds: int

    @property
    def verdict(self) -> str:
        """Return "higher" or "lower", or "not told apart" if the interval contains 0."""
        if self.low > 0:
            return "higher"
        return "lower" if self.high < 0 else "not told apart"


def curves(
    rows: Sequence[RoundRow], arms: Sequence[str] | None = None, metric: str = "metric"
) -> list[Curve]:
    """Return the curve of each arm, up to the last round that all its seeds have finished.

    Parameters
    ----------
    rows : sequence of RoundRow
    arms : sequence of str, optional
        Names of arms; by default all, in the order of the rows.
    metric : str
        An attribute of the rows, such as ``"macro_recall"``.
    """
    order = list(dict.fromkeys(row.arm for row in rows)) if arms is None else arms
    all_curves = []
    for arm in order:
        by_seed: dict[int, list[RoundRow]] = {}
        for row in rows:
            if row.arm == arm:
                by_seed.setdefault(row.seed, []).append(row)
        if not by_seed:
            continue
        rounds = min(map(len, by_seed.values()))
        runs = {seed: of[:rounds] for seed, of in sorted(by_seed.items())}
        all_curves.append(
            Curve(
                arm,
                tuple(runs),
                np.array([row.labeled for row in next(iter(runs.values()))]),
                np.array([[getattr(row, metric) for row in of] for of in runs.values()]),
            )
        )
    return all_curves


def difference(a: Curve, b: Curve, at: int | None = None) -> Difference:
    """Return how much higher `a` is than `b`, over the seeds and rounds that both have.

    Parameters
    ----------
    at : int, optional
        A point of the curves; by default the mean over all points but the first.
    """
    seeds = sorted(set(a.seeds) & set(b.seeds))
    rounds = min(a.values.shape[1], b.values.shape[1])
    mine, other = (
        curve.values[[curve.seeds.index(seed) for seed in seeds], :rounds] for curve in (a, b)
    )
    gaps = mine - other
    return interval(gaps[:, 1:].mean(axis=1) if at is None else gaps[:, at])


def interval(values: NDArray[np.float64]) -> Difference:
    """Return the mean of a few numbers with Student's 95 % interval."""
    n, mean = len(values), float(np.mean(values))
    if n < 2:
        return Difference(mean, float("nan"), float("nan"), n)
    stats: Any = require("scipy.stats", "experiments", "a confidence interval")
    half = float(stats.t.ppf((1 + _CONFIDENCE) / 2, n - 1) * np.std(values, ddof=1) / n**0.5)
    return Difference(mean, mean - half, mean + half, n)
