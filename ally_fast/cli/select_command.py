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
from ally_fast.cli.select_options import add_select_parser
from ally_fast.cli.standard_output import show
from ally_fast.device_arrays import to_host
from ally_fast.files import check_output, whole_files
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
    with whole_files(force=arguments.force) as create:
        with create(arguments.output) as file:
            extension = _extension(arguments.output)
            write_batch(file, extension, batch_columns(indices, info), summary)
        if arguments.save_centroids:
            with create(arguments.save_centroids) as file:
                np.save(file, info.centroids)
        if arguments.plot:
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
            raise OSError(errno.EINVAL, "is an input or output already", path)
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


def _excluded(sources: list[str], n: int) -> NDArray[Any] | None:
    """Read masks, indices and earlier batches; more than one are joined into indices."""
    given = [_mask_or_indices(source, n) for source in sources]
    if len(given) <= 1:
        return given[0] if given else None
    return np.unique(
        np.concatenate([np.flatnonzero(e) if e.dtype == np.bool_ else e for e in given])
    )


def _mask_or_indices(source: str, n: int) -> NDArray[Any]:
    path, key, extension = split_source(source)
    if key is None and extension in (".csv", ".parquet"):
        key = "index"
    values = read_column(path, key)
    if values.dtype == np.bool_ and len(values) != n:
        raise ValueError(f"{source}: a mask must have {n} values, one per row; got {len(values)}")
    if values.dtype.kind in "iu" and len(values) == n > 2 and values.max() <= 1:
        raise ValueError(f"{source}: {n} numbers, all 0 or 1: store a mask as booleans")
    return values


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
