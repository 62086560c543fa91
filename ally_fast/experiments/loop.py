"""The outer loop of active learning: train, measure, choose, label, repeat."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ally_fast.experiments.arm import TYPICAL_START, Arm
from ally_fast.experiments.datasets import Dataset, labeled_pool, load_dataset
from ally_fast.experiments.frozen_learner import learn_head
from ally_fast.experiments.heads import Head
from ally_fast.experiments.learner import learn, trainer_of
from ally_fast.experiments.measure import measured, with_query
from ally_fast.experiments.protocol import NETWORK, Protocol
from ally_fast.experiments.query import AnyLearner, choose
from ally_fast.experiments.round_rows import RoundFile, RoundRow
from ally_fast.experiments.start import random_start, typical_start

_START, _MODEL, _QUERY, _PROBE = range(4)


def prepare(protocol: Protocol, folder: str | None = None, seed: int = 0) -> Dataset:
    """Load the data set of a protocol with the split of a seed; sample and clone its pool."""
    if protocol.labels is not None:
        dataset = labeled_pool.load(
            protocol.dataset, protocol.labels, protocol.column, protocol.ids
        )
    else:
        dataset = load_dataset(protocol.dataset, folder, split=protocol.split, seed=seed)
    if protocol.pool_rows is not None:
        dataset = dataset.sample(protocol.pool_rows, 0)
    return dataset.cloned(protocol.clones) if protocol.clones > 1 else dataset


def check(dataset: Dataset, protocol: Protocol, arms: tuple[Arm, ...], rounds: int) -> None:
    """Raise ValueError if the experiment cannot run to its end.

    That is if an arm does not suit the task, the pool is too small for the rounds, or the labeled
    set is too small for its validation split.
    """
    n, needed = len(dataset.inputs), protocol.labels_in(rounds)
    if n < needed and protocol.budgets is None:
        raise ValueError(
            f"rounds: {dataset.name} has a pool of {n} rows, but {protocol.initial} at the start "
            f"and {rounds} rounds of b={protocol.b} need {needed}"
        )
    if n < needed:
        raise ValueError(f"budgets: {dataset.name} has a pool of {n} rows; needs {needed}")
    if protocol.head != NETWORK:
        _check_frozen(dataset, protocol, arms)
    for arm in arms:
        trainer_of(dataset.task, protocol, arm, 0)
        if arm.classification and dataset.task == "regression":
            raise ValueError(f"strategies: {arm.name} needs classes, but {dataset.name} has none")
    first, name = protocol.labels_in(0), "initial" if protocol.budgets is None else "budgets"
    if first < 10:
        raise ValueError(f"{name}: got {first}, needs at least 10 to hold out a validation split")


def _check_frozen(dataset: Dataset, protocol: Protocol, arms: tuple[Arm, ...]) -> None:
    """Raise ValueError if a head cannot learn the data set, or an arm needs a network."""
    if dataset.classes is None or dataset.inputs.ndim != 2 or dataset.inputs.dtype == np.uint8:
        raise ValueError(
            f"head: got {protocol.head!r}, which needs embeddings with classes; {dataset.name} is "
            f"{dataset.task} of {dataset.inputs.dtype}, shape {dataset.inputs.shape}"
        )
    for arm in arms:
        if arm.of_networks:
            raise ValueError(
                f"strategies: {arm.name} needs a network, got a {protocol.head} head on frozen "
                "embeddings"
            )


def done(
    dataset: Dataset, protocol: Protocol, arm: Arm, seed: int, file: RoundFile
) -> tuple[list[RoundRow], NDArray[np.int64]]:
    """Return the finished rows of a run, and the pool rows that are labeled after them.

    Raises
    ------
    ValueError
        If the rows do not belong to this run: a batch has another size, or holds rows that are
        labeled, repeated or not in the pool. The message names file and line.
    """
    rows, n = file.read(), len(dataset.inputs)
    begin = typical_start if arm.start == TYPICAL_START else random_start
    labeled = begin(dataset, protocol.labels_in(0), _seed(seed, 0, _START))
    known_rows = set(labeled.tolist())
    for number, row in enumerate(rows):
        if row.labeled != len(labeled):
            raise file.error(number, f"labeled: got {row.labeled}, needs {len(labeled)}")
        if row.batch is None:
            if number < len(rows) - 1:
                raise file.error(number, "has no 'batch', which the next round needs")
            continue
        if len(row.batch) != protocol.batch_after(number):
            needed = protocol.batch_after(number)
            raise file.error(number, f"batch: got {len(row.batch)} rows, needs {needed}")
        for place, index in enumerate(row.batch):
            if not 0 <= index < n:
                message = f"batch[{place}]: got {index}, needs a row of the pool, [0, {n})"
                raise file.error(number, message)
            if index in known_rows:
                raise file.error(number, f"batch[{place}]: row {index} is already labeled")
            known_rows.add(index)
        labeled = np.concatenate([labeled, np.array(row.batch, np.int64)])
    return rows, labeled


def run(
    dataset: Dataset,
    protocol: Protocol,
    arm: Arm,
    seed: int,
    rounds: int,
    file: RoundFile,
    head: Head | None = None,
) -> Iterator[RoundRow]:
    """Run one arm with one seed from where its file ends; yield each row once it is written.

    If you pass a `head`, it is fitted in each round in place of the paper's network.

    Every random draw depends on (seed, round, purpose) and is the same for all arms. So a run gives
    the same result with and without an interruption, and arms differ only in what they label.
    """
    rows, labeled = done(dataset, protocol, arm, seed, file)
    if rows and rows[-1].batch is None and rows[-1].round < rounds:
        file.drop_last()  # the end of a shorter run: its model is needed to choose with
        rows.pop()
    for number in range(len(rows), rounds + 1):
        model_seed = _seed(seed, number, _MODEL)
        learner: AnyLearner
        if head is None:
            learner = learn(dataset, protocol, arm, labeled, model_seed)
        else:
            learner = learn_head(dataset, protocol, arm, labeled, model_seed, head)
        row = measured(arm, learner, seed, number)
        if number < rounds:
            b = protocol.batch_after(number)
            query = choose(arm, learner, b, _seed(seed, number, _QUERY), protocol)
            row = with_query(row, protocol, learner, query, _seed(seed, number, _PROBE))
            labeled = np.concatenate([labeled, query.batch])
        file.append(row)
        yield row


def _seed(seed: int, number: int, purpose: int) -> int:
    sequence = np.random.SeedSequence([seed, number, purpose])
    return int(sequence.generate_state(1, np.uint64)[0] >> np.uint64(2))
