"""``ally-fast experiment``: run the outer loop on a data set and draw learning curves."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ally_fast._optional import require
from ally_fast._settings import MOST_THREADS
from ally_fast.cli.standard_output import show
from ally_fast.experiments.arm import RANDOM_START, STRATEGIES, parse_arms
from ally_fast.experiments.datasets import DATASETS
from ally_fast.experiments.protocol import NETWORK, Protocol
from ally_fast.experiments.round_rows import RoundRow
from ally_fast.files import whole_files

_EPILOG = f"""\
strategies:
  {", ".join(STRATEGIES[:7])},
  {", ".join(STRATEGIES[7:12])},
  {", ".join(STRATEGIES[12:])}
  A strategy takes options after colons: ally:k=50:radius=0.1, bald:dropout=0.3
  k=0.5 (with a point)  a share of b, not a number: cluster_margin:k=0.5
  training=constrained  train with one constraint a sample; ally, ally_herding
                        and gist do so by default
  ally:heads=5          score by the mean of five dual heads
  ally:scores=random    the same clusters with random scores
  ally:scores=margin    the same clusters with margins as scores

examples:
  ally-fast experiment mnist --strategies random,badge,ally -o mnist
  ally-fast experiment pool/ --column emb --labels :topic \\
      --head logistic --budgets 50,100,200,400 --start random,typical \\
      --strategies random,margin,cluster_margin --seeds 10 -o topics
  If a run stops, repeat the command to resume. With more seeds, rounds or
  strategies it runs only what is missing.
"""
_ROUNDS = 15
_OF_PROTOCOL = (
    *("dataset", "labels", "column", "ids", "split", "split_by_seed", "pool_rows", "clones"),
    *("initial", "b", "budgets", "head", "epsilon", "schedule", "primal_lr", "dual_lr"),
    *("primal_steps", "dual_update", "batch_size", "max_epochs", "patience", "validation"),
    *("refit_head", "device"),
)


def add_parser(commands: Any) -> argparse.ArgumentParser:
    """Add the command to the parser's list of commands."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "experiment",
        help="compare strategies on a data set",
        description="Train, choose a batch, label it, repeat; draw a learning curve per strategy.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for add_group in (_add_data, _add_comparison, _add_training, _add_running):
        add_group(parser, Protocol(dataset=""))
    parser.set_defaults(run=run)
    return parser


def _add_data(parser: argparse.ArgumentParser, paper: Protocol) -> None:
    add = parser.add_argument_group("data").add_argument
    add(
        "dataset",
        metavar="NAME",
        help=f"{', '.join(DATASETS)}, FILE.npz, or a pool of embeddings with --labels",
    )
    add("--labels", metavar="SPEC", help="a label for each row of the pool; null means no label")
    add("--column", metavar="NAME", help="column or key that holds the pool's vectors")
    add("--ids", metavar="SPEC", help="the pool's ids, if labels are matched by id")
    add(
        "--data",
        metavar="FOLDER",
        help="folder with the data sets (default: ALLY_FAST_DATA; without it, they are downloaded)",
    )
    add(
        "--split",
        default=paper.split,
        metavar="BY",
        help="parkinsons: split off the test set by subjects (default) or rows",
    )
    add("--split-by-seed", action="store_true", help="parkinsons: another test set for each seed")
    add("--pool-rows", type=int, metavar="N", help="use N random rows of the pool (default: all)")
    add("--clones", type=int, default=1, metavar="N", help="copies of each pool row (default: 1)")


def _add_comparison(parser: argparse.ArgumentParser, paper: Protocol) -> None:
    add = parser.add_argument_group("comparison").add_argument
    add(
        "--strategies",
        required=True,
        metavar="LIST",
        help="strategies to compare, separated by commas; see below",
    )
    add("--seeds", type=int, default=5, metavar="N", help="run seeds 0 to N - 1 (default: 5)")
    add(
        "--start",
        default=RANDOM_START,
        metavar="LIST",
        help="how the first rows are chosen: random (default), typical or random,typical",
    )
    add("--rounds", type=int, metavar="R", help="batches to label (default: 15)")
    add(
        "--initial",
        type=int,
        default=paper.initial,
        metavar="N",
        help=f"labels at the start (default: {paper.initial})",
    )
    add(
        *("-b", "--budget"),
        dest="b",
        type=int,
        default=paper.b,
        help=f"labels added in each round (default: {paper.b})",
    )
    add(
        "--budgets",
        type=_numbers,
        metavar="LIST",
        help="total labels in each round, instead of --initial, --budget and --rounds",
    )
    add("-o", "--output", required=True, metavar="DIR", help="folder for rows, table and figure")


