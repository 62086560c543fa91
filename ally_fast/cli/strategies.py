"""``--strategy``: strategies other than ALLY."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast import _settings
from ally_fast.cli.exclusions import Exclusions
from ally_fast.cli.inputs import Input, reading
from ally_fast.pools import Ids, ShardedPool, open_column, open_pool
from ally_fast.pools.by_id import ById
from ally_fast.pools.chunks import chunk_size
from ally_fast.pools.column_spec import ColumnSpec
from ally_fast.pools.finite import finite_rows
from ally_fast.pools.pool import Pool, as_float
from ally_fast.pools.row_count import check_rows
from ally_fast.pools.taken import as_values
from ally_fast.selection.batch import gather
from ally_fast.selection.eligibility import rows_not_excluded
from ally_fast.selection.join import Join, checked_join
from ally_fast.strategies import (
    GIST,
    ALLYHerding,
    ClusterMargin,
    Context,
    CoreSet,
    EntropySampling,
    MarginSampling,
    MaxHerding,
    RandomSampling,
    Strategy,
    TypicalStart,
    UncertaintyHerding,
)

ALLY = "ally"
_OF_ANY = (
    *("pool", "embeddings", "column", "ids", "keep", "storage_options", "b", "strategy", "seed"),
    *("output", "format", "data_column", "force", "unknown_ids", "on_bad_row", "threads"),
    *("quiet", "json", "debug"),
)


@dataclass(frozen=True)
class _Kind:
    """A strategy: how to make it from the options, which options it takes and which it needs."""

    make: Callable[[argparse.Namespace], Strategy]
    takes: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    reads_rows: bool = False


_OF_HERDING = ("labeled_embeddings", "metric", "device", "chunk_rows")
_OTHERS = {
    "random": _Kind(lambda _: RandomSampling()),
    "core-set": _Kind(
        lambda options: CoreSet(metric=options.metric),
        ("labeled_embeddings", "metric", "device"),
        reads_rows=True,
    ),
    "entropy": _Kind(lambda _: EntropySampling(), ("chunk_rows",), ("probabilities",)),
    "margin": _Kind(lambda _: MarginSampling(), ("chunk_rows",), ("probabilities",)),
    "cluster-margin": _Kind(
        lambda options: ClusterMargin(options.k, metric=options.metric),
        ("k", "metric", "device", "chunk_rows"),
        ("probabilities",),
        reads_rows=True,
    ),
    "typical-start": _Kind(
        lambda options: TypicalStart(options.k, metric=options.metric),
        ("k", "metric", "device"),
        reads_rows=True,
    ),
    "max-herding": _Kind(
        lambda options: MaxHerding(metric=options.metric), _OF_HERDING, reads_rows=True
    ),
    "uncertainty-herding": _Kind(
        lambda options: UncertaintyHerding(metric=options.metric),
        _OF_HERDING,
        ("probabilities",),
        reads_rows=True,
    ),
    "ally-herding": _Kind(
        lambda options: ALLYHerding(metric=options.metric),
        _OF_HERDING,
        ("dual_scores",),
        reads_rows=True,
    ),
    "gist": _Kind(
        lambda options: GIST(metric=options.metric),
        ("metric", "device", "chunk_rows"),
        ("dual_scores",),
        reads_rows=True,
    ),
}
STRATEGIES = (ALLY, *_OTHERS)


@dataclass(frozen=True, eq=False)
class Pieces:
    """Inputs of a strategy besides the pool; None if not given.

    Attributes
    ----------
    labeled : ndarray, shape (l, d), or None
    scores : ndarray, shape (n,), ById or None
    probabilities : Input or None
    """

    labeled: NDArray[Any] | None
    scores: Any
    probabilities: Input | None


@dataclass(frozen=True, eq=False)
class Picks:
    """The picks of a strategy without clusters.

    Attributes
    ----------
    indices : ndarray of int64, shape (b,)
    ids : ndarray, shape (b,), or None
    eligible_rows, skipped_rows : int
    """

    indices: NDArray[np.int64]
    ids: NDArray[Any] | None
    eligible_rows: int
    skipped_rows: int


def check_options(arguments: argparse.Namespace) -> None:
    """Raise ValueError if the strategy lacks a needed option or does not use a given one."""
    name = arguments.strategy
    options: set[str] = getattr(arguments, "_given", set())
    needs: tuple[str, ...] = ("dual_scores", "k")
    unused = options & {"probabilities"}
    if name != ALLY:
        needs = _OTHERS[name].needs
        unused = options - {*_OF_ANY, *needs, *_OTHERS[name].takes}
    if unused:
        raise ValueError(f"{min(unused)}: the strategy {name} does not use it")
    for option in needs:
        if getattr(arguments, option) is None:
            raise ValueError(f"{option}: the strategy {name} needs it")


def pick(
    arguments: argparse.Namespace,
    pool: ShardedPool,
    excluded: Exclusions,
    pieces: Pieces,
) -> Picks:
    """Choose a batch with a strategy other than ALLY; see `ally_fast.select` for the arguments."""
    join = checked_join(pool, None, arguments.unknown_ids)
    eligible = rows_not_excluded(excluded.mask, pool.n, join.excluded(excluded.ids))
    rows = chunk_size(pool, arguments.chunk_rows)
    progress = not arguments.quiet
    with _settings.using_threads(arguments.threads):
        eligible, skipped = finite_rows(pool, eligible, rows, progress=progress)
        kind = _OTHERS[arguments.strategy]
        strategy = kind.make(arguments)
        context = Context(
            n=pool.n,
            embeddings=pool if kind.reads_rows else None,
            exclude=None if eligible is None else ~eligible,
            labeled_embeddings=np.empty((0, pool.d)) if pieces.labeled is None else pieces.labeled,
            dual_scores=join.values(pieces.scores, "dual_scores", eligible),
            probabilities=_by_chunk(pool, join, eligible, pieces.probabilities),
            seed=arguments.seed,
            device=arguments.device,
            chunk_rows=arguments.chunk_rows,
        )
        with _told_of_its_arguments(strategy):
            indices = strategy.query(context, arguments.b)
    ids = None if join.ids is None else as_values(join.ids.take(indices))
    count = pool.n if eligible is None else int(np.count_nonzero(eligible))
    return Picks(indices, ids, count, skipped)


def summarize_picks(
    arguments: argparse.Namespace, pool: ShardedPool, picks: Picks, seconds: dict[str, float]
) -> dict[str, Any]:
    """Return the summary of `ally_fast.report.summarize` without its facts about clusters."""
    return {
        "strategy": arguments.strategy,
        "rows": pool.n,
        "dimensions": pool.d,
        "dtype": pool.dtype_name,
        "eligible_rows": picks.eligible_rows,
        "skipped_rows": picks.skipped_rows,
        "picks": len(picks.indices),
        "seconds": seconds["total"],
        "rows_per_second": pool.n / seconds["total"],
        "stage_seconds": seconds,
        "seed": arguments.seed,
    }


def _by_chunk(
    pool: ShardedPool, join: Join, eligible: NDArray[np.bool_] | None, entry: Input | None
) -> Callable[[int, int], NDArray[np.floating]] | None:
    """Return a function that gives the probabilities of a range of rows, by position or by id."""
    if entry is None:
        return None
    with reading(entry):
        spec, options = ColumnSpec.parse(entry.text), entry.storage_options
        rows: Pool
        if spec.source is None:
            rows = ShardedPool(pool.shards, spec.column)
        else:
            rows = open_pool(spec.source, column=spec.column, storage_options=options)
        if spec.ids is None:
            check_rows(rows.n, pool.n)
            return lambda lo, hi: as_float(rows.read(lo, hi))
        keys = Ids(open_column(f"{spec.source}:{spec.ids}", storage_options=options))
        numbers = join.values(ById(keys, np.arange(rows.n)), "probabilities", eligible)
        positions = np.where(np.isnan(numbers), 0, numbers).astype(np.int64)  # of excluded rows any
    return lambda lo, hi: as_float(gather(rows, positions[lo:hi]))


@contextmanager
def _told_of_its_arguments(strategy: Strategy) -> Iterator[None]:
    """Make errors begin with the argument, as errors of `ally_fast.select` do."""
    try:
        yield
    except ValueError as error:
        text = str(error)
        prefix = f"{strategy.name}: "
        if not text.startswith(prefix):
            raise
        raise ValueError(text.removeprefix(prefix)) from error
