"""Strategies that go by embeddings, on large pools; and scikit-activeml's, on what they reach.

Probabilities, dropout passes and duals are there before the clock starts, for ours. The strategies
of scikit-activeml ask a fitted classifier for them, on the clock: next to nothing at their sizes.
"""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from benchmarks import datasets
from benchmarks.clock import timed
from benchmarks.job import Job
from benchmarks.plan import Shape

BUDGET, LABELED, CLASSES = 1000, 100, 10
POOLS = {"sentences": (1_000_000, 64), "mixture384m": (1_000_000, 384)}
SIZES = (1_000_000, 20_000, 5_000)
SETTINGS = (
    *("TypicalStart", "ClusterMargin", "DropQuery"),
    *("MaxHerding", "MaxHerding, no label", "UncertaintyHerding", "ALLYHerding", "GIST"),
)
PEERS = ("TypiClust", "DropQuery", "MaxHerding")
_PAIR_SECONDS = 4e-9  # of their herding, for each pick, row and row
_KMEANS_SECONDS = 1.5e-9  # of their clustering, for each row, cluster and feature
_BLOCK = 65_536


def shapes(quick: bool) -> list[Shape]:
    """List the pools, whole and their first rows."""
    if quick:
        return [Shape("small", 2000, 32, 0, 50, limit=2000)]
    pools = [(name, d) for name, (_, d) in POOLS.items()]
    return [Shape(name, n, d, 0, BUDGET, limit=n) for n in SIZES for name, d in pools]


def jobs(isas: list[str], args: Any) -> list[Job]:
    """List the jobs: ours everywhere, the peers on the first rows of the pools."""
    found = []
    for shape in shapes(args.quick):
        found += [_job("ally_fast", setting, shape, args) for setting in SETTINGS]
        found += [_job("skactiveml", setting, shape, args) for setting in PEERS]
    return found


def _job(engine: str, setting: str, shape: Shape, args: Any) -> Job:
    estimate, reason = 60.0 * shape.n / 1e6 * (shape.d + 100) / 484, ""
    if engine == "skactiveml":
        estimate = _KMEANS_SECONDS * shape.n * shape.b * (shape.d + 100)
        if setting == "MaxHerding":
            estimate = _PAIR_SECONDS * shape.n**2 * shape.b
        if estimate > 20 * args.limit or (estimate > 10 and args.skip_slow_rivals):
            memory = f" and {8e-9 * shape.n**2:.0f} GB" if setting == "MaxHerding" else ""
            reason = f"about {estimate:.0f} s{memory}"
    spec = {"engine": engine, "setting": setting}
    how = {"spec": spec, "reasons": reason, "estimate": estimate}
    return Job.of("strategies", shape, [(engine, setting)], **how)


def measure(spec: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Choose one batch, after one from the pool's first rows."""
    pool = datasets.load(spec["dataset"], spec["limit"])
    b, setting = spec["b"], spec["setting"]
    ask = _ours if spec["engine"] == "ally_fast" else _theirs
    few = min(len(pool.rows), 2000)
    ask(setting, pool.rows[:few].copy(), pool.scores[:few].copy(), few // 40)()
    batch, fields = timed(ask(setting, pool.rows, pool.scores, b))
    return {spec["names"][0]: {**fields, "picks": len(set(batch.tolist()))}}


def labels_of(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return labeled rows, weights of a linear head, and the labels that it would give them."""
    generator = np.random.default_rng(11)
    weights = generator.standard_normal((rows.shape[1], CLASSES), dtype=np.float32)
    weights *= 4 / np.float32(rows[:1000].std() * np.sqrt(rows.shape[1]))
    labeled = np.sort(generator.choice(len(rows), LABELED, replace=False))
    return labeled, weights, (rows[labeled] @ weights).argmax(axis=1)


def _ours(setting: str, rows: np.ndarray, scores: np.ndarray, b: int) -> Any:
    from ally_fast import strategies

    labeled, weights, _ = labels_of(rows)
    name, _, without = setting.partition(", ")

    def predict(part: np.ndarray) -> np.ndarray:
        logits = part @ weights
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        found: np.ndarray = powers / powers.sum(axis=1, keepdims=True)
        return found

    parts = [(lo, min(lo + _BLOCK, len(rows))) for lo in range(0, len(rows), _BLOCK)]
    pieces: dict[str, Any] = {}
    if name in ("ClusterMargin", "UncertaintyHerding", "DropQuery"):
        pieces["probabilities"] = np.concatenate([predict(rows[lo:hi]) for lo, hi in parts])
    if name == "DropQuery":
        passes = strategies.dropout_passes(predict, rows)
        pieces["mc_probabilities"] = np.concatenate(
            [np.stack(list(passes(lo, hi))) for lo, hi in parts], axis=1
        )
    if name in ("ALLYHerding", "GIST"):
        pieces["dual_scores"] = scores
    known = labeled[:0] if without else labeled
    context = strategies.Context(
        embeddings=rows, labeled_embeddings=rows[known], exclude=known, **pieces
    )
    return lambda: getattr(strategies, name)().query(context, b)


def _theirs(setting: str, rows: np.ndarray, scores: np.ndarray, b: int) -> Any:
    peer = importlib.import_module("benchmarks.peers.skactiveml_strategies")
    labeled, _, targets = labels_of(rows)
    return peer.query(setting, rows, labeled, targets, b)
