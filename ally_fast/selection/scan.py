"""The pass over a portion of a pool, which keeps the rows that can still be in the batch."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import Any

import numpy as np

from ally_fast import _settings
from ally_fast.cluster.arguments import checked_threads
from ally_fast.cluster.choose_engine import choose_engine
from ally_fast.cluster.engine import Assigner
from ally_fast.cluster.host_engine import HostShortlister
from ally_fast.cluster.pool_pass import assign_chunks, assign_pool
from ally_fast.ops.shortlist import Shortlist
from ally_fast.rows import Rows
from ally_fast.selection.part import Part
from ally_fast.selection.pick_distances import PickDistances
from ally_fast.selection.portion import Portion
from ally_fast.selection.task import Task

# Counts rows as they are done.
Advance = Callable[[int], None]


def scan(
    task: Task,
    portion: Portion,
    *,
    device: str = "cpu",
    threads: int | None = None,
    advance: Advance | None = None,
) -> Part:
    """Assign the eligible rows of a portion, and keep those that can still be in the batch.

    Parameters
    ----------
    task : Task
    portion : Portion
    device : str
        Where to compute, "cpu" or "cuda:N", if the task only names its engine.
    threads : int, optional
        Number of CPU threads; see `ally_fast.select`.
    advance : callable, optional
        Called with the number of rows done since the last call.

    Returns
    -------
    Part
        O(b + k) rows, or 4 bytes for each row if the rule needs the clusters of all rows.

    Raises
    ------
    ValueError
        If an eligible row or its score is not finite, or if a file has changed since it was opened.
    """
    rule = task.rule
    if rule.b == 0:
        return Part(np.zeros(rule.k, np.int64))
    engine = task.engine
    if isinstance(engine, str):
        engine = choose_engine(engine, (device,))
    work = _assigned if rule.needs_assignments else _listed
    with _settings.using_threads(checked_threads(threads)):
        assigners = engine.assigners(task.centroids, normalize=rule.normalize)
        part = work(task, portion, assigners, advance or (lambda rows: None))
        task.pool.check()
    return part


class _Scorer:
    """The scores of a chunk: those of the portion, or those that a function computes."""

    def __init__(self, task: Task, portion: Portion, assigners: list[Assigner]) -> None:
        self._task, self._portion, self._assigners = task, portion, assigners
        self._one_at_a_time = Lock()  # a function may not be made for several threads

    def __call__(self, number: int, read: Rows, lo: int) -> Any:
        hi, eligible = lo + len(read), self._portion.eligible
        if self._task.function is None:
            return self._portion.scores.read(lo, hi, self._assigners[number].device)
        if self._assigners[number].met_nonfinite(wait=True):  # the pass is about to end with it
            return np.full(len(read), np.nan)
        mask = None if eligible is None else eligible[lo:hi]
        with self._one_at_a_time:
            return self._task.function.scores(read, lo, mask)


def _assigned(task: Task, portion: Portion, assigners: list[Assigner], advance: Advance) -> Part:
    """Return the cluster of every row, and its score if a function computes it."""
    (first, end), scorer = portion.rows, _Scorer(task, portion, assigners)
    scores = None if task.function is None else np.full(end - first, np.nan)

    def score(number: int, _: Any, read: Rows, lo: int) -> None:
        assert scores is not None
        scores[lo - first : lo - first + len(read)] = scorer(number, read, lo)

    assignments = assign_pool(
        task.pool,
        assigners,
        portion.eligible,
        rows=portion.rows,
        chunk_rows=task.chunk_rows,
        advance=advance,
        also=None if scores is None else score,
    )
    sizes = np.bincount(assignments[assignments >= 0], minlength=task.rule.k)
    scored = () if scores is None else ((first, scores),)
    return Part(sizes, assigned=((first, assignments),), scored=scored)


def _listed(task: Task, portion: Portion, assigners: list[Assigner], advance: Advance) -> Part:
    """Return the shortlist; each assigner collects the rows that it saw, on its own device."""
    rule, scorer = task.rule, _Scorer(task, portion, assigners)
    weights = rule.weights()
    collectors = [
        assigner.shortlister(rule.k, rule.b, weights, rule.tie_seed) for assigner in assigners
    ]
    worth_it = task.pool.streamed and rule.b + rule.k <= task.chunk_rows
    distances = PickDistances(task.centroids, rule) if worth_it else None

    def take(number: int, clusters: Any, read: Rows, lo: int) -> None:
        collectors[number].push(clusters, scorer(number, read, lo), lo)
        collector = collectors[number]
        if distances is not None and isinstance(collector, HostShortlister):
            distances.add(collector.entries(), read, lo)

    assign_chunks(
        task.pool,
        assigners,
        portion.eligible,
        take,
        rows=portion.rows,
        chunk_rows=task.chunk_rows,
        advance=advance,
    )
    shortlist = Shortlist(rule.k, rule.b, weights, rule.tie_seed)
    for collector in collectors:
        collector.merge_into(shortlist)
    pairs = None if distances is None else distances.pairs()
    return Part(shortlist.sizes, shortlist.entries(), distances=pairs)
