"""Which strategy the docs recommend, from recorded experiments: ``python -m benchmarks.frozen``.

``python -m benchmarks.experiments --collect FOLDER frozen-SET`` takes over what ``ally-fast
experiment`` wrote on frozen embeddings. Text of ``docs/strategies.md`` between ``<!-- frozen:NAME
-->`` and its closing twin is then replaced; NAME is a key of ``TABLES``. The rule by which
`recommended` decides stands on that page, and was written before anything was measured.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ally_fast.experiments.comparison import Curve, Difference, curves, difference
from ally_fast.experiments.summary import signed
from benchmarks.experiments import RECORDED, conditions, load
from benchmarks.machine import ROOT
from benchmarks.tables import NOTHING
from benchmarks.tables import table as markdown

PAGE = ROOT / "docs" / "strategies.md"
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
MARKED = re.compile(
    r"(<!-- frozen:(?P<table>\w+) -->\n)(?P<body>.*?)(<!-- /frozen:(?P=table) -->)", re.DOTALL
)

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


def recommended(found: Curves) -> Recommended | None:
    """Apply the rule; None while a column is missing, or lacks seeds."""
    if set(found) != set(COLUMNS):
        return None
    if any(len(of_column[REFERENCE].seeds) < SEEDS for of_column in found.values()):
        return None
    every = gains(found)
    every[REFERENCE] = {column: Difference(0.0, 0.0, 0.0, SEEDS) for column in COLUMNS}
    left = {
        arm: of_arm
        for arm, of_arm in every.items()
        if TYPICAL not in arm
        and set(of_arm) == set(COLUMNS)
        and all(gap.seeds >= SEEDS for gap in of_arm.values())
        and not any(gap.verdict == "lower" for gap in of_arm.values())
    }
    strategy = min(left, key=lambda arm: (mean_rank(arm, left), arm))
    pairs = [
        difference(of_column[strategy + TYPICAL], of_column[strategy])
        for of_column in found.values()
        if strategy + TYPICAL in of_column
    ]
    verdicts = [gap.verdict for gap in pairs]
    better = len(verdicts) == len(COLUMNS) and "lower" not in verdicts and "higher" in verdicts
    return Recommended(strategy, "typical" if better else "random")


def mean_rank(arm: str, among: Mapping[str, Mapping[Column, Difference]]) -> float:
    """Return the mean over columns of an arm's place by gain, from 1."""
    places = [
        1 + sum(of_arm[column].mean > among[arm][column].mean for of_arm in among.values())
        for column in among[arm]
    ]
    return float(np.mean(places))


def draw_gains(folder: Path) -> str:
    """Draw the gain of each arm in each column."""
    found = measured(folder)
    if not found:
        return NOT_YET
    body = [
        [
            REFERENCE,
            *(f"{100 * of_column[REFERENCE].area.mean():.2f} %" for of_column in found.values()),
        ]
    ]
    for arm, of_arm in gains(found).items():
        body.append(
            [
                f"`{arm}`",
                *(signed(of_arm[c], True) if c in of_arm else NOTHING for c in found),
            ]
        )
    names = [f"{name}, {metric.replace('_', ' ')}" for name, metric in found]
    return markdown(["less `random`, points (95 %)", *names], body)


def draw_default(folder: Path) -> str:
    """Say what the rule gives."""
    chosen = recommended(measured(folder))
    if chosen is None:
        return NOT_YET
    return f"With some labels: `{chosen.strategy}`. The first labels: `{chosen.start}`."


def draw_conditions(folder: Path) -> str:
    """Say what was run, on what, with what."""
    names = [path.parent.name for path in sorted(folder.glob("frozen-*/rows.jsonl"))]
    return "\n\n".join(conditions(load(name, folder)) for name in names) or NOT_YET


TABLES: dict[str, Callable[[Path], str]] = {
    "gains": draw_gains,
    "default": draw_default,
    "conditions": draw_conditions,
}


def replaced(text: str, folder: Path = RECORDED) -> str:
    """Replace what stands between markers; a table nobody draws raises ``KeyError``."""
    return MARKED.sub(lambda match: f"{match[1]}{TABLES[match['table']](folder)}\n{match[4]}", text)


def main(argv: Sequence[str] | None = None) -> int:
    """Redraw the page; with ``--check`` say if it is stale."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.frozen", description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing, exit 1 if stale")
    arguments = parser.parse_args(argv)
    old = PAGE.read_text()
    new = replaced(old)
    if not arguments.check:
        PAGE.write_text(new)
        return 0
    if new != old:
        print(f"{PAGE.name} differs from the rows: python -m benchmarks.frozen")
    return int(new != old)


if __name__ == "__main__":
    sys.exit(main())
