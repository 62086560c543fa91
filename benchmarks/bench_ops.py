"""The other native operations, beside what NumPy or scikit-learn offer for the same job."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from benchmarks import datasets
from benchmarks.clock import alternate
from benchmarks.job import Job
from benchmarks.peers import before
from benchmarks.plan import POOLS, Shape
from benchmarks.tail import best_per_cluster

BUDGET = 10_000
LABELED_ROWS = 256
ENGINES = {
    "shortlist": ("ally_fast", "numpy"),
    "squared_distances": ("ally_fast", "numpy"),
    "d2_sample_outer": ("ally_fast", "numpy"),
    "k_center_greedy": ("ally_fast", "numpy"),
    "radius_filter": ("ally_fast",),
}

SUMS = ("ally_fast", "with the spread", "plain read", "numpy")
SUMMED = [
    Shape(name, n, d, k, 0, limit=n)
    for name, n, d in (
        ("sentences", 256_000, 64),
        ("minilm", 100_000, 384),
        ("mixture768", 100_000, 768),
    )
    for k in (100, 1000, 10_000)
]
SENTENCES = Shape("sentences", *POOLS["sentences"], 1000, BUDGET)
# Batches of a strategy, at the size that active learning asks for.
BATCH = Shape("mixture128", 200_000, 128, 2000, 2000, limit=200_000)
OF_BATCHES = ("d2_sample_outer", "k_center_greedy")
# scikit-activeml's core-set takes minutes at that size.
SMALL_BATCH = Shape("mixture128", 20_000, 128, 500, 500, limit=20_000)
CLASSES = 10


def jobs(isas: list[str], args: Any) -> list[Job]:
    """List one job per operation, each with its peer in the same process, alternating."""
    small = Shape("small", *POOLS["small"], 50, 500, limit=20_000)
    work = [
        (op, engines, small if args.quick else BATCH if op in OF_BATCHES else SENTENCES)
        for op, engines in ENGINES.items()
    ]
    if not args.quick:
        work += [("cluster_sums", SUMS, shape) for shape in SUMMED]
        if before.FOLDER:
            work += [("cluster_sums", ("before",), shape) for shape in SUMMED]
        work += [("k_center_greedy", (*ENGINES["k_center_greedy"], "skactiveml"), SMALL_BATCH)]
    return [
        Job.of(
            "ops",
            shape,
            [(engine, op) for engine in engines],
            spec={"op": op, "engines": engines},
            estimate=100.0 if op in OF_BATCHES else 10.0,
        )
        for op, engines, shape in work
    ]


def measure(spec: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Run one operation and its peer in turn."""
    pool = datasets.load(spec["dataset"], spec["limit"])
    offered = BUILDERS[spec["op"]](pool, spec)
    calls = {name: offered[name.partition(":")[0]] for name in spec["names"]}
    return alternate(calls, repeats=5, budget_seconds=20.0)


Calls = dict[str, Callable[[], Any]]


def _clusters(pool: datasets.Pool, k: int) -> tuple[np.ndarray, np.ndarray]:
    import ally_fast

    centroids = ally_fast.kmeans(pool.rows, k, max_iter=5).centroids
    return np.ascontiguousarray(centroids), ally_fast.assign(pool.rows, centroids)


def _shortlist(pool: datasets.Pool, spec: dict[str, Any]) -> Calls:
    from ally_fast.ops.shortlist import Shortlist

    k, b = spec["k"], spec["b"]
    _, assignments = _clusters(pool, k)
    scores = pool.scores.astype(np.float64)

    def ours() -> Any:
        shortlist = Shortlist(k, b, np.ones(k))
        shortlist.push(assignments, scores, 0, None)
        return shortlist.entries()

    return {
        "ally_fast": ours,
        "numpy": lambda: best_per_cluster(assignments, pool.scores, b, k),
    }


def _cluster_sums(pool: datasets.Pool, spec: dict[str, Any]) -> Calls:
    k, n, threads = spec["k"], len(pool.rows), spec["threads"]
    assignments = np.random.default_rng(0).integers(0, k, n).astype(np.int32)
    centroids = np.ascontiguousarray(pool.rows[:k])
    if "before" in spec["engines"]:
        return {"before": before.cluster_sums(pool.rows, assignments, centroids)}
    from ally_fast.ops.cluster_sums import cluster_sums
    from ally_fast.ops.feature_grid import feature_grid

    grid = feature_grid(pool.rows)
    words = pool.rows.reshape(-1).view(np.int64)
    parts = np.array_split(words, threads)

    def in_numpy() -> np.ndarray:
        order = np.argsort(assignments, kind="stable")
        starts = np.searchsorted(assignments[order], np.arange(k))
        return np.add.reduceat(pool.rows[order], np.minimum(starts, n - 1), axis=0)

    def plain_read() -> list[int]:
        """Add the same bytes as integers, in order: nothing reads them faster."""
        with ThreadPoolExecutor(threads) as workers:
            return [int(part) for part in workers.map(np.add.reduce, parts)]

    def with_spread() -> Any:
        return cluster_sums(pool.rows, assignments, k, grid, centroids=centroids)

    return {
        "ally_fast": lambda: cluster_sums(pool.rows, assignments, k, grid),
        "with the spread": with_spread,
        "plain read": plain_read,
        "numpy": in_numpy,
    }


