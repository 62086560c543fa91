"""Averages over mini-batches (e-means), as a plain NumPy loop over FAISS's flat assignment.

Written from the paper's description (Bessa et al., "e-means", arXiv 2611.09501, 2026), whose own
code is not in faiss-cpu 1.15: an exponential moving average of each cluster's size and sum, a step
that falls as a cosine, and every fifth batch half of a likely cluster for each that is nearly
empty. 256 rows per centroid, random start.
"""

from __future__ import annotations

import math

import faiss
import numpy as np

from benchmarks.outcome import Outcome, Stages
from benchmarks.peers.sample import training_rows
from benchmarks.tail import best_per_cluster

BATCH, STEP = 8192, 0.55


def run(
    rows: np.ndarray,
    scores: np.ndarray,
    b: int,
    k: int,
    *,
    threads: int,
    epochs: int = 3,
    seed: int = 0,
) -> Outcome:
    """Cluster by averages, then take the best of each cluster.

    Parameters
    ----------
    epochs : int
        Times that each training row is visited.
    seed : int
        Of sample, order and start.
    """
    faiss.omp_set_num_threads(threads)
    stages = Stages()
    with stages("train"):
        sample = training_rows(rows, 256 * k, seed)
        centroids = _train(sample, k, epochs, np.random.default_rng(seed))
    with stages("assign"):
        labels = _nearest(rows, centroids)
    with stages("batch"):
        indices = best_per_cluster(labels, scores, b, k)
    return Outcome(
        indices, centroids, labels, stages.seconds, n_iter=epochs, train_rows=len(sample)
    )


def _train(sample: np.ndarray, k: int, epochs: int, random: np.random.Generator) -> np.ndarray:
    size = min(BATCH, len(sample))
    order = random.permutation(len(sample))
    centroids = sample[order[:k]].astype(np.float64)
    counts = np.full(k, size / k)
    sums = centroids * counts[:, None]
    batches = len(sample) // size
    steps = epochs * batches
    last_counts, last_sums = np.zeros(k), np.zeros_like(sums)
    for step in range(steps):
        if step % batches == 0:
            order = random.permutation(len(sample))
        batch = sample[order[step % batches * size :][:size]]
        labels = _nearest(batch, centroids.astype(np.float32))
        added, found = _sums(batch, labels, k)
        weight = STEP * (1 + math.cos(math.pi * step / steps)) / 2
        counts = (1 - weight) * counts + weight * found
        sums = (1 - weight) * sums + weight * added
        if step % 5 == 4 and step < steps - batches:
            _refill(counts, sums, random)
        full = counts > 0
        centroids[full] = sums[full] / counts[full, None]
        if step >= steps - batches:
            last_counts += found
            last_sums += added
    full = last_counts > 0
    centroids[full] = last_sums[full] / last_counts[full, None]
    return np.ascontiguousarray(centroids, np.float32)


def _refill(counts: np.ndarray, sums: np.ndarray, random: np.random.Generator) -> None:
    """Give each cluster below a tenth of the mean size half of another, a little apart."""
    for empty in np.flatnonzero(counts < 0.1 * counts.mean()):
        donor = random.choice(len(counts), p=counts / counts.sum())
        counts[donor] /= 2
        counts[empty] = counts[donor]
        sums[empty] = sums[donor] / 2 * 1.001
        sums[donor] = sums[donor] / 2 * 0.999


def _sums(batch: np.ndarray, labels: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    order = np.argsort(labels, kind="stable")
    found, starts = np.unique(labels[order], return_index=True)
    sums = np.zeros((k, batch.shape[1]))
    sums[found] = np.add.reduceat(batch[order].astype(np.float64), starts, axis=0)
    return sums, np.bincount(labels, minlength=k).astype(np.float64)


def _nearest(rows: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    index = faiss.IndexFlatL2(rows.shape[1])
    index.add(centroids)
    return index.search(rows, 1)[1][:, 0]
