"""The files that ``ally-fast select`` writes: all of them appear, or none."""

from __future__ import annotations

import argparse
import errno
import io
import os
import shlex
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from ally_fast import _settings, distributed
from ally_fast._optional import require
from ally_fast.exports import Format, KeptColumn, Wanted, batch_table, choose_format
from ally_fast.exports.batch_record import SIDECAR, BatchRecord, record_text
from ally_fast.exports.centroids_record import centroids_record
from ally_fast.files import check_output, whole_files
from ally_fast.pools import ShardedPool
from ally_fast.pools.column_spec import ColumnSpec
from ally_fast.pools.location import Location
from ally_fast.pools.taken import taken_as_stored
from ally_fast.report import FIGURE_EXTENSIONS, REPORT_EXTENSIONS, save_figure
from ally_fast.report.batch_figure import draw_evidence
from ally_fast.report.evidence import gather_evidence
from ally_fast.report.facts import shown_command
from ally_fast.report.page import page, require_report


def output_names(arguments: argparse.Namespace) -> list[str]:
    """Return the paths of the requested output files."""
    paths = (arguments.output, arguments.save_centroids, arguments.plot, arguments.report)
    return [path for path in paths if path]


def check_outputs(arguments: argparse.Namespace, inputs: Iterable[Location]) -> None:
    """Check before any work that every output can be written."""
    paths = {os.path.realpath(file.path) for file in inputs if file.filesystem is None}
    form, wanted = _format(arguments), _wanted(arguments)
    for path, extensions in _outputs(arguments, form):
        if os.path.realpath(path) in paths:
            raise OSError(errno.EINVAL, "is already an input or another output", path)
        check_output(path, extensions, force=arguments.force)
        paths.add(os.path.realpath(path))
    if wanted.extension == ".parquet":
        require("pyarrow", "parquet", f"writing {arguments.output}")
    form.check(wanted)
    if arguments.plot:
        require("matplotlib", "report", "--plot")
    if arguments.report:
        require_report("--report")


@dataclass(frozen=True, eq=False)
class Outcome:
    """A selected batch and what it was selected from.

    Attributes
    ----------
    pool : ShardedPool
    scores : array or ById
        As passed to `select`.
    options : dict
        All other arguments of `select`, by keyword; empty for other strategies.
    indices : ndarray of int64, shape (b,)
    info : SelectionInfo or Picked
    summary : dict
    """

    pool: ShardedPool
    scores: Any
    options: Mapping[str, Any]
    indices: NDArray[np.int64]
    info: Any
    summary: dict[str, Any]


def write_outputs(arguments: argparse.Namespace, outcome: Outcome) -> None:
    """Write the batch and the other requested files."""
    pool, indices, info = outcome.pool, outcome.indices, outcome.info
    form = _format(arguments)
    content = "indices" if form.content == "ids" and info.ids is None else form.content
    record = BatchRecord(content, pool.fingerprint())
    batch = io.BytesIO()
    described = {**outcome.summary, "batch": record.as_json()}
    kept = {name: taken_as_stored(column, indices) for name, column in pool.keep.items()}
    form.write(batch, batch_table(indices, info, kept=kept), _wanted(arguments), described)
    with whole_files(force=arguments.force) as create:
        with create(arguments.output) as file:
            file.write(batch.getvalue())
        if not form.holds_record:
            with create(arguments.output + SIDECAR) as file:
                file.write(record_text(record, batch.getvalue()))
        if arguments.save_centroids:
            with create(arguments.save_centroids) as file:
                np.save(file, info.centroids)
            with create(arguments.save_centroids + SIDECAR) as file:
                file.write(centroids_record(arguments.metric))
        if arguments.plot or arguments.report:
            _write_pictures(arguments, outcome, create)


def _write_pictures(
    arguments: argparse.Namespace,
    outcome: Outcome,
    create: Callable[[str], AbstractContextManager[IO[bytes]]],
) -> None:
    """Write the picture and the page of a batch; read the rows for both once."""
    pool: Any = nullcontext(outcome.pool)
    if arguments.ray is not None:
        pool = distributed.pool_read_by_tasks(outcome.pool, arguments.ray)
    with _settings.using_threads(arguments.threads):
        with pool as readable:
            evidence = gather_evidence(
                readable,
                outcome.scores,
                outcome.indices,
                outcome.info,
                {**outcome.options, "progress": False},
                compare=bool(arguments.report),
            )
        if arguments.plot:
            figure = draw_evidence(evidence)
            with create(arguments.plot) as file:
                save_figure(figure, file, _extension(arguments.plot))
        if arguments.report:
            command = shlex.join(shown_command(["ally-fast", *arguments.words]))
            content = page(evidence, outcome.options, outcome.summary, command)
            with create(arguments.report) as file:
                file.write(content)


def remember_kept(arguments: argparse.Namespace, pool: ShardedPool) -> None:
    """Make sure that kept columns are read once; check that their types can be written."""
    pool.keep = {name: KeptColumn(column) for name, column in pool.keep.items()}
    kinds = {name: getattr(column, "kind", None) for name, column in pool.keep.items()}
    form = _format(arguments)
    form.check(_wanted(arguments, {name: kind for name, kind in kinds.items() if kind is not None}))


def _format(arguments: argparse.Namespace) -> Format:
    return choose_format(arguments.output, arguments.format)


def _wanted(arguments: argparse.Namespace, kinds: Mapping[str, Any] | None = None) -> Wanted:
    id_name = None
    if arguments.ids:
        id_name = ColumnSpec.parse(arguments.ids).column or "id"
    return Wanted(
        _extension(arguments.output),
        tuple(arguments.keep),
        id_name,
        arguments.data_column,
        kinds or {},
    )


def _outputs(arguments: argparse.Namespace, form: Format) -> list[tuple[str, tuple[str, ...]]]:
    """Return the files to write, each with its allowed extensions."""
    sidecar = None
    if not form.holds_record:
        sidecar = arguments.output + SIDECAR
    allowed = [
        (
            arguments.output,
            form.extensions,
        ),
        (sidecar, (SIDECAR,)),
        (arguments.save_centroids, (".npy",)),
        (arguments.save_centroids and arguments.save_centroids + SIDECAR, (SIDECAR,)),
        (arguments.plot, FIGURE_EXTENSIONS),
        (arguments.report, REPORT_EXTENSIONS),
    ]
    return [(path, extensions) for path, extensions in allowed if path]


def _extension(path: str) -> str:
    return os.path.splitext(path)[1].lower()