def _squared_distances(pool: datasets.Pool, spec: dict[str, Any]) -> Calls:
    from ally_fast.ops.assign import packed_points, squared_distances
    from ally_fast.rows import Rows

    centroids, assignments = _clusters(pool, spec["k"])
    table = packed_points(centroids)

    def in_numpy() -> np.ndarray:
        return np.concatenate(
            [
                np.square(pool.rows[i : i + 16384] - centroids[assignments[i : i + 16384]]).sum(1)
                for i in range(0, len(pool.rows), 16384)
            ]
        )

    return {
        "ally_fast": lambda: squared_distances(Rows(pool.rows), table, assignments),
        "numpy": in_numpy,
    }


def _d2_sample_outer(pool: datasets.Pool, spec: dict[str, Any]) -> Calls:
    from ally_fast.ops.d2_sample_outer import d2_sample_outer
    from ally_fast.rows import Rows

    rows, b = pool.rows, spec["b"]
    generator = np.random.default_rng(0)
    logits = 8.0 * rows @ generator.standard_normal((rows.shape[1], CLASSES), dtype=np.float32)
    probabilities = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    targets = probabilities.argmax(axis=1)

    def in_numpy() -> list[int]:
        """Factorised as well: the products of 1280 features would not fit at this size."""
        left = probabilities.copy()
        left[np.arange(len(left)), targets] -= 1.0
        squares = np.einsum("ij,ij->i", left, left) * np.einsum("ij,ij->i", rows, rows)
        draws = np.random.default_rng(0)
        nearest = np.full(len(rows), np.inf, np.float32)
        picks = [int(draws.integers(len(rows)))]
        while len(picks) < b:
            last = picks[-1]
            dots = (left @ left[last]) * (rows @ rows[last])
            np.minimum(nearest, np.maximum(squares + squares[last] - 2 * dots, 0), out=nearest)
            nearest[last] = 0
            ends = np.cumsum(nearest, dtype=np.float64)
            picks.append(int(np.searchsorted(ends, draws.random() * ends[-1], side="right")))
        return picks

    factors = Rows(probabilities), Rows(rows)
    return {
        "ally_fast": lambda: d2_sample_outer(*factors, b, 0, targets=targets),
        "numpy": in_numpy,
    }


def _k_center_greedy(pool: datasets.Pool, spec: dict[str, Any]) -> Calls:
    from ally_fast.ops.k_center_greedy import k_center_greedy
    from ally_fast.rows import Rows

    rows, b = pool.rows, spec["b"]

    def in_numpy() -> list[int]:
        squares = np.einsum("ij,ij->i", rows, rows)
        nearest = np.full(len(rows), np.inf, np.float32)
        picks = [0]
        while len(picks) < b:
            last = picks[-1]
            np.minimum(nearest, squares + squares[last] - 2 * (rows @ rows[last]), out=nearest)
            picks.append(int(nearest.argmax()))
        return picks

    def in_skactiveml() -> Any:
        from skactiveml.pool import CoreSet

        labels = np.full(len(rows), np.nan)
        labels[0] = 0.0
        return CoreSet(random_state=0).query(rows, labels, batch_size=b)

    return {
        "ally_fast": lambda: k_center_greedy(Rows(rows), b, first=0),
        "numpy": in_numpy,
        "skactiveml": in_skactiveml,
    }


def _radius_filter(pool: datasets.Pool, spec: dict[str, Any]) -> Calls:
    from ally_fast.ops.assign import packed_points
    from ally_fast.ops.radius_filter import radius_filter
    from ally_fast.rows import Rows

    labeled = np.ascontiguousarray(pool.rows[:: max(1, len(pool.rows) // LABELED_ROWS)])
    nearest = np.linalg.norm(pool.rows[1:1001, None] - labeled[None, :64], axis=2).min(axis=1)
    radius = float(np.quantile(nearest, 0.05))
    return {"ally_fast": lambda: radius_filter(Rows(pool.rows), packed_points(labeled), radius)}


BUILDERS: dict[str, Callable[[datasets.Pool, dict[str, Any]], Calls]] = {
    "shortlist": _shortlist,
    "cluster_sums": _cluster_sums,
    "squared_distances": _squared_distances,
    "d2_sample_outer": _d2_sample_outer,
    "k_center_greedy": _k_center_greedy,
    "radius_filter": _radius_filter,
}
