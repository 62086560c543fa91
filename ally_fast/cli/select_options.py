"""The options of ``ally-fast select``: each argument of `ally_fast.select` has one."""

from __future__ import annotations

import argparse
from typing import Any

from ally_fast._settings import MOST_THREADS
from ally_fast.report import BATCH_EXTENSIONS, FIGURE_EXTENSIONS

_EPILOG = """\
files in:   pool.npy (memory-mapped), pool.npz:key, pool.parquet:column (streamed)
            columns (scores, weights, exclusions) also from file.csv:column, file.json:name
files out:  .csv and .parquet (order, index, score, cluster, rank, distance),
            .npy (indices), .json (indices, columns and summary)

example:    ally-fast select --embeddings pool.npy --scores duals.npy -b 10000 -k 1000 -o batch.csv
            the next round: add --exclude batch.csv, and -o another file
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
    add("--embeddings", required=True, metavar="FILE", help="the pool, one row per example")
    add("--scores", required=True, metavar="FILE", help="one score per row, higher is chosen first")
    add("-b", "--budget", dest="b", required=True, type=int, help="number of rows to choose")
    add("-k", "--clusters", dest="k", required=True, type=int, help="number of clusters")
    add("-o", "--output", required=True, metavar="FILE", help=", ".join(BATCH_EXTENSIONS))
    add("--save-centroids", metavar="FILE", help="write the centroids, for --centroids (.npy)")
    add("--plot", metavar="FILE", help=f"draw the batch ({', '.join(FIGURE_EXTENSIONS)})")
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
        metavar="FILE",
        help="rows never taken: a boolean mask, indices, or a batch written earlier; repeatable",
    )
    add("--max-score", type=float, metavar="S", help="rows scoring above are never taken")
    add("--radius", type=float, metavar="R", help="picks keep this distance from each other")
    add("--labeled", metavar="FILE", help="embeddings that picks keep --radius from, too")


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
    add("--max-iter", type=int, default=25, metavar="N", help="most iterations (default: 25)")
    add(
        "--tol",
        type=float,
        default=1e-3,
        metavar="T",
        help="stop when inertia falls by less than this share (default: 0.001)",
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
    add("--quiet", action="store_true", help="no progress, no summary")
    add("--json", action="store_true", help="print the summary as one JSON object")


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
