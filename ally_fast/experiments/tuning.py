"""Choose the setting of a head once for a data set, before strategies are compared."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ally_fast.experiments.datasets import Dataset
from ally_fast.experiments.heads import Head, candidates
from ally_fast.experiments.out_of_fold import out_of_fold
from ally_fast.experiments.protocol import Protocol
from ally_fast.strategies.weak_head import WeakHeadWarning, is_near_chance

_DRAWS = 5
_SEED = 2**40  # a key that no seed of an experiment has


@dataclass(frozen=True)
class Tuned:
    """The chosen head and the accuracies that decided.

    Attributes
    ----------
    head : Head
    accuracies : mapping of str to tuple of float
        The cross-validated accuracies of each penalty, one for each of `labels`.
    labels : tuple of int
        Numbers of labels.
    """

    head: Head
    accuracies: dict[str, tuple[float, ...]]
    labels: tuple[int, ...]


def tuned(
    dataset: Dataset,
    protocol: Protocol,
    rounds: int,
    advance: Callable[[int], None] = lambda _: None,
) -> Tuned:
    """Choose the penalty by cross-validation on randomly labeled rows.

    There are five random draws, each with the number of labels of the first round and of the last
    round, and five folds. The penalty with the highest mean accuracy wins; of equal penalties, the
    weaker one.

    Warns
    -----
    WeakHeadWarning
        If the head is near chance even with the labels of the last round.
    """
    labels = tuple(dict.fromkeys((protocol.labels_in(0), protocol.labels_in(rounds))))
    heads = candidates(protocol.head)
    predictions: dict[tuple[Head, int], tuple[NDArray[np.int64], NDArray[np.int64]]] = {}
    for count in labels:
        rows = [_draw(dataset, count, draw) for draw in range(_DRAWS)]
        for head in heads:
            parts = [out_of_fold(dataset, head, sample).argmax(axis=1) for sample in rows]
            targets = np.concatenate([dataset.targets[sample] for sample in rows])
            predictions[head, count] = targets, np.concatenate(parts)
            advance(1)
    accuracies = {
        head: tuple(float(np.mean(np.equal(*predictions[head, count]))) for count in labels)
        for head in heads
    }
    best = max(heads, key=lambda head: (np.mean(accuracies[head]), -head.penalty))
    if weak := is_near_chance(*predictions[best, labels[-1]]):
        warnings.warn(
            f"head: on {dataset.name} the best {best.kind} head has {weak}; strategies that use it "
            "will do worse than random rows",
            WeakHeadWarning,
            stacklevel=2,
        )
    return Tuned(best, {f"{head.penalty:g}": accuracies[head] for head in heads}, labels)


def steps(protocol: Protocol) -> int:
    """Return how often `tuned` calls `advance` at most."""
    return 2 * len(candidates(protocol.head))


def _draw(dataset: Dataset, count: int, draw: int) -> NDArray[np.int64]:
    generator = np.random.Generator(np.random.Philox(key=_SEED + draw))
    rows: NDArray[np.int64] = generator.choice(len(dataset.inputs), count, replace=False)
    return rows