def _add_training(parser: argparse.ArgumentParser, paper: Protocol) -> None:
    add = parser.add_argument_group("training (by default as in the paper)").add_argument
    add(
        "--head",
        default=paper.head,
        metavar="NAME",
        help="what learns: network (default), or logistic or mlp on frozen embeddings",
    )
    add(
        "--epsilon",
        type=float,
        metavar="E",
        help="bound on the loss of each sample (default: 0.2; 0.1 for regression)",
    )
    add(
        "--schedule",
        default=paper.schedule,
        metavar="NAME",
        help="how --primal-lr changes with the epochs: constant (default) or cosine",
    )
    for option, kind, metavar, text in (
        ("primal-lr", float, "RATE", "learning rate of Adam"),
        ("dual-lr", float, "RATE", "learning rate of the multipliers"),
        ("primal-steps", int, "N", "passes over the labeled set between dual updates"),
        ("dual-update", str, "WHEN", "update multipliers after each epoch or each batch"),
        ("batch-size", int, "N", "minibatch size"),
        ("max-epochs", int, "N", "most epochs"),
        ("patience", int, "N", "stop after N epochs without a lower validation loss"),
        ("validation", float, "SHARE", "share of the labels held out for validation"),
    ):
        default = getattr(paper, option.replace("-", "_"))
        text = f"{text} (default: {default})"
        add(f"--{option}", type=kind, default=default, metavar=metavar, help=text)
    add(
        "--refit-head",
        action="store_true",
        help="train each dual head again on all labels, for the epochs that validation chose",
    )


def _add_running(parser: argparse.ArgumentParser, paper: Protocol) -> None:
    add = parser.add_argument_group("running").add_argument
    add(
        "--device",
        default=paper.device,
        metavar="NAME",
        help="torch device for training: cpu (default), cuda, cuda:1",
    )
    add("--jobs", type=int, default=1, metavar="N", help="processes to run (default: 1)")
    add(
        "--threads",
        type=int,
        metavar="N",
        help="threads of each process (default: all cores, divided among the processes)",
    )
    add("--quiet", action="store_true", help="print no progress and no table")


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    from ally_fast.checks import integer

    protocol = Protocol(**{name: getattr(arguments, name) for name in _OF_PROTOCOL})
    arms = parse_arms(arguments.strategies, arguments.start)
    if protocol.budgets is not None and arguments.rounds is not None:
        raise ValueError("rounds: got both rounds and budgets; needs one of them")
    if arguments.rounds is None:
        arguments.rounds = _ROUNDS if protocol.budgets is None else len(protocol.budgets) - 1
    for name in ("seeds", "rounds"):
        integer(getattr(arguments, name), name, 1)
    for name in ("jobs", "threads"):
        if getattr(arguments, name) is not None:
            integer(getattr(arguments, name), name, 1, MOST_THREADS)
    output = Path(arguments.output)
    if output.exists() and not output.is_dir():
        raise NotADirectoryError(20, "is not a folder", str(output))
    require("torch", "experiments", "ally-fast experiment")
    require("matplotlib", "experiments", "ally-fast experiment")
    if protocol.head != NETWORK:
        require("sklearn", "experiments", f"the head {protocol.head!r}")

    from ally_fast.experiments.comparison import curves
    from ally_fast.experiments.curves_figure import draw_curves
    from ally_fast.experiments.round_rows import load_rounds
    from ally_fast.experiments.runs import Plan, run_all
    from ally_fast.experiments.summary import table, text

    plan = Plan(
        protocol,
        arms,
        arguments.seeds,
        arguments.rounds,
        output,
        arguments.data,
        arguments.jobs,
        arguments.threads,
    )
    command = shlex.join(["ally-fast", *sys.argv[1:]])
    run_all(plan, command, progress=not arguments.quiet)
    rows = load_rounds(plan.rows_folder, [arm.name for arm in arms])
    lines = table(rows)
    title = os.path.splitext(os.path.basename(os.path.normpath(protocol.dataset)))[0]
    with whole_files(force=True) as create:
        with create(str(output / "table.txt")) as file:
            file.write((text(lines) + "\n").encode())
        for name, (metric, label) in _pictures(rows).items():
            figure = draw_curves(
                curves(rows, metric=metric),
                title=title,
                metric=label,
                lower_is_better=rows[0].accuracy is None,
            )
            with create(str(output / name)) as file:
                figure.savefig(file, format="png", dpi=160)
    if not arguments.quiet:
        written = [plan.rows_folder, *(output / name for name in ("table.txt", *_pictures(rows)))]
        show(text(lines))
        show(f"written: {', '.join(map(str, written))}")


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))


def _pictures(rows: Sequence[RoundRow]) -> dict[str, tuple[str, str]]:
    """Return for each picture its file name, the metric it shows and the label of that metric."""
    if rows[0].accuracy is None:
        return {"curves.png": ("metric", "test mean squared error")}
    pictures = {"curves.png": ("metric", "test accuracy")}
    if all(row.macro_recall is not None for row in rows):
        pictures["macro_recall.png"] = ("macro_recall", "test macro recall")
    return pictures
