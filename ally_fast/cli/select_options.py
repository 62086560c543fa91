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
SPEC names a column, [FILES]:COLUMN[@IDS]:
  :score                  the column "score" of the pool itself
  duals.parquet:score     a column of another file; row i belongs to pool row i
  duals.parquet:score@id  the same, but rows are matched by the ids in "id"
  duals.npy, labeled.txt  a file with one column needs no column name

examples:
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
        description="Choose b rows of a pool to label: the highest scores in each of k clusters.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for add_group in (_add_files, _add_rows, _add_limits, _add_clusters, _add_running):
        add_group(parser)
    return parser


def _add_files(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("input and output").add_argument
    parser.add_argument(
        "pool", nargs="*", metavar="POOL", help="the pool: files, a folder or a URL"
    )
    add("--embeddings", metavar="FILE", help="the pool, if it is one file: FILE[:COLUMN]")
    add("--column", metavar="NAME", help="column or key that holds the pool's vectors")
    add("--ids", metavar="SPEC", help="an id for each row of the pool")
    add(
        "--scores",
        dest="dual_scores",
        metavar="SPEC",
        help="a score for each row; the highest are chosen first",
    )
    add(
        "--strategy",
        choices=STRATEGIES,
        default=ALLY,
        metavar="NAME",
        help=f"how to choose: {', '.join(STRATEGIES)} (default: {ALLY}). {ALLY} needs "
        "--scores and -k; ally-herding and gist need --scores; entropy, margin, cluster-margin and "
        "uncertainty-herding need --probabilities",
    )
    add("--probabilities", metavar="SPEC", help="class probabilities, a vector for each row")
    add("--keep", type=_names, default=(), metavar="A,B", help="pool columns to write as well")
    add(
        "--storage-options",
        type=_object,
        metavar="JSON",
        help="fsspec options for the URLs, as a JSON object",
    )
    add("-b", "--budget", dest="b", required=True, type=int, help="number of rows to choose")
    add("-k", "--clusters", dest="k", type=int, help="number of clusters")
    add("-o", "--output", required=True, metavar="FILE", help=f"the batch: {', '.join(EXTENSIONS)}")
    add(
        "--format",
        choices=tuple(FORMATS),
        metavar="NAME",
        help=f"of --output: {', '.join(FORMATS)} (default: by its extension)",
    )
    add(
        "--data-column",
        metavar="[KEY=]NAME",
        help="which column of --keep to label: for cvat the one with the files (default: the only "
        "one), for prodigy text=NAME, image=NAME, ...",
    )
    add("--save-centroids", metavar="FILE", help="save the centroids for --centroids (.npy)")
    add("--plot", metavar="FILE", help=f"draw the batch ({', '.join(FIGURE_EXTENSIONS)})")
    add("--report", metavar="FILE", help="write a page that explains the batch (.html)")
    add("--force", action="store_true", help="overwrite existing output files")


def _add_rows(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("which rows").add_argument
    add(
        "--allocation",
        default="equal",
        metavar="HOW",
        help="how picks are shared among clusters: equal (default), proportional, sqrt, or a file "
        "with k weights",
    )
    add(
        "--exclude",
        action="append",
        default=[],
        metavar="SPEC",
        help="rows never to choose: ids if the pool has ids, else a mask, indices or an earlier "
        "batch; may be repeated",
    )
    add(
        "--exclude-indices",
        action="append",
        default=[],
        metavar="SPEC",
        help="the same by position, for a pool with ids; may be repeated",
    )
    add(
        "--unknown-ids",
        choices=("error", "ignore"),
        default="error",
        help="what to do with ids that are not in the pool (default: error)",
    )
    add(
        "--on-bad-row",
        choices=("error", "skip"),
        default="error",
        help="what to do with rows that hold a null or NaN, or have the wrong length (default: "
        "error)",
    )
    add(
        "--tie-break",
        default="index",
        metavar="HOW",
        help="order of rows with equal scores: index (default) or random",
    )
    add("--max-score", type=float, metavar="S", help="never choose a row that scores above S")
    add("--radius", type=float, metavar="R", help="least distance between any two picks")
    add(
        "--labeled",
        dest="labeled_embeddings",
        metavar="FILE",
        help="embeddings of rows labeled before: picks keep --radius from them (ally), are far "
        "from them (core-set), or add to what they cover (max-, uncertainty- and ally-herding)",
    )


def _add_limits(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("groups and costs").add_argument
    add("--groups", metavar="SPEC", help="a group for each row, such as its class or camera")
    for least in ("min", "max"):
        add(
            f"--{least}-per-group",
            type=_limits,
            metavar="N|A=N,B=N",
            help=f"choose at {'least' if least == 'min' else 'most'} N rows of each group, or of "
            "each group named",
        )
    add("--cost", metavar="SPEC", help="a cost for each row")
    add("--cost-budget", type=float, metavar="C", help="most that all picks may cost together")


def _add_clusters(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("clusters").add_argument
    add("--centroids", metavar="FILE", help="use these k centroids; skip training")
    add(
        "--train-size",
        default="auto",
        type=_train_size,
        metavar="SIZE",
        help="rows to train k-means on: auto (default: 256 per cluster), all, or a number",
    )
    add(
        "--max-iter",
        type=int,
        default=MAX_ITER,
        metavar="N",
        help=f"most iterations of k-means (default: {MAX_ITER})",
    )
    add(
        "--tol",
        type=float,
        default=TOL,
        metavar="T",
        help=f"stop k-means when inertia falls by less than this share (default: {TOL})",
    )
    add("--metric", default="euclidean", metavar="NAME", help="euclidean (default) or cosine")
    add(
        "--engine",
        default="auto",
        metavar="NAME",
        help="library that runs k-means: auto (default), native, faiss or sklearn",
    )
    add("--seed", type=int, default=0, metavar="N", help="seed of all randomness (default: 0)")


def _add_running(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("running").add_argument
    add(
        "--device",
        default="auto",
        metavar="NAME",
        help="auto (default), cpu, cuda, cuda:N, or several GPUs: cuda:0,cuda:1",
    )
    add(
        "--threads",
        type=_threads,
        metavar="N",
        help="CPU threads (default: ALLY_FAST_THREADS, else all cores)",
    )
    add("--chunk-rows", type=int, metavar="N", help="rows to read at a time (default: automatic)")
    add(
        "--job",
        metavar="DIR",
        help="save progress in this folder; after an interruption, run the same command to resume",
    )
    add(
        "--from",
        dest="start_from",
        metavar="DIR",
        help="reuse the --job folder of an earlier round: its centroids, and the cluster "
        "assignments of shards that have not changed",
    )
    add(
        "--ray",
        metavar="ADDRESS",
        help="run on a Ray cluster: its address, auto (the running cluster of this machine), or "
        "local (start one here)",
    )
    add("--quiet", action="store_true", help="print no progress and no summary")
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
        raise argparse.ArgumentTypeError(f"{text!r} has a limit without a group")
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
