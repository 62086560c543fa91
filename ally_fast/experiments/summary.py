"""An experiment as a table: metric, difference from random sampling, seconds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ally_fast.experiments.comparison import Curve, Difference, curves, difference
from ally_fast.experiments.round_rows import RoundRow


def table(rows: Sequence[RoundRow], reference: str = "random") -> list[list[str]]:
    """Return a table: a head, then a line for each arm in the order of the rows.

    A difference is that of the mean over all rounds after the first, paired by seed, with a 95 %
    interval. For classification the table has macro recall besides accuracy, if all rows have it.
    Seconds are medians over rounds: to train, to run the model over the pool, and to choose.
    """
    all_curves = curves(rows)
    base = next((curve for curve in all_curves if curve.arm == reference), None)
    percent = bool(rows) and rows[0].accuracy is not None
    name = "accuracy" if percent else "squared error"
    recalls = {}
    if rows and all(row.macro_recall is not None for row in rows):
        recalls = {curve.arm: curve for curve in curves(rows, metric="macro_recall")}
    head = [
        "arm",
        "seeds",
        "labels",
        f"{name}, last round",
        "mean over rounds",
        f"less {reference}'s (95 %)",
        *(("macro recall, mean", f"less {reference}'s (95 %)") if recalls else ()),
        "train s",
        "pool s",
        "query s",
    ]
    lines = [head]
    for curve in all_curves:
        mine = [row for row in rows if row.arm == curve.arm]
        mean, against = _compared(curve, base, percent)
        lines.append(
            [
                curve.arm,
                str(len(curve.seeds)),
                str(curve.labeled[-1]),
                f"{_value(curve.values[:, -1].mean(), percent)} ± "
                f"{_value(curve.values[:, -1].std(), percent)}",
                mean,
                against,
                *(_compared(recalls[curve.arm], recalls.get(reference), True) if recalls else ()),
                *(
                    _seconds([getattr(row, f"{stage}_seconds") for row in mine])
                    for stage in ("train", "pool", "query")
                ),
            ]
        )
    return lines


def _compared(curve: Curve, base: Curve | None, percent: bool) -> tuple[str, str]:
    """Return the mean over rounds, and its difference from the reference."""
    mean = _value(float(curve.area.mean()), percent)
    if base is None or base.arm == curve.arm:
        return mean, ""
    return mean, signed(difference(curve, base), percent)


def signed(gap: Difference, percent: bool) -> str:
    """Return a difference with its interval as text, in percentage points if `percent`."""
    scale, digits = (100.0, 2) if percent else (1.0, 3)
    mean, low, high = (scale * x for x in (gap.mean, gap.low, gap.high))
    if np.isnan(low):
        return f"{mean:+.{digits}f}"
    return f"{mean:+.{digits}f} ({low:+.{digits}f} to {high:+.{digits}f})"


def text(lines: Sequence[Sequence[str]]) -> str:
    """Return a table as aligned text for the terminal."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def _value(value: float, percent: bool) -> str:
    return f"{100 * value:.2f} %" if percent else f"{value:.3f}"


def _seconds(values: Sequence[float | None]) -> str:
    numbers = [value for value in values if value is not None]
    return f"{np.median(numbers):.3g}" if numbers else "-"
