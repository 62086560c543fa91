"""The outer loop of active learning: train, measure, choose, label; and again."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ally_fast.experiments.arm import Arm
from ally_fast.experiments.datasets import Dataset, load_dataset
from ally_fast.experiments.learner import learn, trainer_of
from ally_fast.experiments.measure import measured, with_query
from ally_fast.experiments.protocol import Protocol
from ally_fast.experiments.query import choose
from ally_fast.experiments.round_rows import RoundFile, RoundRow

_START, _MODEL, _QUERY, _PROBE = range(4)


def prepare(protocol: Protocol, folder: str | None = None) -> Dataset:
    """Return the data set of a protocol: part of the pool, cloned."""
    dataset = load_dataset(protocol.dataset, folder, split=protocol.split)
    if protocol.pool_rows is not None:
        dataset = dataset.sample(protocol.pool_rows, 0)
    return dataset.cloned(protocol.clones) if protocol.clones > 1 else dataset


def check(dataset: Dataset, protocol: Protocol, arms: tuple[Arm, ...], rounds: int) -> None:
    """Raise ValueError if the experiment cannot be carried out to its end.

    If an arm has no meaning for the task, the pool is too small for the rounds, or the labeled set
    for its validation split.
    """
    n, needed = len(dataset.inputs), protocol.initial + rounds * protocol.b
    if n < needed:
        raise ValueError(
            f"rounds: {dataset.name} has a pool of {n} rows; {protocol.initial} at the start and "
            f"{rounds} rounds of b={protocol.b} need {needed}"
        )
    for arm in arms:
        trainer_of(dataset.task, protocol, arm, 0)
        if arm.classification and dataset.task == "regression":
            raise ValueError(f"strategies: {arm.name} needs classes; {dataset.name} has none")
    if protocol.initial < 10:
        raise ValueError(f"initial: got {protocol.initial}, needs at least 10 to hold a split out")


def run(
    dataset: Dataset, protocol: Protocol, arm: Arm, seed: int, rounds: int, file: RoundFile
) -> Iterator[RoundRow]:
    """Run one arm with one seed from where its file ends, and yield each row once it is written.

    Everything random is drawn by (seed, round, purpose), the same for all arms, so that a run that
    was killed goes on as if it had not been, and arms differ by what they label.
    """
    rows = file.read()
    if rows and rows[-1].batch is None and rows[-1].round < rounds:
        file.drop_last()  # the end of a shorter run: its model is needed to choose with
        rows.pop()
    start = np.random.Generator(np.random.Philox(key=_seed(seed, 0, _START)))
    initial = np.sort(start.choice(len(dataset.inputs), protocol.initial, replace=False))
    labeled = np.concatenate(
        [initial, *(np.array(row.batch, np.int64) for row in rows if row.batch)]
    )
    for number in range(len(rows), rounds + 1):
        learner = learn(dataset, protocol, arm, labeled, _seed(seed, number, _MODEL))
        row = measured(arm, learner, seed, number)
        if number < rounds:
            query = choose(arm, learner, protocol.b, _seed(seed, number, _QUERY))
            row = with_query(row, protocol, learner, query, _seed(seed, number, _PROBE))
            labeled = np.concatenate([labeled, query.batch])
        file.append(row)
        yield row


def _seed(seed: int, number: int, purpose: int) -> int:
    sequence = np.random.SeedSequence([seed, number, purpose])
    return int(sequence.generate_state(1, np.uint64)[0] >> np.uint64(2))
