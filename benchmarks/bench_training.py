"""Training: seconds and whole-pool inertia of ours, of an earlier state of ours, and of rivals."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from benchmarks import bench_select
from benchmarks.job import Job
from benchmarks.peers import before
from benchmarks.plan import POOLS, RIVALS, Contestant, Shape

SEEDS = (0, 1, 2)
CLUSTERS = {
    "sentences": (20, 100, 1000, 4000),
    "reviews": (20, 100, 1000, 4000),
    "minilm": (20, 100, 1000, 4000),
    "kdd": (100, 500, 2000),
    "unequal": (100, 1000, 3000),
    "mixture128": (100, 1000, 4000),
    "mixture768": (100, 1000, 4000),
}
MANY = Shape("sentences", *POOLS["sentences"], 20_000, 20_000)
_AVERAGES = Contestant("e_means", "3 epochs", "benchmarks.peers.e_means", pace=7.0)
_BEFORE = Contestant("before", "default", "benchmarks.peers.before", pace=1.0)
_NOW = Contestant("ally_fast", "default", "benchmarks.ours", pace=0.5)
_ONCE = ("faiss_cpu", "superkmeans", "sklearn_minibatch:default", "sklearn_kmeans:recipe")


def shapes(quick: bool) -> list[Shape]:
    """List pools and numbers of clusters; b = k, so that nearly all time is training's."""
    if quick:
        return [Shape("small", 20_000, 32, 50, 50, limit=20_000)]
    found = [Shape(name, *POOLS[name], k, k) for name, ks in CLUSTERS.items() for k in ks]
    return [*found, MANY]


def contestants() -> list[Contestant]:
    """List ours with three seeds, an earlier ours likewise if there is one, then the rivals."""
    seeded = [_NOW] + ([_BEFORE] if before.FOLDER else [])
    found = [
        replace(one, setting=f"seed {seed}", options={"seed": seed})
        for seed in SEEDS
        for one in seeded
    ]
    rivals = [one for one in RIVALS if one.engine in _ONCE or one.name in _ONCE]
    return [*found, _AVERAGES, *rivals]


def jobs(isas: list[str], args: Any) -> list[Job]:
    """List the jobs, shape by shape."""
    found = []
    for shape in shapes(args.quick):
        for contestant in contestants():
            estimate = contestant.estimate(shape)
            ours = contestant.engine in (_NOW.engine, _BEFORE.engine)
            too_slow = not ours and estimate > args.limit
            reason = f"about {estimate:.0f} s, more than {args.limit:.0f} s" if too_slow else None
            found.append(bench_select.job_of("training", contestant, shape, reason, slow=True))
    return found
