"""What is measured: shapes, contestants, and who sits out where."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

RECIPE_ROWS = 256  # training rows per centroid
RECIPE_ITERATIONS = 10


@dataclass(frozen=True)
class Shape:
    """A pool and a request.

    Parameters
    ----------
    dataset : str
        A key of ``datasets.SOURCES``.
    n, d, k, b : int
        Rows, dimensions, clusters, budget.
    limit : int, optional
        Take the pool's first rows only (quick runs).
    """

    dataset: str
    n: int
    d: int
    k: int
    b: int
    limit: int | None = None

    @property
    def work(self) -> float:
        """Work of one assignment pass over that of the main shape.

        What is done with a product of few dimensions costs more than the product: d counts as
        d + 100.
        """
        return self.n * self.k * (self.d + 100) / (1e6 * 1000 * 164)


MAIN = Shape("sentences", 1_000_000, 64, 1000, 10_000)
POOLS = {
    "sentences": (1_000_000, 64),
    "reviews": (100_000, 128),
    "mixture128": (1_000_000, 128),
    "mixture768": (200_000, 768),
    "kdd": (494_021, 118),
    "minilm": (120_000, 384),
    "unequal": (300_000, 128),
    "small": (20_000, 32),
}
CLUSTERS = (1000, 100, 4000)
EVERYWHERE = {  # the others run at k = 1000 only
    "ally_fast:default",
    "superkmeans:default",
    "superkmeans:flat",
    "faiss_cpu:recipe",
    "faiss_cpu:default",
    "sklearn_minibatch:default",
    "sklearn_kmeans:default",
}


@dataclass(frozen=True)
class Contestant:
    """An engine with settings.

    Parameters
    ----------
    engine, setting : str
        Names that go into the row.
    module : str
        Where ``run`` lives.
    options : dict
        Passed to ``run``; the value "recipe rows" becomes 256 k.
    pace : float
        Rough seconds at the main shape on two cores if all rows were trained on, to leave out
        what is too slow elsewhere.
    isa : str, optional
        Instruction set forced with ``ALLY_FAST_ISA``.
    sampled : bool
        Whether it trains on 256 rows per centroid, or on all.
    share : float
        Largest share of the pool it trains on.
    base : float
        Rough seconds per million rows whatever k.
    """

    engine: str
    setting: str
    module: str
    options: dict[str, Any] = field(default_factory=dict)
    pace: float = 4.0
    isa: str | None = None
    sampled: bool = True
    share: float = 1.0
    base: float = 0.3

    @property
    def name(self) -> str:
        """Engine and setting."""
        return f"{self.engine}:{self.setting}"

    def options_for(self, shape: Shape) -> dict[str, Any]:
        """Fill in what depends on the shape."""
        rows = min(shape.n, RECIPE_ROWS * shape.k)
        return {key: rows if v == "recipe rows" else v for key, v in self.options.items()}

    def estimate(self, shape: Shape) -> float:
        """Guess the seconds on two cores: a sampled training, then a pass over the pool."""
        sample = min(shape.n, RECIPE_ROWS * shape.k) / shape.n if self.sampled else 1.0
        sample = min(sample, self.share)
        return self.base * shape.n / 1e6 + self.pace * shape.work * (sample + 0.1)


RECIPE = {"train_size": "recipe rows"}
TEN = {"max_iter": RECIPE_ITERATIONS, "tol": 0.0}
FLAT = {"hierarchical": False}
OWN_BATCHES = {"pace": 15.0, "base": 20.0, "sampled": False}  # mini-batches of all rows

OURS = (
    Contestant("ally_fast", "default", "benchmarks.ours"),
    Contestant("ally_fast", "recipe", "benchmarks.ours", TEN),
)


def _rival(
    engine: str, setting: str, options: dict[str, Any] | None = None, module: str = "", **how: Any
) -> Contestant:
    where = f"benchmarks.peers.{module or engine}"
    return Contestant(engine, setting, where, options or {}, **how)


_SUPER = partial(_rival, "superkmeans", module="superkmeans_peer")
_FAISS = {"iterations": RECIPE_ITERATIONS}
RIVALS = (
    _SUPER("default", pace=2.7, sampled=False),
    _SUPER("flat", FLAT, pace=15.0, share=0.3),
    _SUPER("recipe", {**RECIPE, **FLAT, "early_termination": False}, pace=15.0),
    _rival("faiss_cpu", "recipe", _FAISS, pace=23.0),
    _rival("faiss_cpu", "default", pace=45.0),
    _rival("faiss_super", "recipe", {**_FAISS, "pruned": True}, "faiss_cpu", pace=23.0),
    _rival("sklearn_minibatch", "default", **OWN_BATCHES),
    _rival("sklearn_minibatch", "recipe", {**RECIPE, "max_iter": RECIPE_ITERATIONS}, pace=14.0),
    _rival("published_loop", "default", **OWN_BATCHES),
    _rival("sklearn_kmeans", "recipe", {**RECIPE, **TEN}, pace=225.0),
    _rival("sklearn_kmeans", "default", pace=205.0, sampled=False),
)


def shapes(quick: bool = False) -> list[Shape]:
    """List the shapes of the end-to-end benchmark, the main one first.

    Parameters
    ----------
    quick : bool
        Take 20,000 rows and few clusters: a check of the machinery, not a measurement.
    """
    if quick:
        return [
            Shape(name, 20_000, POOLS[name][1], 50, 510, limit=20_000)
            for name in ("small", "sentences", "kdd")
        ]
    found = [
        Shape(name, *POOLS[name], k, 10_000)
        for name in ("sentences", "reviews", "minilm", "mixture128", "mixture768")
        for k in CLUSTERS
    ]
    return [*found, Shape("kdd", *POOLS["kdd"], 500, 10_000)]


def contestants(isas: list[str], shape: Shape) -> list[Contestant]:
    """List who runs at a shape: ours, ours on weaker instruction sets, then the rivals.

    Parameters
    ----------
    isas : list of str
        What the native core can run here, best first; the weaker ones run at the main shape.
    shape : Shape
        Where.
    """
    weaker = [isa for isa in isas[1:] if isa != "portable" and shape == MAIN]
    forced = [replace(OURS[0], setting=isa, isa=isa) for isa in weaker]
    return [*OURS, *forced, *RIVALS]


def skip_reason(
    contestant: Contestant, shape: Shape, limit_seconds: float, skip_slow: bool
) -> str | None:
    """Say why a contestant sits out, or None when it runs.

    Parameters
    ----------
    contestant, shape
        Who, where.
    limit_seconds : float
        Longest run worth waiting for, away from the main shape.
    skip_slow : bool
        Leave scikit-learn out wherever it would take more than 10 seconds.
    """
    estimate = contestant.estimate(shape)
    if skip_slow and estimate > 10.0:
        return f"slow rivals left out (about {estimate:.0f} s)"
    if shape.k in CLUSTERS[1:] and contestant.name not in EVERYWHERE:
        return "measured at k = 1000"
    if contestant.engine == "published_loop" and shape != MAIN and shape.limit is None:
        return "measured at the main shape"
    if shape != MAIN and estimate > limit_seconds:
        return f"about {estimate:.0f} s, more than {limit_seconds:.0f} s"
    return None
