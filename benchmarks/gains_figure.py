"""Gains of strategies over random sampling as a picture: a panel for each set and metric."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ally_fast.experiments.comparison import Difference

_BETTER, _WORSE, _EQUAL, _INK, _LIGHT = "#1f77b4", "#d62728", "#888888", "#222222", "#dddddd"
_COLOURS = {"higher": _BETTER, "lower": _WORSE, "not told apart": _EQUAL}

Gains = Mapping[str, Mapping[Any, Difference]]


def draw_gains(
    gains: Gains, columns: Mapping[Any, str], strategies: Sequence[str], typical: str
) -> Any:
    """Draw the gain of each strategy, with a random and a typical start.

    Parameters
    ----------
    gains : mapping of arm to mapping of column to Difference
    columns : mapping of column to title
    strategies : sequence of str
        Arms with a random start, the best first.
    typical : str
        What the name of an arm ends with where its start is typical.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure = Figure(figsize=(2.0 + 2.3 * len(columns), 1.5 + 0.36 * len(strategies)), dpi=110)
    panels = figure.subplots(1, len(columns), sharey=True, squeeze=False)[0]
    for axes, (column, title) in zip(panels, columns.items(), strict=True):
        axes.axvline(0, color=_INK, lw=0.8)
        for place, strategy in enumerate(strategies):
            axes.axhline(place, color=_LIGHT, lw=0.6, zorder=0)
            for arm, shift, filled in ((strategy, -0.14, True), (strategy + typical, 0.14, False)):
                if column in gains.get(arm, {}):
                    _draw(axes, gains[arm][column], place + shift, filled)
        axes.set_title(title, loc="left", color=_INK, fontsize=9)
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.tick_params(colors=_INK, labelsize=8, left=False)
    panels[0].set_yticks(range(len(strategies)), strategies, fontsize=9)
    panels[0].set_ylim(len(strategies) - 0.5, -0.5)
    _explain(figure)
    return figure


def _draw(axes: Any, gap: Difference, y: float, filled: bool) -> None:
    colour = _COLOURS[gap.verdict]
    axes.plot([100 * gap.low, 100 * gap.high], [y, y], color=colour, lw=1.3)
    axes.plot([100 * gap.mean], [y], "o", color=colour, mfc=colour if filled else "white", ms=4.5)


def _explain(figure: Any) -> None:
    """Say what marks and colours mean, below the panels."""
    marks = [
        Line2D([], [], color=_INK, marker="o", lw=0, label="random first labels"),
        Line2D([], [], color=_INK, marker="o", mfc="white", lw=0, label="typical first labels"),
        Line2D([], [], color=_BETTER, lw=2, label="better than random"),
        Line2D([], [], color=_EQUAL, lw=2, label="not told apart"),
        Line2D([], [], color=_WORSE, lw=2, label="worse"),
    ]
    height = figure.get_figheight()
    figure.tight_layout(rect=(0, 0.62 / height, 1, 1), w_pad=1.2)
    figure.text(
        0.5,
        0.42 / height,
        "percentage points above random rows after random first labels; paired 95 % interval",
        ha="center",
        color=_INK,
        fontsize=8.5,
    )
    figure.legend(handles=marks, loc="lower center", ncols=len(marks), frameon=False, fontsize=8.5)
