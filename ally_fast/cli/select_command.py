"""``ally-fast select``: files in, a batch out."""

from __future__ import annotations

import argparse
import errno
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

import ally_fast
from ally_fast._optional import require
from ally_fast.cli.inputs import COLUMN_INPUTS, reading, using
from ally_fast.cli.select_options import add_select_parser
from ally_fast.cli.standard_output import show
from ally_fast.device_arrays import to_host
from ally_fast.files import check_output, whole_files
from ally_fast.pools import open_pool, read_column
from ally_fast.pools.mapped_file import in_memory
from ally_fast.pools.row_count import check_rows
from ally_fast.pools.sources import locations, split_key
from ally_fast.report import (
    BATCH_EXTENSIONS,
    FIGURE_EXTENSIONS,
    batch_columns,
    draw_batch,
    save_figure,
    summarize,
    summary_text,
    write_batch,
)
from ally_fast.selection.eligibility import excluded_mask

_ALLOCATIONS = ("equal", "proportional", "sqrt")
_INDEX_KEYS = {".csv": "index", ".parquet": "index", ".json": "indices"}  # of a batch written
_PASSED_ON = (
    *("b", "k", "radius", "max_score", "train_size", "max_iter", "tol", "metric"),
    *("engine", "device", "seed", "chunk_rows"),
)


def add_parser(commands: Any) -> argparse.ArgumentParser:
    """Add the command to the parser's list of commands."""
    parser = add_select_parser(commands)
    parser.set_defaults(run=run)
    return parser


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    inputs = _inputs(arguments)
    _check_outputs(arguments, inputs)
    with reading("embeddings", arguments.embeddings):
        pool = open_pool(arguments.embeddings)
    with reading("dual_scores", arguments.scores):
        scores = read_column(arguments.scores, n=pool.n, allow_null=True)
    exclude = _excluded(arguments.exclude, pool.n)
    with using(dict(inputs)), _threads(arguments.threads):
        indices, info = ally_fast.select(
            pool,
            scores,
            allocation=_allocation(arguments.allocation, arguments.k),
            exclude=exclude,
            labeled_embeddings=_matrix("labeled_embeddings", arguments.labeled),
            centroids=_matrix("centroids", arguments.centroids, arguments.k),
            progress=not arguments.quiet,
            return_info=True,
            **{name: getattr(arguments, name) for name in _PASSED_ON},
        )
    summary = summarize(pool, info)
    with whole_files(force=arguments.force) as create:
        with create(arguments.output) as file:
            extension = _extension(arguments.output)
            write_batch(file, extension, batch_columns(indices, info), summary)
        if arguments.save_centroids:
            with create(arguments.save_centroids) as file:
                np.save(file, info.centroids)
        if arguments.plot:
            with using(dict(inputs)):
                figure = draw_batch(
                    pool, scores, indices, info, exclude=exclude, metric=arguments.metric
                )
            with create(arguments.plot) as file:
                save_figure(figure, file, _extension(arguments.plot))
    if arguments.json:
        show(json.dumps({**summary, "output": arguments.output}, allow_nan=False))
    elif not arguments.quiet:
        written = ", ".join(path for path, _ in _outputs(arguments))
        show(f"{summary_text(summary)}\n{'written':<12}{written}")


def _inputs(arguments: argparse.Namespace) -> list[tuple[str, str]]:
    """Return the arguments of `select` that are files, each with its file."""
    allocation = arguments.allocation
    if allocation in _ALLOCATIONS:
        allocation = None
    else:
        try:
            locations(split_key(allocation)[0], columns=True)
        except FileNotFoundError:
            raise ValueError(
                f"allocation must be {', '.join(_ALLOCATIONS)} or a file of weights; "
                f"got {allocation!r}"
            ) from None
    given = [
        ("embeddings", arguments.embeddings),
        ("dual_scores", arguments.scores),
        ("labeled_embeddings", arguments.labeled),
        ("centroids", arguments.centroids),
        ("allocation", allocation),
        *(("exclude", source) for source in arguments.exclude),
    ]
    return [(argument, source) for argument, source in given if source]


def _outputs(arguments: argparse.Namespace) -> list[tuple[str, tuple[str, ...]]]:
    """Return the files to write, each with the extensions it may have."""
    allowed = [
        (arguments.output, BATCH_EXTENSIONS),
        (arguments.save_centroids, (".npy",)),
        (arguments.plot, FIGURE_EXTENSIONS),
    ]
    return [(path, extensions) for path, extensions in allowed if path]


def _check_outputs(arguments: argparse.Namespace, inputs: list[tuple[str, str]]) -> None:
    """Find out before any work whether every output can be written."""
    taken = set()
    for argument, source in inputs:
        with reading(argument, source):
            for file in locations(split_key(source)[0], columns=argument in COLUMN_INPUTS):
                taken.add(os.path.realpath(file.path))
    for path, extensions in _outputs(arguments):
        if os.path.realpath(path) in taken:
            raise OSError(errno.EINVAL, "is an input or output already", path)
        check_output(path, extensions, force=arguments.force)
        taken.add(os.path.realpath(path))
        if _extension(path) == ".parquet":
            require("pyarrow", "parquet", f"writing {path}")
    if arguments.plot:
        require("matplotlib", "report", "--plot")


def _extension(path: str) -> str:
    return os.path.splitext(path)[1].lower()


def _allocation(given: str, k: int) -> str | NDArray[Any]:
    if given in _ALLOCATIONS:
        return given
    with reading("allocation", given):
        return in_memory(read_column(given, n=k))


def _matrix(argument: str, source: str | None, n: int | None = None) -> NDArray[Any] | None:
    """Read a small file of vectors whole."""
    if source is None:
        return None
    with reading(argument, source):
        pool = open_pool(source)
        check_rows(pool.n, n)
        rows = np.array(to_host(pool.read(0, pool.n).array))
        pool.check()
        good = np.isfinite(rows).all(axis=1)
        if not good.all() and (fault := pool.fault(int(good.argmin()))):
            raise ValueError(fault)
    return rows


def _excluded(sources: list[str], n: int) -> NDArray[np.bool_] | None:
    """Read masks, indices and earlier batches into one mask."""
    if not sources:
        return None
    mask = np.zeros(n, np.bool_)
    for source in sources:
        with reading("exclude", source):
            mask |= excluded_mask(_mask_or_indices(source, n), n)
    return mask


def _mask_or_indices(source: str, n: int) -> NDArray[Any]:
    """Read a mask, or at most `n` indices: more would repeat some."""
    path, key = split_key(source)
    return in_memory(read_column(path, key or _INDEX_KEYS.get(_extension(path)), most=n))


@contextmanager
def _threads(number: int | None) -> Iterator[None]:
    """Set the number of threads for the run."""
    before = os.environ.get("ALLY_FAST_THREADS")
    if number is not None:
        os.environ["ALLY_FAST_THREADS"] = str(number)
    try:
        yield
    finally:
        if number is not None:
            os.environ.pop("ALLY_FAST_THREADS")
            if before is not None:
                os.environ["ALLY_FAST_THREADS"] = before
