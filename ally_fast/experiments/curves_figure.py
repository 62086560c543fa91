"""Learning curves as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ally_fast._optional import require
from ally_fast.experiments.comparison import Curve

_GREY, _INK = "#666666", "#222222"


def draw_curves(
    curves: Sequence[Curve], *, title: str, metric: str, reference: str = "random"
) -> Any:
    """Draw curves, and how far each is from the reference.

    Parameters
    ----------
    curves : sequence of Curve
    title, metric : str
        Of the picture; of the vertical axis.
    reference : str
        The arm that the others are compared with, seed by seed; without it there, one panel.

    Returns
    -------
    matplotlib.figure.Figure
        Lines are means over seeds, not smoothed; bands are one standard deviation on the left, one
        standard error of the paired difference on the right.
    """
    figure = require("matplotlib.figure", "report").Figure(figsize=(11, 4.4), layout="constrained")
    colours = require("matplotlib", "report").colormaps["tab10"].colors
    base = next((curve for curve in curves if curve.arm == reference), None)
    panels = figure.subplots(1, 1 if base is None else 2, squeeze=False)[0]
    for place, curve in enumerate(curves):
        colour = colours[place % len(colours)]
        style = {"color": colour, "lw": 1.6, "ls": "-" if place < len(colours) else "--"}
        mean, spread = curve.values.mean(axis=0), curve.values.std(axis=0)
        panels[0].plot(curve.labeled, mean, label=curve.arm, **style)
        panels[0].fill_between(
            curve.labeled, mean - spread, mean + spread, color=colour, alpha=0.12, lw=0
        )
        if base is not None and curve is not base:
            _draw_difference(panels[1], curve, base, style)
    seeds = sorted({len(curve.seeds) for curve in curves})
    counted = " to ".join(map(str, dict.fromkeys((seeds[0], seeds[-1]))))
    panels[0].set_title(
        f"{title}: mean ± standard deviation of {counted} seeds",
        loc="left",
        color=_INK,
        fontsize=10,
    )
    panels[0].set_ylabel(metric, color=_GREY)
    panels[0].legend(fontsize=8, frameon=False)
    if base is not None:
        panels[1].axhline(0, color=_GREY, lw=1)
        panels[1].set_title(
            f"difference from {reference}, paired by seed: mean ± standard error",
            loc="left",
            color=_INK,
            fontsize=10,
        )
    for axes in panels:
        axes.set_xlabel("labeled rows", color=_GREY)
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(colors=_GREY, labelsize=8)
    return figure


def _draw_difference(axes: Any, curve: Curve, base: Curve, style: dict[str, Any]) -> None:
    seeds = [seed for seed in curve.seeds if seed in base.seeds]
    rounds = min(curve.values.shape[1], base.values.shape[1])
    if not seeds:
        return
    mine, other = (
        of.values[[of.seeds.index(seed) for seed in seeds], :rounds] for of in (curve, base)
    )
    gaps = mine - other
    mean = gaps.mean(axis=0)
    axes.plot(curve.labeled[:rounds], mean, **style)
    if len(seeds) > 1:
        error = gaps.std(axis=0, ddof=1) / np.sqrt(len(seeds))
        axes.fill_between(
            curve.labeled[:rounds],
            mean - error,
            mean + error,
            color=style["color"],
            alpha=0.12,
            lw=0,
        )
