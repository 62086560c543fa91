"""``ally-fast select``: files in, a batch out."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

import ally_fast
from ally_fast._optional import require
from ally_fast.cli.select_options import add_select_parser
from ally_fast.device_arrays import to_host
from ally_fast.files import check_output, whole_file
from ally_fast.pools import open_pool, read_column, split_source
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
    _check_outputs(arguments)
    pool = open_pool(arguments.embeddings)
    scores = read_column(arguments.scores)
    exclude = _excluded(arguments.exclude, pool.n)
    with _threads(arguments.threads):
        indices, info = ally_fast.select(
            pool,
            scores,
            allocation=_allocation(arguments.allocation),
            exclude=exclude,
            labeled_embeddings=_matrix(arguments.labeled),
            centroids=_matrix(arguments.centroids),
            progress=not arguments.quiet,
            return_info=True,
            **{name: getattr(arguments, name) for name in _PASSED_ON},
        )
    summary = summarize(pool, info)
    with whole_file(arguments.output, force=arguments.force) as file:
        extension = _extension(arguments.output)
        write_batch(file, extension, batch_columns(indices, info), summary)
    if arguments.save_centroids:
        with whole_file(arguments.save_centroids, force=arguments.force) as file:
            np.save(file, info.centroids)
    if arguments.plot:
        figure = draw_batch(pool, scores, indices, info, exclude=exclude, metric=arguments.metric)
        with whole_file(arguments.plot, force=arguments.force) as file:
            save_figure(figure, file, _extension(arguments.plot))
    if arguments.json:
        print(json.dumps({**summary, "output": arguments.output}, allow_nan=False))
    elif not arguments.quiet:
        written = ", ".join(path for path, _ in _outputs(arguments))
        print(f"{summary_text(summary)}\n{'written':<12}{written}")


def _outputs(arguments: argparse.Namespace) -> list[tuple[str, tuple[str, ...]]]:
    """Return the files to write, each with the extensions it may have."""
    allowed = [
        (arguments.output, BATCH_EXTENSIONS),
        (arguments.save_centroids, (".npy",)),
        (arguments.plot, FIGURE_EXTENSIONS),
    ]
    return [(path, extensions) for path, extensions in allowed if path]


def _check_outputs(arguments: argparse.Namespace) -> None:
    """Find out before any work whether every output can be written."""
    inputs = (arguments.embeddings, arguments.scores, arguments.labeled, arguments.centroids)
    taken = {
        os.path.realpath(split_source(path)[0]) for path in (*inputs, *arguments.exclude) if path
    }
    for path, extensions in _outputs(arguments):
        if os.path.realpath(path) in taken:
            raise ValueError(f"{path}: is an input or output already, and cannot be an output")
        check_output(path, extensions, force=arguments.force)
        taken.add(os.path.realpath(path))
        if _extension(path) == ".parquet":
            require("pyarrow", "parquet", f"writing {path}")
    if arguments.plot:
        require("matplotlib", "report", "--plot")


def _extension(path: str) -> str:
    return os.path.splitext(path)[1].lower()


def _allocation(given: str) -> str | NDArray[Any]:
    if given in _ALLOCATIONS:
        return given
    try:
        return read_column(given)
    except FileNotFoundError:
        raise ValueError(
            f"allocation must be {', '.join(_ALLOCATIONS)} or a file of weights; got {given!r}"
        ) from None


def _matrix(source: str | None) -> NDArray[Any] | None:
    """Read a small file of vectors whole."""
    if source is None:
        return None
    pool = open_pool(source)
    return to_host(pool.read(0, pool.n).array)


def _excluded(sources: list[str], n: int) -> NDArray[np.bool_] | None:
    """Read masks, indices and earlier batches into one mask."""
    masks = [excluded_mask(_mask_or_indices(source), n, source) for source in sources]
    return np.logical_or.reduce(masks) if masks else None


def _mask_or_indices(source: str) -> NDArray[Any]:
    path, key, extension = split_source(source)
    if key is None and extension in (".csv", ".parquet"):
        key = "index"
    return read_column(path, key)


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
