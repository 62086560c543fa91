"""``ally-fast select``: read files, choose a batch, write it."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

import ally_fast
from ally_fast import distributed, jobs
from ally_fast.cli.clock import Clock
from ally_fast.cli.exclusions import Exclusions, read_exclusions
from ally_fast.cli.inputs import Input, reading, using
from ally_fast.cli.select_options import add_select_parser
from ally_fast.cli.select_outputs import (
    Outcome,
    check_outputs,
    output_names,
    remember_kept,
    write_outputs,
)
from ally_fast.cli.standard_output import note, show
from ally_fast.cli.strategies import ALLY, Pieces, check_options, pick, summarize_picks
from ally_fast.exports.centroids_record import check_centroids
from ally_fast.memory import to_host
from ally_fast.pools import ShardedPool, open_column, open_pool, read_column
from ally_fast.pools.by_id import ById
from ally_fast.pools.column_spec import ColumnSpec
from ally_fast.pools.formats import open_shard
from ally_fast.pools.mapped_file import in_memory
from ally_fast.pools.row_count import check_rows
from ally_fast.pools.sources import locations, split_key
from ally_fast.report import summarize, summary_text
from ally_fast.selection.arguments import Arguments
from ally_fast.selection.info import SelectionInfo

# From the seconds by stage.
Summarized = Callable[[dict[str, float]], dict[str, Any]]

_ALLOCATIONS = ("equal", "proportional", "sqrt")


def add_parser(commands: Any) -> argparse.ArgumentParser:
    """Add the command to the parser's list of commands."""
    parser = add_select_parser(commands)
    parser.set_defaults(run=run)
    return parser


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    clock = Clock()
    check_options(arguments)
    inputs = _inputs(arguments)
    check_outputs(arguments, [path for entry in inputs for path in entry.files()])
    pool = _pool(arguments, inputs)
    remember_kept(arguments, pool)
    given_ids = ColumnSpec.parse(arguments.ids).column if arguments.ids else None
    excluded = read_exclusions(
        pool,
        [entry for entry in inputs if entry.option == arguments.options["exclude"]],
        [entry for entry in inputs if entry.option == arguments.options["exclude_indices"]],
        given_ids,
    )
    choose = _by_ally if arguments.strategy == ALLY else _by_another
    outcome, summarized = choose(arguments, inputs, pool, excluded, clock)
    with using(inputs):
        write_outputs(arguments, outcome)
    clock.lap("write")
    summary = summarized(clock.total())
    if arguments.json:
        show(json.dumps({**summary, "output": arguments.output}, allow_nan=False))
    elif not arguments.quiet:
        written = ", ".join(output_names(arguments))
        show(f"{summary_text(summary)}\n{'written':<12}{written}")


def _by_ally(
    arguments: argparse.Namespace,
    inputs: Sequence[Input],
    pool: ShardedPool,
    excluded: Exclusions,
    clock: Clock,
) -> tuple[Outcome, Summarized]:
    scores = _numbers(pool, _of(inputs, "dual_scores"))
    groups = _column(pool, _of(inputs, "groups"))
    clock.lap("open")
    with using(inputs):
        options = {
            **_passed_on(arguments),
            "allocation": _allocation(inputs, arguments),
            "exclude": excluded.mask,
            "exclude_ids": excluded.ids,
            "groups": groups,
            "cost": _numbers(pool, _of(inputs, "cost")),
            "labeled_embeddings": _matrix(inputs, "labeled_embeddings"),
            "centroids": _matrix(inputs, "centroids", arguments.k, arguments.metric),
            "progress": not arguments.quiet,
        }
        indices, info = _selected(arguments, pool, scores, **options)
    clock.lap_by_stage(info.seconds, rest="batch")
    summarized = partial(summarize, pool, info)
    return Outcome(pool, scores, options, indices, info, summarized(clock.total())), summarized


def _by_another(
    arguments: argparse.Namespace,
    inputs: Sequence[Input],
    pool: ShardedPool,
    excluded: Exclusions,
    clock: Clock,
) -> tuple[Outcome, Summarized]:
    labeled = _matrix(inputs, "labeled_embeddings")
    scores = _numbers(pool, _of(inputs, "dual_scores"))
    clock.lap("open")
    with using(inputs):
        pieces = Pieces(labeled, scores, _of(inputs, "probabilities"))
        picks = pick(arguments, pool, excluded, pieces)
    clock.lap(arguments.strategy)
    summarized = partial(summarize_picks, arguments, pool, picks)
    summary = summarized(clock.total())
    return Outcome(pool, None, {}, picks.indices, picks, summary), summarized


def _selected(
    arguments: argparse.Namespace, pool: ShardedPool, scores: Any, **options: Any
) -> tuple[NDArray[np.int64], SelectionInfo]:
    """Select in this process, with the folder of a job, or on a cluster."""
    if arguments.ray is not None:
        folders = {"job": arguments.job, "start_from": arguments.start_from}
        return distributed.select(pool, scores, address=arguments.ray, **folders, **options)
    if arguments.job is None:
        batch: tuple[NDArray[np.int64], SelectionInfo]
        batch = ally_fast.select(pool, scores, return_info=True, **options)
        return batch
    return jobs.select(arguments.job, pool, scores, start_from=arguments.start_from, **options)


