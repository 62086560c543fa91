"""Which strategy the docs recommend, from recorded experiments: ``python -m benchmarks.frozen``.

``python -m benchmarks.experiments --collect FOLDER frozen-SET`` takes over what ``ally-fast
experiment`` wrote on frozen embeddings. Text of ``docs/strategies.md`` between ``<!-- frozen:NAME
-->`` and its closing twin is then replaced, and a figure of the gains drawn; NAME is a key of
``TABLES``. The rule by which `recommended` decides stands on that page, and was written before
anything was measured. Tables and figure have the arms that are recorded, whichever these are.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ally_fast.experiments.comparison import Curve, Difference, curves, difference
from benchmarks.experiments import FIGURES, RECORDED, conditions, load
from benchmarks.gains_figure import draw_gains as figure_of_gains
from benchmarks.machine import ROOT
from benchmarks.pages import redraw
from benchmarks.pages import replaced as replaced_tables
from benchmarks.tables.markdown import NOTHING
from benchmarks.tables.markdown import table as markdown

PAGE, FIGURE = ROOT / "docs" / "strategies.md", FIGURES / "strategy_gains.png"
# Macro recall where some classes are rare.
COLUMNS = (
    ("minilm", "accuracy"),
    ("minilm", "macro_recall"),
    ("imdb", "accuracy"),
    ("mnist", "accuracy"),
    ("kdd", "accuracy"),
    ("kdd", "macro_recall"),
)
SEEDS = 10  # that the rule asks for, at least
REFERENCE, TYPICAL = "random", ":start=typical"
NOT_YET = "not measured yet"

Column = tuple[str, str]
Curves = dict[Column, dict[str, Curve]]


@dataclass(frozen=True)
class Recommended:
    """What the rule gives.

    Attributes
    ----------
    strategy : str
        For a pool that has some labels.
    start : {"random", "typical"}
        Before there are any.
    """

    strategy: str
    start: str


def measured(folder: Path = RECORDED) -> Curves:
    """Return the curves of each column that is recorded, by arm."""
    found: Curves = {}
    for name, metric in COLUMNS:
        if (folder / f"frozen-{name}" / "rows.jsonl").is_file():
            rows = load(f"frozen-{name}", folder).rows
            found[name, metric] = {curve.arm: curve for curve in curves(rows, metric=metric)}
    return found


def gains(found: Curves) -> dict[str, dict[Column, Difference]]:
    """Return by how much each arm is above the reference in each column that has both."""
    arms = dict.fromkeys(arm for of_column in found.values() for arm in of_column)
    return {
        arm: {
            column: difference(of_column[arm], of_column[REFERENCE])
            for column, of_column in found.items()
            if arm in of_column
        }
        for arm in arms
        if arm != REFERENCE
    }


def lacking(found: Curves) -> list[str]:
    """Return what the rule waits for: sets without rows, or with too few seeds."""
    there = {name: len(of_column[REFERENCE].seeds) for (name, _), of_column in found.items()}
    return [
        f"{name} has {there.get(name, 0)} of {SEEDS} seeds"
        for name in dict.fromkeys(name for name, _ in COLUMNS)
        if there.get(name, 0) < SEEDS
    ]


def candidates(found: Curves) -> dict[str, dict[Column, Difference]]:
    """Return the gains of arms that are worse than random rows in no column, random among them."""
    every = gains(found)
    seeds = {column: len(of_column[REFERENCE].seeds) for column, of_column in found.items()}
    every[REFERENCE] = {column: Difference(0.0, 0.0, 0.0, seeds[column]) for column in found}
    return {
        arm: of_arm
        for arm, of_arm in every.items()
        if TYPICAL not in arm
        and set(of_arm) == set(found)
        and all(gap.seeds >= min(SEEDS, seeds[column]) for column, gap in of_arm.items())
        and not any(gap.verdict == "lower" for gap in of_arm.values())
    }


def recommended(found: Curves) -> Recommended | None:
    """Apply the rule; None while a column is missing, or lacks seeds."""
    if lacking(found):
        return None
    left = candidates(found)
    strategy = leader(left)
    pairs = [
        difference(of_column[strategy + TYPICAL], of_column[strategy])
        for of_column in found.values()
        if strategy + TYPICAL in of_column
    ]
    verdicts = [gap.verdict for gap in pairs]
    better = len(verdicts) == len(COLUMNS) and "lower" not in verdicts and "higher" in verdicts
    return Recommended(strategy, "typical" if better else "random")


def leader(left: Mapping[str, Mapping[Column, Difference]]) -> str:
    """Return the arm of lowest mean rank, of equals the first by name."""
    return min(left, key=lambda arm: (mean_rank(arm, left), arm))


def mean_rank(arm: str, among: Mapping[str, Mapping[Column, Difference]]) -> float:
    """Return the mean over columns of an arm's place by gain, from 1."""
    places = [
        1 + sum(of_arm[column].mean > among[arm][column].mean for of_arm in among.values())
        for column in among[arm]
    ]
    return float(np.mean(places))


