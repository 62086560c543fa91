"""The outer loop of active learning: train, measure, choose, label; and again."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

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


def done(
    dataset: Dataset, protocol: Protocol, seed: int, file: RoundFile
) -> tuple[list[RoundRow], NDArray[np.int64]]:
    """Return the rows of a run that are there, and the pool rows that are labeled after them.

    Raises
    ------
    ValueError
        Names file and line, if they are no rounds of this run: a batch is of another size, or not
        of unlabeled rows of the pool, each once.
    """
    rows, n = file.read(), len(dataset.inputs)
    start = np.random.Generator(np.random.Philox(key=_seed(seed, 0, _START)))
    labeled = np.sort(start.choice(n, protocol.initial, replace=False))
    known = set(labeled.tolist())
    for number, row in enumerate(rows):
        if row.labeled != len(labeled):
            raise file.error(number, f"labeled: got {row.labeled}, needs {len(labeled)}")
        if row.batch is None:
            if number < len(rows) - 1:
                raise file.error(number, "has no 'batch', which the next round needs")
            continue
        if len(row.batch) != protocol.b:
            raise file.error(number, f"batch: got {len(row.batch)} rows, needs {protocol.b}")
        for place, index in enumerate(row.batch):
            if not 0 <= index < n:
                message = f"batch[{place}]: got {index}, needs a row of the pool, [0, {n})"
                raise file.error(number, message)
            if index in known:
                raise file.error(number, f"batch[{place}]: row {index} is labeled already")
            known.add(index)
        labeled = np.concatenate([labeled, np.array(row.batch, np.int64)])
    return rows, labeled


def run(
    dataset: Dataset, protocol: Protocol, arm: Arm, seed: int, rounds: int, file: RoundFile
) -> Iterator[RoundRow]:
    """Run one arm with one seed from where its file ends, and yield each row once it is written.

    Everything random is drawn by (seed, round, purpose), the same for all arms, so that a run that
    was killed goes on as if it had not been, and arms differ by what they label.
    """
    rows, labeled = done(dataset, protocol, seed, file)
    if rows and rows[-1].batch is None and rows[-1].round < rounds:
        file.drop_last()  # the end of a shorter run: its model is needed to choose with
        rows.pop()
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
