"""An arm of an experiment: a strategy, its settings, and the training of its models."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ally_fast import strategies
from ally_fast.strategies import Strategy

PLAIN, CONSTRAINED = "plain", "constrained"
RANDOM_START, TYPICAL_START = STARTS = ("random", "typical")
DUALS, RANDOM_SCORES, MARGIN_SCORES = SCORES = ("duals", "random", "margin")


def _training(text: str) -> str:
    if text not in (PLAIN, CONSTRAINED):
        raise ValueError
    return text


def _start(text: str) -> str:
    if text not in STARTS:
        raise ValueError
    return text


def _scores(text: str) -> str:
    if text not in SCORES:
        raise ValueError
    return text


def _count(text: str) -> int:
    if int(text) < 1:
        raise ValueError
    return int(text)


def _clusters(text: str) -> int | float:
    return float(text) if "." in text else int(text)


def _rate(text: str) -> float:
    if not 0 < float(text) < 1:
        raise ValueError
    return float(text)


def _allocation(text: str) -> str:
    if text not in ("equal", "proportional", "sqrt"):
        raise ValueError
    return text


@dataclass(frozen=True)
class _Kind:
    """A strategy that the command line can name, and the options that it takes there."""

    make: Callable[..., Strategy]
    training: str = PLAIN
    classification: bool = False
    options: Mapping[str, Callable[[str], Any]] = field(default_factory=dict)
    of_model: Mapping[str, Callable[[str], Any]] = field(default_factory=dict)
    of_arm: Mapping[str, Callable[[str], Any]] = field(default_factory=dict)
    network: bool = False  # makes no sense for a head on frozen embeddings


_HERDING = {"width": float, "targets": int, "metric": str}
_KINDS = {
    "ally": _Kind(
        strategies.ALLY,
        CONSTRAINED,
        of_arm={"scores": _scores, "heads": _count},
        options={
            "k": _clusters,
            "radius": float,
            "max_score_quantile": float,
            "allocation": _allocation,
        },
    ),
    "random": _Kind(strategies.RandomSampling),
    "core_set": _Kind(strategies.CoreSet),
    "badge": _Kind(strategies.BADGE, classification=True),
    "entropy": _Kind(strategies.EntropySampling, classification=True),
    "margin": _Kind(strategies.MarginSampling, classification=True),
    "cluster_margin": _Kind(
        strategies.ClusterMargin, classification=True, options={"k": _clusters}
    ),
    "drop_query": _Kind(
        strategies.DropQuery,
        classification=True,
        options={"candidates": int, "metric": str},
        of_model={"rate": _rate, "passes": _count},
    ),
    "max_herding": _Kind(strategies.MaxHerding, options=_HERDING),
    "uncertainty_herding": _Kind(
        strategies.UncertaintyHerding,
        classification=True,
        options={"temperature": float, **_HERDING},
    ),
    "ally_herding": _Kind(strategies.ALLYHerding, CONSTRAINED, options=_HERDING),
    "gist": _Kind(
        strategies.GIST,
        CONSTRAINED,
        options={"trade_off": float, "epsilon": float, "metric": str},
    ),
    "bald": _Kind(
        strategies.BALD,
        classification=True,
        of_model={"dropout": float, "passes": int},
        network=True,
    ),
    "learning_loss": _Kind(strategies.LearningLoss, of_model={"weight": float}, network=True),
    "dal": _Kind(strategies.DAL, options={"mini_queries": int, "ratio": int, "epochs": int}),
}
STRATEGIES = tuple(_KINDS)
_OF_MODEL = {
    "bald": {"dropout": 0.2, "passes": 10},
    "drop_query": {"rate": 0.75, "passes": 3},
    "learning_loss": {"weight": 1.0},
}


@dataclass(frozen=True)
class Arm:
    """One side of a comparison: a strategy, its settings, and the training of its models.

    Attributes
    ----------
    name : str
        Name on the command line, such as ``ally``, ``ally:k=50:radius=0.1`` or
        ``random:training=constrained``.
    strategy : str
        One of `STRATEGIES`.
    training : {"plain", "constrained"}
        The objective: the mean loss, or the Lagrangian with one constraint for each sample. The
        default is "constrained" for ALLY, ALLY Herding and GIST, and "plain" for all others.
    start : {"random", "typical"}
        How the first rows to label are chosen: at random, or by `TypicalStart`.
    scores : {"duals", "random", "margin"}
        The scores of ``ally``: predicted multipliers, random numbers, or margins. The clusters are
        the same.
    heads : int
        Number of dual heads of ``ally``. They differ by seed; their mean prediction is the score.
    options : mapping
        Arguments of the strategy.
    of_model : mapping
        What the strategy needs of the model: dropout and passes (``bald``), rate and passes of the
        last layer or head (``drop_query``), weight of the loss-prediction module's loss
        (``learning_loss``).
    """

    name: str
    strategy: str
    training: str
    options: Mapping[str, Any]
    of_model: Mapping[str, Any]
    start: str = RANDOM_START
    scores: str = DUALS
    heads: int = 1

    @property
    def classification(self) -> bool:
        """Whether the arm needs a classification task."""
        return _KINDS[self.strategy].classification or self.scores == MARGIN_SCORES

    @property
    def of_duals(self) -> bool:
        """Whether the arm scores rows by multipliers that a head predicts."""
        return _KINDS[self.strategy].training == CONSTRAINED and self.scores == DUALS

    @property
    def of_networks(self) -> bool:
        """Whether the arm needs a network, not a head on frozen embeddings."""
        constrained = self.training == CONSTRAINED
        kind = _KINDS[self.strategy]
        return kind.network or (constrained and kind.training != CONSTRAINED)

    def make(self, **more: Any) -> Strategy:
        """Return the strategy."""
        return _KINDS[self.strategy].make(**self.options, **more)


def parse_arms(text: str, starts: str = RANDOM_START) -> tuple[Arm, ...]:
    """Parse a list of arms; return each arm once for each start.

    Parameters
    ----------
    text : str
        Arms separated by commas, each ``NAME[:OPTION=VALUE ...]``.
    starts : str
        Some of `STARTS`, separated by commas. An arm that names its own start keeps it.

    Raises
    ------
    ValueError
        If a name or an option is unknown, a value is of the wrong kind, or an arm is repeated.

    Examples
    --------
    >>> [arm.strategy for arm in parse_arms("random,ally:k=50:radius=0.1")]
    ['random', 'ally']
    """
    kinds = [start.strip() for start in starts.split(",")]
    for start in kinds:
        if start not in STARTS or kinds.count(start) > 1:
            raise ValueError(
                f"start: got {starts!r}, needs one or more of {', '.join(STARTS)}, each once"
            )
    parts = [part.strip() for part in text.split(",")]
    arms = tuple(_parse(name) for start in kinds for name in _with_start(parts, start, kinds))
    names = [arm.name for arm in arms]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"strategies: got {name!r} twice, needs each arm once")
    return arms


def _with_start(parts: list[str], start: str, starts: list[str]) -> list[str]:
    """Return the names of arms for a start; an arm with its own start belongs to the first."""
    named = [part for part in parts if ":start=" in part]
    suffix = "" if start == RANDOM_START else f":start={start}"
    return [
        part if part in named else part + suffix
        for part in parts
        if part not in named or start == starts[0]
    ]


def _parse(text: str) -> Arm:
    name, *pairs = text.split(":")
    kind = _KINDS.get(name)
    if kind is None:
        raise ValueError(f"strategies: got {name!r}, needs one of {', '.join(STRATEGIES)}")
    parsers = {
        "training": _training,
        "start": _start,
        **kind.options,
        **kind.of_model,
        **kind.of_arm,
    }
    items: dict[str, Any] = {}
    for pair in pairs:
        option, equals, value = pair.partition("=")
        if option not in parsers or not equals:
            raise ValueError(
                f"strategies: {name} got {pair!r}, takes {', '.join(f'{o}=…' for o in parsers)}"
            )
        try:
            items[option] = parsers[option](value)
        except ValueError:
            raise ValueError(
                f"strategies: {name} got {pair!r}, which is not a value of {option}"
            ) from None
    start, scores = items.pop("start", RANDOM_START), items.pop("scores", DUALS)
    heads = items.pop("heads", 1)
    if heads > 1 and scores != DUALS:
        raise ValueError(f"strategies: ally got heads={heads}, but scores={scores} uses no heads")
    training = items.pop("training", kind.training if scores == DUALS else PLAIN)
    if kind.training == CONSTRAINED and training == PLAIN and scores == DUALS:
        raise ValueError(
            f"strategies: {name} got training=plain, needs training=constrained for its multipliers"
        )
    of_model = {**_OF_MODEL.get(name, {}), **{k: v for k, v in items.items() if k in kind.of_model}}
    options = {k: v for k, v in items.items() if k in kind.options}
    arm = Arm(text, name, training, options, of_model, start, scores, heads)
    arm.make()  # checks the options before any work
    return arm
