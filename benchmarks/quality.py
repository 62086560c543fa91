"""Inertia over the whole pool and labels against the nearest centroids, outside the timing.

Float64 throughout, one way for every engine.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

BLOCK_ROWS = 16384
SAMPLE_ROWS = 4096
TIE = 1e-12  # distances closer than this, of the largest norms, are a tie
INERTIA_ROWS = 1 << 18
WORST_EXCESS = 0.01


class WrongAnswerError(RuntimeError):
    """A contestant does not compute what it is timed for."""


def inertia(
    rows: np.ndarray, centroids: np.ndarray, assignments: np.ndarray, threads: int
) -> float:
    """Sum the squared distances of all rows to the centroids they were assigned to.

    Equivalent to ``((rows.astype("f8") - centroids[assignments]) ** 2).sum()``, in blocks. An
    engine that assigns a row to anything but its nearest centroid only makes its own value worse.

    Parameters
    ----------
    rows : numpy.ndarray of shape (n, d)
        The whole pool; nothing is sampled.
    centroids : numpy.ndarray of shape (k, d)
        Centroids.
    assignments : numpy.ndarray of shape (n,), any integer
        Cluster of every row.
    threads : int
        Threads to use.

    Returns
    -------
    float
        The sum, in float64, blocks added in order.
    """
    exact = np.asarray(centroids, dtype=np.float64)

    def block_sum(first: int) -> float:
        part = slice(first, first + BLOCK_ROWS)
        difference = rows[part] - exact[assignments[part]]
        return float(np.einsum("ij,ij->", difference, difference))

    with ThreadPoolExecutor(threads) as workers:
        return float(sum(workers.map(block_sum, range(0, len(rows), BLOCK_ROWS))))


@dataclass(frozen=True)
class Labels:
    """How good the labels of a sample of rows are.

    Parameters
    ----------
    wrong : float
        Share of rows for which a centroid is nearer than the one assigned.
    excess : float
        Squared distances to the assigned centroids over those to the nearest ones, less 1.
    """

    wrong: float
    excess: float


def judge_labels(device: Any, rows: Any, centroids: Any, labels: Any) -> Labels:
    """Compare labels with the float64 argmin on 4096 rows spread over the pool.

    Raises
    ------
    WrongAnswerError
        If there is not one label a row, or one of the sample is no cluster.
    """
    n, k = len(rows), len(centroids)
    if len(labels) != n:
        raise WrongAnswerError(f"{len(labels)} labels for {n} rows")
    positions = np.linspace(0, n - 1, min(n, SAMPLE_ROWS)).astype(np.int64)
    x = device.take(rows, positions).astype(np.float64)
    given = device.take(labels, positions).astype(np.int64)
    if given.min() < 0 or given.max() >= k:
        raise WrongAnswerError(f"labels from {given.min()} to {given.max()}, needs 0 to {k - 1}")
    return compare(x, device.to_host(centroids).astype(np.float64), given)


def compare(x: np.ndarray, centroids: np.ndarray, given: np.ndarray) -> Labels:
    """Compare labels with the argmin over float64 distances."""
    c_norms = np.einsum("ij,ij->i", centroids, centroids)
    wrong, assigned, nearest = 0, 0.0, 0.0
    for lo in range(0, len(x), 512):
        part = x[lo : lo + 512]
        norms = np.einsum("ij,ij->i", part, part)
        distances = norms[:, None] + c_norms - 2.0 * part @ centroids.T
        mine = distances[np.arange(len(part)), given[lo : lo + 512]]
        best = distances.min(1)
        wrong += int(np.sum(mine - best > TIE * (norms + c_norms.max())))
        assigned += float(mine.sum())
        nearest += float(best.sum())
    return Labels(wrong / len(x), assigned / max(nearest, 1e-300) - 1.0)


def check_labels(
    device: Any, rows: Any, centroids: Any, labels: Any, extra: dict[str, Any]
) -> None:
    """Judge labels, note what was found, raise if they are more than 1 % worse than the best."""
    found = judge_labels(device, rows, centroids, labels)
    extra["wrong_labels"], extra["excess"] = found.wrong, found.excess
    if not found.excess <= WORST_EXCESS:
        raise WrongAnswerError(
            f"squared distances are {100 * found.excess:.2f} % above the nearest centroids', "
            f"{100 * found.wrong:.2f} % of the labels are wrong"
        )


def inertia_on_device(device: Any, rows: Any, centroids: Any, labels: Any) -> float:
    """Sum the squared distances of all rows to their centroids, on the device where it has torch.

    Blocks of 2^18 rows are added in order.
    """
    if not device.has_torch:
        found = [device.to_host(array) for array in (rows, centroids, labels)]
        return inertia(found[0].astype(np.float32), found[1], found[2].astype(np.int64), 1)
    torch = device.torch
    exact = torch.as_tensor(centroids, device=device.name).double()
    total = 0.0
    for lo in range(0, len(rows), INERTIA_ROWS):
        part = rows[lo : lo + INERTIA_ROWS].to(device.name).double()
        chosen = exact[labels[lo : lo + INERTIA_ROWS].to(device.name).long()]
        total += float((part - chosen).square().sum())
    return total