def by_gain(found: Curves, start: str) -> list[str]:
    """Return the arms of a start by their mean gain over the columns they have, the best first."""
    means = {
        arm: np.mean([gap.mean for gap in of_arm.values()]) for arm, of_arm in gains(found).items()
    }
    arms = [arm for arm in means if (TYPICAL in arm) == (start == TYPICAL)]
    return sorted(arms, key=lambda arm: -means[arm])


def titles(found: Curves) -> dict[Column, str]:
    """Return the name of each column, and how many seeds it has where these are too few."""
    names = {}
    for (name, metric), of_column in found.items():
        seeds = len(of_column[REFERENCE].seeds)
        few = f" ({seeds} seeds)" if seeds < SEEDS else ""
        names[name, metric] = f"{name}, {metric.replace('_', ' ')}{few}"
    return names


def draw_gains(folder: Path) -> str:
    """Draw the gain of each arm in each column; losses are bold."""
    found = measured(folder)
    if not found:
        return NOT_YET
    left, every = candidates(found), gains(found)
    absolute = [f"{100 * of_column[REFERENCE].area.mean():.2f} %" for of_column in found.values()]
    body = [[f"`{REFERENCE}`", "random", *absolute, f"{mean_rank(REFERENCE, left):.1f}"]]
    for start, name in (("", "random"), (TYPICAL, "typical")):
        for arm in by_gain(found, start):
            cells = [_cell(every[arm].get(column)) for column in found]
            rank = f"{mean_rank(arm, left):.1f}" if arm in left else "out"
            body.append([f"`{arm.replace(TYPICAL, '')}`", name, *cells, NOTHING if start else rank])
    head = ["strategy", "first labels", *titles(found).values(), "mean rank"]
    return markdown(head, body, left=2)


def draw_rivals(folder: Path) -> str:
    """Draw the leader less the other arms that are never worse than random, start by start."""
    found = measured(folder)
    if not found:
        return NOT_YET
    left = candidates(found)
    first, body = leader(left), []
    for start, name in (("", "random"), (TYPICAL, "typical")):
        for arm in sorted(left, key=lambda arm: mean_rank(arm, left)):
            pairs = [(c.get(first + start), c.get(arm + start)) for c in found.values()]
            if arm != first and all(None not in pair for pair in pairs):
                body.append([f"`{arm}`", name, *(_cell(difference(*pair)) for pair in pairs)])
    head = [f"`{first}` less", "first labels of both", *titles(found).values()]
    return markdown(head, body, left=2)


def draw_budgets(folder: Path) -> str:
    """Draw the gain of the leader after a typical start, budget by budget."""
    found = measured(folder)
    if not found:
        return NOT_YET
    arm = leader(candidates(found)) + TYPICAL
    pairs = [(of_column.get(arm), of_column[REFERENCE]) for of_column in found.values()]
    labels = next(iter(found.values()))[REFERENCE].labeled
    body = [
        [str(count), *(_cell(difference(*pair, at) if pair[0] else None) for pair in pairs)]
        for at, count in enumerate(labels)
    ]
    return markdown([f"labels, of `{arm}`", *titles(found).values()], body)


def _cell(gap: Difference | None) -> str:
    if gap is None:
        return NOTHING
    text = f"{100 * gap.mean:+.2f}"
    if np.isfinite(gap.low):
        text += f" ± {50 * (gap.high - gap.low):.2f}"
    return f"**{text}**" if gap.verdict == "lower" else text


def draw_default(folder: Path) -> str:
    """Say what the rule gives."""
    found = measured(folder)
    chosen = recommended(found)
    if chosen is None:
        return f"The rule decides nothing yet: {', '.join(lacking(found))}."
    return f"With some labels: `{chosen.strategy}`. The first labels: `{chosen.start}`."


def draw_conditions(folder: Path) -> str:
    """Say what was run, on what, with what."""
    names = [path.parent.name for path in sorted(folder.glob("frozen-*/rows.jsonl"))]
    return "\n\n".join(conditions(load(name, folder)) for name in names) or NOT_YET


TABLES: dict[str, Callable[[Path], str]] = {
    "gains": draw_gains,
    "rivals": draw_rivals,
    "budgets": draw_budgets,
    "default": draw_default,
    "conditions": draw_conditions,
}


def replaced(text: str, folder: Path = RECORDED) -> str:
    """Replace what stands between markers; a table nobody draws raises ``KeyError``."""
    return replaced_tables(text, "frozen", lambda name: TABLES[name](folder))


def main(argv: Sequence[str] | None = None) -> int:
    """Redraw the page; with ``--check`` say if it is stale."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.frozen", description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing, exit 1 if stale")
    arguments = parser.parse_args(argv)
    stale = redraw(PAGE, replaced, arguments.check, "benchmarks.frozen")
    if arguments.check:
        return int(stale)
    if found := measured():
        figure = figure_of_gains(gains(found), titles(found), by_gain(found, ""), TYPICAL)
        figure.savefig(FIGURE, format="png")
    return 0


if __name__ == "__main__":
    sys.exit(main())
