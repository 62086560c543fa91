"""The results page from recorded experiments: ``python -m benchmarks.experiments``.

``--collect FOLDER NAME`` takes over what ``ally-fast experiment -o FOLDER`` wrote, without the
batches, and runs that have not come to their last round. Text of ``docs/results.md`` between
``<!-- experiment:NAME:TABLE -->`` and its closing twin is replaced, and a figure of learning curves
drawn for each experiment; TABLE is a key of ``TABLES``, NAME an experiment, or several to compare,
``A+B``. No figure in those tables is typed by hand.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast.experiments.comparison import Curve, curves, difference
from ally_fast.experiments.curves_figure import draw_curves
from ally_fast.experiments.round_rows import RoundRow, load_rounds
from ally_fast.experiments.summary import signed, table
from benchmarks.machine import ROOT
from benchmarks.pages import redraw
from benchmarks.pages import replaced as replaced_tables
from benchmarks.tables.markdown import NOTHING
from benchmarks.tables.markdown import table as markdown

PAGE = ROOT / "docs" / "results.md"
FIGURES = ROOT / "docs" / "figures"
RECORDED = ROOT / "benchmarks" / "experiments"
CLAIMANT = "ally"
# What is added, to what, and what that gives.
STEPS = (
    ("training under constraints", "random", "random:training=constrained"),
    ("clusters: random scores in them", "random", "ally:scores=random"),
    ("dual scores, and training under constraints", "ally:scores=random", "ally"),
    ("the same, mean of five dual heads", "ally:scores=random", "ally:heads=5"),
    ("margins as scores", "ally:scores=random", "ally:scores=margin"),
    ("margins without clusters", "random", "margin"),
    ("clusters for margins", "margin", "ally:scores=margin"),
)


@dataclass(frozen=True)
class Experiment:
    """What was run, and its rows.

    Attributes
    ----------
    name : str
    header : dict
        The experiment's ``experiment.json``.
    rows : list of RoundRow
    """

    name: str
    header: dict[str, Any]
    rows: list[RoundRow]

    @property
    def percent(self) -> bool:
        """Whether its metric is a share of rows."""
        return self.rows[0].accuracy is not None

    def curves(self) -> list[Curve]:
        """Return the arms' learning curves."""
        return curves(self.rows)


def load(name: str, folder: Path = RECORDED) -> Experiment:
    """Read a recorded experiment; its arms in the order they were recorded in."""
    header = json.loads((folder / name / "experiment.json").read_text())
    return Experiment(name, header, load_rounds(folder / name, header["arms"]))


def collect(run: Path, name: str, folder: Path = RECORDED) -> None:
    """Take over the rows of a run, without their batches, which a rerun gives again.

    Arms with seeds that are under way come without these.
    """
    rows = load_rounds(run / "rows")
    last = max(row.round for row in rows)
    ended = {(row.arm, row.seed) for row in rows if row.round == last}
    rows = [row for row in rows if (row.arm, row.seed) in ended]
    header = json.loads((run / "experiment.json").read_text())
    first = ["random", "random:training=constrained", CLAIMANT]
    arms = sorted({row.arm for row in rows}, key=lambda arm: (arm not in first, arm))
    header["arms"] = sorted(arms, key=lambda arm: first.index(arm) if arm in first else len(first))
    # A command that went on with more seeds stands for the one it went on from.
    longest = {re.sub(r"--seeds \d+", "", command): command for command in header["commands"]}
    header["commands"] = list(longest.values())
    (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / name / "experiment.json").write_text(json.dumps(header, indent=1) + "\n")
    lines = [replace(row, batch=None).to_json() for row in rows]
    (folder / name / "rows.jsonl").write_text("\n".join(lines) + "\n")


def conditions(experiment: Experiment) -> str:
    """Say in one paragraph what was run, on what, with what."""
    header = experiment.header
    versions = ", ".join(f"{name} {version}" for name, version in header["versions"].items())
    commands = "\n".join(f"    {command}" for command in header["commands"])
    jobs, threads = (
        f"{header[key]} {noun if header[key] == 1 else plural}"
        for key, noun, plural in (
            ("jobs", "process", "processes"),
            ("threads", "thread", "threads"),
        )
    )
    return (
        f"{header['data']}. {header['machine']}, {jobs} of {threads} each; {versions}; "
        f"commit {header['commit']}.\n\n"
        f"{commands}"
    )


def summary(experiment: Experiment) -> str:
    """Draw the arms: metric, differences from random sampling, seconds."""
    head, *body = table(experiment.rows)
    return markdown(head, body)


