"""``ally-fast experiment``: the outer loop on a data set, learning curves out."""

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
  Each takes options: ally:k=50:radius=0.1, bald:dropout=0.3, dal:mini_queries=5
  and training=constrained (so are models of ally, ally_herding and gist
  trained, all others plainly);
  a k with a point is a share of b: cluster_margin:k=0.5;
  ally:heads=5 scores by the mean of five dual heads, ally:scores=random and
  ally:scores=margin by random numbers and margins, in the same clusters.

examples:
  ally-fast experiment mnist --strategies random,badge,ally -o mnist
  ally-fast experiment pool/ --column emb --labels :topic \\
      --head logistic --budgets 50,100,200,400 --start random,typical \\
      --strategies random,margin,cluster_margin --seeds 10 -o topics
  Stopped or killed, the same command goes on; with more seeds, rounds or
  strategies it adds what is not there.
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
        description="Train, choose, label, and again: learning curves of strategies, by seed.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    paper = Protocol(dataset="")
    add = parser.add_argument_group("what").add_argument
    add("dataset", metavar="NAME", help=f"{', '.join(DATASETS)}, FILE.npz, or a pool (--labels)")
    add("--labels", metavar="SPEC", help="a label for each row of a pool; a null is none")
    add("--column", metavar="NAME", help="the pool's column of vectors, or its key")
    add("--ids", metavar="SPEC", help="the pool's ids, where labels are matched by id")
    add("--strategies", required=True, metavar="LIST", help="arms, separated by commas; see below")
    add("--seeds", type=int, default=5, metavar="N", help="seeds 0 to N - 1 (default: 5)")
    add("--start", default=RANDOM_START, metavar="LIST", help="random (default), typical, or both")
    add("--rounds", type=int, metavar="R", help="batches to label (default: 15)")
    add("-o", "--output", required=True, metavar="DIR", help="folder of rows, table and figure")
    add("--data", metavar="FOLDER", help="of the data sets (default: ALLY_FAST_DATA, or download)")
    add("--split", default=paper.split, help="of parkinsons: subjects (default) or rows")
    add("--split-by-seed", action="store_true", help="of parkinsons: a test set for each seed")
    add("--pool-rows", type=int, metavar="N", help="a random part of the pool (default: all)")
    add("--clones", type=int, default=1, metavar="N", help="copies of each pool row (default: 1)")

    add = parser.add_argument_group("how (the paper's settings by default)").add_argument
    add("--initial", type=int, default=paper.initial, help="random labels at the start (100)")
    add("-b", "--budget", dest="b", type=int, default=paper.b, help="labels a round (200)")
    add("--budgets", type=_numbers, metavar="LIST", help="labels in all, by round, instead of both")
    add("--head", default=paper.head, help="network (default), or logistic, mlp on embeddings")
    add("--epsilon", type=float, help="bound of the loss (0.2; regression 0.1)")
    add("--schedule", default=paper.schedule, help="of its rate: constant (default) or cosine")
    add("--primal-lr", type=float, default=paper.primal_lr, help="of Adam (0.005)")
    add("--dual-lr", type=float, default=paper.dual_lr, help="of the multipliers (0.05)")
    add("--primal-steps", type=int, default=paper.primal_steps, help="T_p (1)")
    add("--dual-update", default=paper.dual_update, help="epoch (default) or batch")
    add("--batch-size", type=int, default=paper.batch_size, help="of minibatches (64)")
    add("--max-epochs", type=int, default=paper.max_epochs, help="(100)")
    add("--patience", type=int, default=paper.patience, help="epochs, early stopping (6)")
    add("--validation", type=float, default=paper.validation, help="labels held out for it (0.1)")
    add("--refit-head", action="store_true", help="dual heads then learn all labels")

    add = parser.add_argument_group("running").add_argument
    add("--device", default=paper.device, help="of torch: cpu (default), cuda, cuda:1")
    add("--jobs", type=int, default=1, metavar="N", help="processes (default: 1)")
    add("--threads", type=int, metavar="N", help="of each process (default: the cores there are)")
    add("--quiet", action="store_true", help="no progress, no table")
    parser.set_defaults(run=run)
    return parser


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    from ally_fast.checks import integer

    protocol = Protocol(**{name: getattr(arguments, name) for name in _OF_PROTOCOL})
    arms = parse_arms(arguments.strategies, arguments.start)
    if protocol.budgets is not None and arguments.rounds is not None:
        raise ValueError("rounds: got some beside budgets, which say how many; needs one of them")
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
    """Return the name of each picture, the metric it shows and what that is called."""
    if rows[0].accuracy is None:
        return {"curves.png": ("metric", "test mean squared error")}
    pictures = {"curves.png": ("metric", "test accuracy")}
    if all(row.macro_recall is not None for row in rows):
        pictures["macro_recall.png"] = ("macro_recall", "test macro recall")
    return pictures
