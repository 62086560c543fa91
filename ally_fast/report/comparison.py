"""How much of the pool a batch covers and how alike its picks are, against other batches."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ally_fast.ops.assign import assign, packed_points, squared_distances
from ally_fast.report.evidence import Evidence
from ally_fast.rows import Rows

BATCH, RANDOM, BEST, EXCLUDED = (
    *("this batch", "a random batch", "best by score alone", "excluded rows"),
)
_MOST_ROWS = 5_000  # of the pool, to be covered
_BLOCK = 512
_COVERED = 0.9  # share of the pool that a random batch covers, by definition
_ALIKE = 0.1  # share of a random batch that counts as near-duplicates


@dataclass(frozen=True, eq=False)
class Comparison:
    """Sorted distances by the name of the batch.

    Attributes
    ----------
    rows : int
        Number of pool rows compared.
    compared : int
        Number of picks of each batch.
    coverage : dict of str to ndarray, shape (rows,)
        Distance from each pool row to the nearest row of the batch. Lacks the best rows by score if
        a function computes the scores.
    gaps : dict of str to ndarray, shape (compared,)
        Distance from each row of a batch to its nearest other row.
    reach : float
        The distance within which a random batch covers nine tenths of the rows.
    near : float
        Two rows of a batch within this distance are near-duplicates. It is the radius of the
        selection. Without a radius, a tenth of a random batch has another row within it.
    """

    rows: int
    compared: int
    coverage: dict[str, NDArray[np.float64]]
    gaps: dict[str, NDArray[np.float64]]
    reach: float
    near: float

    def covered(self, name: str) -> float:
        """Return the share of the rows within `reach` of a batch."""
        return share_within(self.coverage[name], self.reach)

    def alike(self, name: str) -> float:
        """Return the share of a batch's rows that have another row of it within `near`."""
        return share_within(self.gaps[name], self.near)


def compare(evidence: Evidence) -> Comparison | None:
    """Compare a batch with a random batch and the best rows by score; return None without rows.

    Notes
    -----
    Takes O((m + c) c d) time, with at most m = 5,000 rows of the pool and c = 5,000 picks.
    """
    rows = evidence.sample[:_MOST_ROWS]
    candidates = {BATCH: evidence.picks, RANDOM: evidence.random, BEST: evidence.best}
    if evidence.scores_by_function:
        del candidates[BEST]
    count = min(map(len, candidates.values()))
    if not count or not len(rows):
        return None
    batches = {name: batch[:count] for name, batch in candidates.items()}
    gaps = {name: _gaps(batch) for name, batch in batches.items()}
    if len(evidence.excluded):
        batches[EXCLUDED] = evidence.excluded
    coverage = {name: _to_nearest(rows, batch) for name, batch in batches.items()}
    radius = evidence.request.rule.radius
    near = _quantile(gaps[RANDOM], _ALIKE) if radius is None else radius
    reach = _quantile(coverage[RANDOM], _COVERED)
    return Comparison(len(rows), count, coverage, gaps, reach, near)


def share_within(distances: NDArray[np.float64], most: float) -> float:
    """Return the share of sorted distances that are at most `most`."""
    return float(np.searchsorted(distances, most, side="right") / max(1, len(distances)))


def _quantile(distances: NDArray[np.float64], share: float) -> float:
    return float(np.quantile(distances, share)) if len(distances) else 0.0


def _to_nearest(rows: NDArray[np.floating], batch: NDArray[np.floating]) -> NDArray[np.float64]:
    table = packed_points(batch)
    nearest, _ = assign(Rows(rows), table)
    return np.sort(np.sqrt(squared_distances(Rows(rows), table, nearest)))


def _gaps(batch: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the distance from each row to the nearest other one, sorted."""
    if len(batch) < 2:
        return np.empty(0)
    rows = batch - batch.mean(axis=0, dtype=np.float64)
    norms = np.einsum("ij,ij->i", rows, rows)
    gaps = np.empty(len(rows))
    for lo in range(0, len(rows), _BLOCK):
        part = rows[lo : lo + _BLOCK]
        distances = norms - 2 * (part @ rows.T)
        distances[np.arange(len(part)), lo + np.arange(len(part))] = np.inf
        # Rounding chooses among neighbours that are as near; how near the chosen one is, is exact.
        gaps[lo : lo + len(part)] = np.linalg.norm(part - rows[distances.argmin(axis=1)], axis=1)
    return np.sort(gaps)
