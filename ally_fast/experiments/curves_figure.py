"""Learning curves as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ally_fast._optional import require
from ally_fast.experiments.arm import TYPICAL_START
from ally_fast.experiments.comparison import Curve, Difference, difference

_GREY, _INK, _LIGHT = "#666666", "#222222", "#dddddd"
_FEW = 6  # bands of more arms would hide each other
_TYPICAL = f":start={TYPICAL_START}"


def draw_curves(
    curves: Sequence[Curve],
    *,
    title: str,
    metric: str,
    reference: str = "random",
    lower_is_better: bool = False,
) -> Any:
    """Draw learning curves, their differences from a reference, and the mean differences.

    Parameters
    ----------
    curves : sequence of Curve
    title, metric : str
        Title of the picture; label of the vertical axis.
    reference : str
        The arm to compare the others with, seed by seed. If it is not among the curves, only the
        first panel is drawn.
    lower_is_better : bool
        True for an error: the axes say so, and the arms are ordered accordingly.

    Returns
    -------
    matplotlib.figure.Figure
        Lines are means over seeds, without smoothing. Intervals are Student's 95 % intervals of the
        differences paired by seed. Bands on the left show one standard deviation, for up to six
        arms.
    """
    base = next((curve for curve in curves if curve.arm == reference), None)
    others = [curve for curve in curves if base and set(curve.seeds) & set(base.seeds)]
    others = [curve for curve in others if curve is not base]
    height = max(4.4, 1.6 + 0.3 * len(curves))
    figure = require("matplotlib.figure", "report").Figure(
        figsize=(15 if others else 7, height), layout="constrained"
    )
    panels = figure.subplots(1, 3 if others else 1, squeeze=False)[0]
    styles = _styles(curves)
    for curve in curves:
        mean, spread = curve.values.mean(axis=0), curve.values.std(axis=0)
        panels[0].plot(curve.labeled, mean, label=curve.arm, **styles[curve.arm])
        if len(curves) <= _FEW:
            _band(panels[0], curve.labeled, mean - spread, mean + spread, styles[curve.arm])
    seeds = sorted({len(curve.seeds) for curve in curves})
    counted = " to ".join(map(str, dict.fromkeys((seeds[0], seeds[-1]))))
    counted += " seed" if seeds[-1] == 1 else " seeds"
    spread = " ± standard deviation" if len(curves) <= _FEW else ""
    _label(panels[0], f"{title}: mean{spread} of {counted}", "labeled rows")
    better = " (lower is better)" if lower_is_better else ""
    panels[0].set_ylabel(metric + better, color=_GREY)
    panels[0].legend(fontsize=8, frameon=False)
    if others and base is not None:
        for curve in others:
            _draw_difference(panels[1], curve, base, styles[curve.arm], len(others) < _FEW)
        panels[1].axhline(0, color=_GREY, lw=1)
        shown = ", 95 % interval" if len(others) < _FEW else ""
        _label(panels[1], f"minus {reference}, paired by seed: mean{shown}", "labeled rows")
        gaps = {curve.arm: difference(curve, base) for curve in others}
        best_last = sorted(gaps, key=lambda arm: gaps[arm].mean, reverse=lower_is_better)
        _draw_means(panels[2], {arm: gaps[arm] for arm in best_last}, styles)
        below = f"{metric}, difference{better}"
        _label(panels[2], "mean over rounds after the first, 95 % interval", below)
    return figure


def _styles(curves: Sequence[Curve]) -> dict[str, dict[str, Any]]:
    """Return a colour for each strategy, and broken lines for its typical start."""
    colours = require("matplotlib", "report").colormaps["tab10"].colors
    bare = {curve.arm: curve.arm.replace(_TYPICAL, "") for curve in curves}
    numbers = {name: number for number, name in enumerate(dict.fromkeys(bare.values()))}
    return {
        arm: {
            "color": colours[numbers[name] % len(colours)],
            "lw": 1.6 if numbers[name] < len(colours) else 0.9,
            "ls": "-" if arm == name else "--",
        }
        for arm, name in bare.items()
    }


def _band(axes: Any, x: Any, low: Any, high: Any, style: dict[str, Any]) -> None:
    axes.fill_between(x, low, high, color=style["color"], alpha=0.12, lw=0)


def _draw_difference(
    axes: Any, curve: Curve, base: Curve, style: dict[str, Any], with_band: bool
) -> None:
    rounds = min(curve.values.shape[1], base.values.shape[1])
    gaps = [difference(curve, base, at) for at in range(rounds)]
    axes.plot(curve.labeled[:rounds], [gap.mean for gap in gaps], **style)
    if with_band and gaps[0].seeds > 1:
        low, high = ([getattr(gap, end) for gap in gaps] for end in ("low", "high"))
        _band(axes, curve.labeled[:rounds], low, high, style)


def _draw_means(axes: Any, gaps: dict[str, Difference], styles: dict[str, dict[str, Any]]) -> None:
    """Draw a dot and an interval for each arm, the first arm at the bottom."""
    axes.axvline(0, color=_GREY, lw=1)
    for height, (arm, gap) in enumerate(gaps.items()):
        style = styles[arm]
        axes.axhline(height, color=_LIGHT, lw=0.6, zorder=0)
        axes.plot([gap.low, gap.high], [height, height], color=style["color"], lw=1.6)
        inside = style["color"] if style["ls"] == "-" else "white"
        axes.plot([gap.mean], [height], "o", color=style["color"], mfc=inside, ms=5)
    axes.set_yticks(range(len(gaps)), list(gaps))


def _label(axes: Any, title: str, below: str) -> None:
    axes.set_title(title, loc="left", color=_INK, fontsize=10)
    axes.set_xlabel(below, color=_GREY)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(colors=_GREY, labelsize=8)