def claimant(experiment: Experiment) -> str:
    """Draw ALLY against each other arm: paired differences over all rounds and at the last."""
    found = experiment.curves()
    ally = next(curve for curve in found if curve.arm == CLAIMANT)
    better = "higher" if experiment.percent else "lower"
    body = []
    for curve in found:
        if curve is ally:
            continue
        every = difference(ally, curve)
        last = difference(ally, curve, min(len(ally.labeled), len(curve.labeled)) - 1)
        verdict = {"not told apart": "not told apart", better: "better"}
        body.append(
            [
                curve.arm,
                str(every.seeds),
                signed(every, experiment.percent),
                signed(last, experiment.percent),
                verdict.get(every.verdict, "worse"),
            ]
        )
    unit = "points" if experiment.percent else "squared error"
    head = [
        f"`{CLAIMANT}` less",
        "seeds",
        f"mean over rounds, {unit} (95 %)",
        "last round (95 %)",
        f"`{CLAIMANT}` is",
    ]
    return markdown(head, body)


def attribution(*experiments: Experiment) -> str:
    """Draw what each part adds, step by step: over all rounds past the first, and at the last."""
    body = []
    for what, before, after in STEPS:
        cells = []
        for experiment in experiments:
            found = {curve.arm: curve for curve in experiment.curves()}
            pair = (found.get(after), found.get(before))
            for at in (None, -1):
                known = None not in pair
                cells.append(
                    signed(difference(*pair, at), experiment.percent) if known else NOTHING
                )
        if {*cells} != {NOTHING}:
            body.append([what, f"`{after}` less `{before}`", *cells])
    names = [f"{e.name}: {part}" for e in experiments for part in ("over the rounds", "last round")]
    return markdown(["what is added", "measured as", *names], body, left=2)


def growth(experiment: Experiment) -> str:
    """Draw how ALLY, its clusters and its scores do as labels grow."""
    clusters = f"{CLAIMANT}:scores=random"
    pairs = ((CLAIMANT, "random"), (clusters, "random"), (CLAIMANT, clusters))
    found = {curve.arm: curve for curve in experiment.curves()}
    body = [
        [
            str(count),
            *(signed(difference(found[a], found[b], at), experiment.percent) for a, b in pairs),
        ]
        for at, count in enumerate(found[CLAIMANT].labeled)
    ]
    return markdown(["labels", *(f"`{a}` less `{b}`" for a, b in pairs)], body)


def beside(*experiments: Experiment) -> str:
    """Draw the metric of each arm at the first, second and last round of each experiment."""
    found = [{curve.arm: curve for curve in experiment.curves()} for experiment in experiments]
    body, head = [], ["arm"]
    for experiment, of_arm in zip(experiments, found, strict=True):
        labeled = of_arm["random"].labeled
        head += [f"{experiment.name}: {labeled[place]} labels" for place in (0, 1, -1)]
    for arm in dict.fromkeys(arm for of_arm in found for arm in of_arm):
        line = [arm]
        for experiment, of_arm in zip(experiments, found, strict=True):
            values = of_arm[arm].values[:, [0, 1, -1]] if arm in of_arm else None
            line += [NOTHING] * 3 if values is None else _spread(values, experiment.percent)
        body.append(line)
    return markdown(head, body)


def _spread(values: NDArray[np.float64], percent: bool) -> list[str]:
    """Return mean and standard deviation over seeds of each column."""
    scale, digits = (100.0, 1) if percent else (1.0, 3)
    pairs = zip(scale * values.mean(axis=0), scale * values.std(axis=0), strict=True)
    return [f"{mean:.{digits}f} ± {spread:.{digits}f}" for mean, spread in pairs]


def batches(experiment: Experiment) -> str:
    """Draw what arms choose, on average over rounds and seeds."""
    columns: list[tuple[str, Callable[[RoundRow], float | None], str]] = [
        ("error of the model on the batch", lambda row: row.batch_error, "{:.0%}"),
        ("its loss there / on the pool", _loss_ratio, "{:.1f}"),
        ("classes in a batch", lambda row: row.batch_classes, "{:.1f}"),
        ("known already", lambda row: row.batch_known, "{:.0%}"),
    ]
    chosen = [row for row in experiment.rows if row.batch_loss is not None]
    columns = [column for column in columns if any(column[1](row) is not None for row in chosen)]
    body = []
    for arm in dict.fromkeys(row.arm for row in chosen):
        mine = [row for row in chosen if row.arm == arm]
        body.append(
            [arm, *(form.format(_mean(of(row) for row in mine)) for _, of, form in columns)]
        )
    return markdown(["arm", *(name for name, _, _ in columns)], body)


