"""The assign operation alone: every instruction set, certified and uncertified, beside its peers.

The centroids are the same for everyone: ``ally_fast.kmeans`` on the pool, a few iterations. One
process alternates certified and uncertified calls, so that their ratio is free of drift.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks import datasets
from benchmarks.clock import alternate
from benchmarks.job import Job
from benchmarks.plan import POOLS, Shape

PEERS = ("faiss_cpu", "superkmeans", "sklearn")
PORTABLE_WORK = 0.4  # the portable path is measured on the smaller shapes only
ROUNDS, ROUND_SECONDS = 5, 6.0
ISAS = ("amx", "avx512bf16", "avx512", "avx2", "portable")


def shapes(quick: bool) -> list[Shape]:
    """List the shapes; the one of near-duplicates (KDD) is where certifying costs most."""
    if quick:
        quick_pools = ("small", "kdd")
        return [Shape(name, 20_000, POOLS[name][1], 50, 0, limit=20_000) for name in quick_pools]
    asked = (
        ("sentences", 1000),
        ("sentences", 100),
        ("sentences", 4000),
        ("reviews", 500),
        ("kdd", 500),
        ("mixture128", 1000),
        ("mixture768", 1000),
    )
    return [Shape(name, *POOLS[name], k, 0) for name, k in asked]


def jobs(isas: list[str], args: Any) -> list[Job]:
    """List the jobs: one per shape and instruction set, one per shape and peer."""
    found = []
    for shape in shapes(args.quick):
        for isa in isas or ISAS[:1]:
            ours = [("ally_fast", f"{isa} certified"), ("ally_fast", f"{isa} uncertified")]
            reason = ""
            if isa == "portable" and shape.work > PORTABLE_WORK:
                reason = "the portable path is measured on smaller shapes"
            how = {"spec": {"isa": isa}, "isa": isa, "estimate": ROUND_SECONDS}
            found.append(Job.of("assign", shape, ours, reasons=reason, **how))
        for peer in PEERS:
            slow = peer == "sklearn" and (args.skip_slow_rivals or 10 * shape.work > args.limit)
            reason = "slow rivals left out" if slow else ""
            how = {"spec": {"isa": None}, "estimate": ROUND_SECONDS}
            found.append(Job.of("assign", shape, [(peer, "default")], reasons=reason, **how))
    return found


def measure(spec: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Assign the whole pool, several times."""
    import ally_fast

    rows = datasets.load(spec["dataset"], spec["limit"]).rows
    trained = ally_fast.kmeans(rows, spec["k"], max_iter=3)
    centroids = np.ascontiguousarray(trained.centroids)
    extra: dict[str, dict[str, Any]] = {}
    if spec["isa"]:
        calls = _native(rows, centroids, spec["isa"], extra)
    else:
        (name,) = spec["names"]
        calls = {name: _peer(name.partition(":")[0], rows, centroids, spec["threads"])}
    found = alternate(calls, ROUNDS, ROUND_SECONDS)
    return {name: {**fields, "extra": extra.get(name, {})} for name, fields in found.items()}


def _native(
    rows: np.ndarray, centroids: np.ndarray, isa: str, extra: dict[str, dict[str, Any]]
) -> dict[str, Callable[[], Any]]:
    """Build the certified and the uncertified call; packing the centroids is inside."""
    from ally_fast.ops.assign import assign, packed_points
    from ally_fast.rows import Rows

    def call(certify: bool) -> None:
        _, stats = assign(Rows(rows), packed_points(centroids), certify=certify)
        if certify:
            extra[f"ally_fast:{isa} certified"] = {
                "uncertain": int(stats.uncertain),
                "candidates": int(stats.candidates),
            }

    return {
        f"ally_fast:{isa} certified": lambda: call(True),
        f"ally_fast:{isa} uncertified": lambda: call(False),
    }


def _peer(engine: str, rows: np.ndarray, centroids: np.ndarray, threads: int) -> Callable[[], Any]:
    """Build a rival's nearest-centroid call."""
    if engine == "faiss_cpu":
        import faiss

        faiss.omp_set_num_threads(threads)
        index = faiss.IndexFlatL2(rows.shape[1])
        index.add(centroids)
        return lambda: index.search(rows, 1)
    if engine == "superkmeans":
        from superkmeans import SuperKMeans

        model = SuperKMeans(len(centroids), rows.shape[1], n_threads=threads)
        return lambda: model.assign(rows, centroids)
    from sklearn.metrics import pairwise_distances_argmin

    return lambda: pairwise_distances_argmin(rows, centroids)
