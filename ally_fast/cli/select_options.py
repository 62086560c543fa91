"""The options of ``ally-fast select``: each argument of `ally_fast.select` has one."""

from __future__ import annotations

import argparse
from typing import Any

from ally_fast._settings import MOST_THREADS
from ally_fast.cli.strategies import ALLY, STRATEGIES
from ally_fast.cluster.fit import MAX_ITER, TOL
from ally_fast.exports import EXTENSIONS, FORMATS
from ally_fast.json_object import parse_object
from ally_fast.report import FIGURE_EXTENSIONS

_EPILOG = """\
POOL is one or more files, a folder of shards, a quoted pattern, or a URL.
SPEC is [FILES]:COLUMN[@IDS]: a column of the pool itself (:score), or of other
files, by position (duals.parquet:score) or by id (duals.parquet:score@id).
A file of one column needs no name for it (duals.npy, labeled.txt).

  ally-fast select pool/ --column emb --ids :image_id \\
      --scores duals.parquet:score@image_id --exclude labeled.csv \\
      -b 10000 -k 1000 --keep uri,caption -o batch.csv
  ally-fast select --embeddings pool.npy --scores duals.npy -b 500 -k 50 \\
      -o batch.csv
"""


def add_select_parser(commands: Any) -> argparse.ArgumentParser:
    """Add the command to the parser's list of commands."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "select",
        help="choose a batch from a pool",
        description="Choose b rows of a pool: the highest scores of each of k clusters.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for add_group in (_add_files, _add_rows, _add_clusters, _add_running):
        add_group(parser)
    return parser


def _add_files(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("input and output").add_argument
    parser.add_argument("pool", nargs="*", metavar="POOL", help="the pool: files, folder or URL")
    add("--embeddings", metavar="FILE", help="a pool of one file, FILE[:COLUMN]")
    add("--column", metavar="NAME", help="the pool's column of vectors, or its key")
    add("--ids", metavar="SPEC", help="an id for each row")
    add(
        "--scores",
        dest="dual_scores",
        metavar="SPEC",
        help="a score for each row; higher is chosen first",
    )
    add(
        "--strategy",
        choices=STRATEGIES,
        default=ALLY,
        metavar="NAME",
        help=f"{', '.join(STRATEGIES)} (default: {ALLY}, which needs --scores and -k; ally-herding "
        "and gist need --scores; entropy, margin, cluster-margin and uncertainty-herding need "
        "--probabilities)",
    )
    add("--probabilities", metavar="SPEC", help="class probabilities: a vector for each row")
    add("--keep", type=_names, default=(), metavar="A,B", help="columns to write with the batch")
    add(
        "--storage-options",
        type=_object,
        metavar="JSON",
        help="an object for the file system of a URL, as fsspec takes it",
    )
    add("-b", "--budget", dest="b", required=True, type=int, help="number of rows to choose")
    add("-k", "--clusters", dest="k", type=int, help="number of clusters")
    add("-o", "--output", required=True, metavar="FILE", help=", ".join(EXTENSIONS))
    add(
        "--format",
        choices=tuple(FORMATS),
        metavar="NAME",
        help=f"{', '.join(FORMATS)} (default: by the extension)",
    )
    add(
        "--data-column",
        metavar="[KEY=]NAME",
        help="the kept column to be labeled: for cvat the file (default: the only one kept), for "
        "prodigy text=NAME, image=NAME, ...",
    )
    add("--save-centroids", metavar="FILE", help="write the centroids, for --centroids (.npy)")
    add("--plot", metavar="FILE", help=f"draw the batch ({', '.join(FIGURE_EXTENSIONS)})")
    add("--report", metavar="FILE", help="write a page that explains the batch (.html)")
    add("--force", action="store_true", help="replace output files that exist")


def _add_rows(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("which rows").add_argument
    add(
        "--allocation",
        default="equal",
        metavar="HOW",
        help="picks per cluster: equal (default), proportional, sqrt, or a file of k weights",
    )
    add(
        "--exclude",
        action="append",
        default=[],
        metavar="SPEC",
        help="rows never taken: ids if the pool has ids, else a mask, indices or a batch; "
        "repeatable",
    )
    add(
        "--exclude-indices",
        action="append",
        default=[],
        metavar="SPEC",
        help="the same by position, of a pool with ids; repeatable",
    )
    add(
        "--unknown-ids",
        choices=("error", "ignore"),
        default="error",
        help="what to do with ids that no row has (default: error)",
    )
    add(
        "--on-bad-row",
        choices=("error", "skip"),
        default="error",
        help="what to do with rows that are null, NaN or ragged (default: error)",
    )
    add("--groups", metavar="SPEC", help="a group for each row: class, camera, customer")
    for least in ("min", "max"):
        add(
            f"--{least}-per-group",
            type=_limits,
            metavar="N|A=N,B=N",
            help=f"{'fewest' if least == 'min' else 'most'} picks of each group, or of those named",
        )
    add("--cost", metavar="SPEC", help="a cost for each row")
    add("--cost-budget", type=float, metavar="C", help="what all picks may cost together")
    add(
        "--tie-break",
        default="index",
        help="rows with equal scores by index (default), or random",
    )
    add("--max-score", type=float, metavar="S", help="rows scoring above are never taken")
    add("--radius", type=float, metavar="R", help="picks keep this distance from each other")
    add(
        "--labeled",
        dest="labeled_embeddings",
        metavar="FILE",
        help="embeddings that picks keep --radius from, or (core-set) are far from, or that cover "
        "the pool already (max-, uncertainty- and ally-herding)",
    )


def _add_clusters(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("clusters").add_argument
    add("--centroids", metavar="FILE", help="centroids to use instead of training (k rows)")
    add(
        "--train-size",
        default="auto",
        type=_train_size,
        metavar="SIZE",
        help="rows k-means is trained on: auto (default: 256 k), all, or a number",
    )
    add(
        "--max-iter",
        type=int,
        default=MAX_ITER,
        metavar="N",
        help=f"most iterations (default: {MAX_ITER})",
    )
    add(
        "--tol",
        type=float,
        default=TOL,
        metavar="T",
        help=f"stop when inertia falls by less than this share (default: {TOL})",
    )
    add("--metric", default="euclidean", help="euclidean (default) or cosine")
    add("--engine", default="auto", help="auto (default), native, faiss or sklearn")
    add("--seed", type=int, default=0, help="seed of all randomness (default: 0)")


def _add_running(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("running").add_argument
    add(
        "--device",
        default="auto",
        help="auto (default), cpu, cuda, cuda:N or several: cuda:0,cuda:1",
    )
    add("--threads", type=_threads, metavar="N", help="threads (default: ALLY_FAST_THREADS or all)")
    add("--chunk-rows", type=int, metavar="N", help="rows read at a time (default: chosen)")
    add("--job", metavar="DIR", help="keep what is done here; if killed, the same command goes on")
    add(
        "--from",
        dest="start_from",
        metavar="DIR",
        help="the job of an earlier round: its centroids, and clusters of shards it had",
    )
    add(
        "--ray",
        metavar="ADDRESS",
        help="work on a Ray cluster: auto (that of this machine), local (one started here)",
    )
    add("--quiet", action="store_true", help="no progress, no summary")
    add("--json", action="store_true", help="print the summary as one JSON object")


def _names(text: str) -> tuple[str, ...]:
    return tuple(name for name in text.split(",") if name)


def _object(text: str) -> dict[str, Any]:
    try:
        return parse_object(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _limits(text: str) -> int | dict[str, int]:
    try:
        if "=" not in text:
            return int(text)
        pairs = [part.rpartition("=") for part in text.split(",")]
        limits = {group: int(number) for group, _, number in pairs}
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number or A=N,B=N") from None
    if "" in limits:
        raise argparse.ArgumentTypeError(f"{text!r} has a limit for no group")
    if len(limits) < len(pairs):
        raise argparse.ArgumentTypeError(f"{text!r} names a group twice")
    return limits


def _train_size(text: str) -> int | str | None:
    if text in ("auto", "all"):
        return None if text == "all" else text
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not auto, all or a number") from None


def _threads(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = 0
    if not 1 <= number <= MOST_THREADS:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to {MOST_THREADS}")
    return number