def _passed_on(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the options that are arguments of `select`, without reading any file."""
    names = {field.name for field in fields(Arguments)} - {"embeddings", "dual_scores", "ids"}
    return {name: value for name, value in vars(arguments).items() if name in names}


def _inputs(arguments: argparse.Namespace) -> list[Input]:
    """Return all inputs that name files; raise an error for one that names none."""
    if arguments.start_from and not arguments.job:
        raise ValueError("--from needs --job, a folder for this round")
    if bool(arguments.pool) == bool(arguments.embeddings):
        raise ValueError("select needs a pool: either POOL or --embeddings FILE, not both")
    options = arguments.options
    sources = arguments.pool or [arguments.embeddings]
    option = "POOL" if arguments.pool else options["embeddings"]
    inputs = [Input("embeddings", option, source, is_column=False) for source in sources]
    for name in ("dual_scores", "ids", "groups", "cost", "probabilities"):
        if source := getattr(arguments, name):
            inputs.append(Input(name, options[name], source))
    for name in ("labeled_embeddings", "centroids"):
        if source := getattr(arguments, name):
            inputs.append(Input(name, options[name], source, is_column=False))
    if arguments.allocation not in _ALLOCATIONS:
        try:
            locations(split_key(arguments.allocation)[0], columns=True)
        except FileNotFoundError:
            raise ValueError(
                f"allocation must be {', '.join(_ALLOCATIONS)}, or a file of weights; "
                f"got {arguments.allocation!r}"
            ) from None
        inputs.append(Input("allocation", options["allocation"], arguments.allocation))
    for name in ("exclude", "exclude_indices"):
        inputs += [Input("exclude", options[name], source) for source in getattr(arguments, name)]
    return [replace(entry, storage_options=arguments.storage_options) for entry in inputs]


def _of(inputs: Sequence[Input], argument: str) -> Input | None:
    return next((entry for entry in inputs if entry.argument == argument), None)


def _pool(arguments: argparse.Namespace, inputs: Sequence[Input]) -> ShardedPool:
    sources = [entry for entry in inputs if entry.argument == "embeddings"]
    with reading(sources[0]), using(inputs):
        pool = open_pool(
            sources[0].text if len(sources) == 1 else arguments.pool,
            column=arguments.column,
            ids=arguments.ids,
            keep=arguments.keep,
            storage_options=arguments.storage_options,
            on_bad_row=arguments.on_bad_row,
        )
    assert isinstance(pool, ShardedPool)
    return pool


def _column(pool: ShardedPool, entry: Input | None) -> Any:
    """Return a column, by position or by id as its spec says."""
    if entry is None:
        return None
    with reading(entry):
        spec = ColumnSpec.parse(entry.text)
        if spec.source is None:
            return pool.column(spec.column)
        column = open_column(entry.text, storage_options=entry.storage_options)
        if not isinstance(column, ById):
            _tell_what_could_match(pool, entry, spec)
        return column


def _tell_what_could_match(pool: ShardedPool, entry: Input, spec: ColumnSpec) -> None:
    """Note that values are matched by position if both files have a column to match rows by."""
    files = entry.files()
    ours = {shard.name for shard in pool.shards}
    if any(file.name in ours for file in files):
        return
    theirs = [name for name in open_shard(files[0]).names if name != spec.column]
    common = [name for name in theirs if name in pool.shards[0].names]
    if common and common[0] != pool.column_name:
        name = common[0]
        note(
            f"{entry.option} {entry.text} is matched by position, but its files and the pool both "
            f"have {name!r}: to match rows by it, use --ids :{name} and {entry.text}@{name}"
        )


def _numbers(pool: ShardedPool, entry: Input | None) -> Any:
    """Return a column of numbers: an array, or values by id."""
    column = _column(pool, entry)
    if entry is None or isinstance(column, ById):
        return column
    with reading(entry):
        return column.numbers(n=pool.n, allow_null=True)


def _allocation(inputs: Sequence[Input], arguments: argparse.Namespace) -> str | NDArray[Any]:
    entry = _of(inputs, "allocation")
    if entry is None:
        return str(arguments.allocation)
    with reading(entry):
        return in_memory(read_column(entry.text, n=arguments.k))


def _matrix(
    inputs: Sequence[Input], argument: str, n: int | None = None, metric: str = ""
) -> NDArray[Any] | None:
    """Read all rows of a small file of vectors."""
    entry = _of(inputs, argument)
    if entry is None:
        return None
    with reading(entry):
        if argument == "centroids":
            check_centroids(str(entry.source), metric)
        pool = open_pool(entry.text)
        check_rows(pool.n, n)
        rows = np.array(to_host(pool.read(0, pool.n).array))
        pool.check()
        good = np.isfinite(rows).all(axis=1)
        if not good.all() and (fault := pool.fault(int(good.argmin()))):
            raise ValueError(fault)
    return rows