def multipliers(experiment: Experiment) -> str:
    """Draw ALLY's multipliers and its dual head by round, means over seeds."""
    columns: list[tuple[str, Callable[[RoundRow], Any], str]] = [
        ("epochs kept / trained", lambda row: row.kept_epoch, "{:.0f}"),
        ("active constraints", lambda row: row.active_share, "{:.0%}"),
        ("mean multiplier", lambda row: row.mean_multiplier, "{:.3f}"),
        ("median", lambda row: row.multiplier_quantiles and row.multiplier_quantiles[5], "{:.3f}"),
        ("90 %", lambda row: row.multiplier_quantiles and row.multiplier_quantiles[9], "{:.3f}"),
        ("largest", lambda row: row.max_multiplier, "{:.2f}"),
        ("head: rank correlation, held out", lambda row: row.head_rank_correlation, "{:.2f}"),
        ("its error / the mean's", lambda row: row.head_error_share, "{:.2f}"),
        ("scores and pool losses: rank correlation", lambda r: r.pool_rank_correlation, "{:.2f}"),
    ]
    body = []
    for labeled in dict.fromkeys(row.labeled for row in experiment.rows):
        mine = [row for row in experiment.rows if row.arm == CLAIMANT and row.labeled == labeled]
        line = [str(labeled)]
        for name, of, form in columns:
            values = [of(row) for row in mine]
            text = NOTHING if None in values else form.format(_mean(values))
            if name.startswith("epochs"):
                text += f" / {_mean(row.epochs for row in mine):.0f}"
            line.append(text)
        body.append(line)
    return markdown(["labels", *(name for name, _, _ in columns)], body)


TABLES: dict[str, Callable[..., str]] = {
    "conditions": conditions,
    "summary": summary,
    "claimant": claimant,
    "attribution": attribution,
    "beside": beside,
    "growth": growth,
    "batches": batches,
    "multipliers": multipliers,
}


def replaced(text: str, folder: Path = RECORDED) -> str:
    """Replace what stands between markers; a table nobody draws raises ``KeyError``."""

    def draw(name: str) -> str:
        experiments, _, table_name = name.partition(":")
        found = [load(experiment, folder) for experiment in experiments.split("+")]
        return TABLES[table_name](*found)

    return replaced_tables(text, "experiment", draw)


def draw_figures(experiment: Experiment, folder: Path) -> None:
    """Draw the learning curves of an experiment; ALLY with other k in a picture of its own."""
    found = experiment.curves()
    of_k = [curve for curve in found if curve.arm.startswith(f"{CLAIMANT}:k=")]
    pictures = {"": [curve for curve in found if curve not in of_k]}
    if of_k:
        pictures["-k"] = [curve for curve in found if curve.arm in ("random", CLAIMANT)] + of_k
    for suffix, drawn in pictures.items():
        figure = draw_curves(
            drawn,
            title=experiment.name.removeprefix("frozen-"),
            metric="test accuracy" if experiment.percent else "test mean squared error",
            lower_is_better=not experiment.percent,
        )
        path = folder / f"results_{experiment.name}{suffix}.png"
        figure.savefig(path, format="png", dpi=110)


def main(argv: Sequence[str] | None = None) -> int:
    """Take over a run, or redraw page and figures; with ``--check`` say if the page is stale."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.experiments", description=__doc__)
    parser.add_argument("--collect", nargs=2, metavar=("FOLDER", "NAME"), help="take over a run")
    parser.add_argument("--check", action="store_true", help="change nothing, exit 1 if stale")
    arguments = parser.parse_args(argv)
    if arguments.collect:
        collect(Path(arguments.collect[0]), arguments.collect[1])
        return 0
    stale = redraw(PAGE, replaced, arguments.check, "benchmarks.experiments")
    if arguments.check:
        return int(stale)
    for path in sorted(RECORDED.glob("*/rows.jsonl")):
        draw_figures(load(path.parent.name), FIGURES)
    return 0


def _loss_ratio(row: RoundRow) -> float | None:
    if row.batch_loss is None or not row.pool_loss:
        return None
    return row.batch_loss / row.pool_loss


def _mean(values: Any) -> float:
    return float(np.mean([value for value in values if value is not None]))


if __name__ == "__main__":
    sys.exit(main())
