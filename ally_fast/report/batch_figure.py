"""A picture of a batch: the pool in two dimensions with the picks on top."""

from __future__ import annotations

from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from ally_fast._optional import require
from ally_fast.ops.assign import assign, packed_points
from ally_fast.pools import Rows, RowSource
from ally_fast.report.colours import BATCH, GREY, HUES, INK, PALE, ramp
from ally_fast.report.evidence import Evidence, gather_evidence
from ally_fast.report.projection import Projection
from ally_fast.selection.info import SelectionInfo

FIGURE_EXTENSIONS = (".png", ".pdf", ".svg")

_MOST_DOTS = 5_000  # rows drawn one by one; more are drawn as density


def draw_batch(
    pool: Any, dual_scores: Any, indices: Any, info: SelectionInfo, **options: Any
) -> Any:
    """Draw a batch over its pool.

    The map shows the two directions of largest variance of at most 20,000 rows, drawn at random
    with a fixed seed. With up to 8 clusters, colour shows the cluster and size shows the score of
    a pick. With more clusters, the pool is grey and colour shows the score. Beside the map are the
    scores of the batch and of the pool, and the picks of each cluster against its size.

    Parameters
    ----------
    pool, dual_scores
        As you passed them to `select`. If `dual_scores` is a function, only the scores of the drawn
        rows are shown.
    indices : array of int64, shape (b,)
        The batch; its first 5,000 rows are drawn.
    info : SelectionInfo
        The info that `select` returned with it.
    **options
        All other arguments of `select`. Rows in `exclude` are not drawn; with ``metric="cosine"``
        rows are normalised.

    Returns
    -------
    matplotlib.figure.Figure
        Save it with `save_figure`, or show it.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    ValueError, TypeError
        As `select` raises them.
    """
    require("matplotlib", "report", "a picture of the batch")
    return draw_evidence(gather_evidence(pool, dual_scores, indices, info, options, compare=False))


def draw_evidence(evidence: Evidence) -> Any:
    """Draw the evidence of a batch; see `draw_batch`."""
    figure = require("matplotlib.figure", "report", "a picture of the batch").Figure(
        figsize=(10.5, 6.2), layout="constrained", facecolor="white"
    )
    pool, info, plane = evidence.pool, evidence.info, evidence.plane
    panels = figure.subplot_mosaic([["map", "scores"], ["map", "sizes"]], width_ratios=[2.6, 1])
    _draw_map(figure, panels["map"], evidence)
    _label(panels["map"], plane, pool, len(evidence.indices), len(info.centroids))
    figure.supxlabel(_note(evidence), x=0.01, ha="left", fontsize=7.5, color=GREY)
    _draw_scores(panels["scores"], evidence)
    _draw_sizes(panels["sizes"], info)
    for axes in panels.values():
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(colors=GREY, labelsize=8)
    return figure


def save_figure(figure: Any, file: IO[bytes], extension: str) -> None:
    """Write a figure to an open file in one of `FIGURE_EXTENSIONS`."""
    figure.savefig(file, format=extension.removeprefix("."), dpi=160)


def _draw_map(figure: Any, axes: Any, evidence: Evidence) -> None:
    rows, info = evidence.sample, evidence.info
    points, picks = evidence.plane(rows), evidence.plane(evidence.picks)
    scores, clusters = info.scores[: len(picks)], info.clusters[: len(picks)]
    order = np.argsort(scores, kind="stable")  # the highest on top
    dot = float(np.clip(9_000 / max(1, len(picks)), 2, 46))
    if len(info.centroids) <= len(HUES):
        hues = np.array([require("matplotlib.colors", "report").to_rgb(hue) for hue in HUES])
        assignments, _ = assign(Rows(rows), packed_points(info.centroids))
        _dots(axes, points, c=hues[assignments], alpha=0.3)
        _dots(axes, points[:0], c=GREY, alpha=0.4, label="pool: colour = cluster")
        sizes = dot * (0.35 + between_0_and_1(scores))
        axes.scatter(
            *picks[order].T,
            c=hues[clusters[order]],
            s=sizes[order],
            edgecolors=INK,
            linewidths=0.8,
        )
        axes.scatter([], [], c=GREY, s=dot, edgecolors=INK, label="picks: size = score")
    else:
        if len(rows) <= _MOST_DOTS:
            _dots(axes, points, c=PALE, label="pool")
        else:
            axes.hexbin(*points.T, gridsize=90, bins="log", cmap=_greys())
            axes.scatter(
                [], [], c=PALE, s=24, marker="h", label="pool (darker = more rows, log scale)"
            )
        _draw_scored_picks(figure, axes, picks[order], scores[order], dot)
    axes.legend(loc="best", framealpha=0.9, fontsize=8, edgecolor="none")


def _draw_scored_picks(
    figure: Any, axes: Any, picks: NDArray[np.float64], scores: NDArray[Any], dot: float
) -> None:
    colours = require("matplotlib.colors", "report").ListedColormap(ramp(256))
    low, high = score_limits(scores)
    dots = axes.scatter(
        *picks.T,
        c=scores,
        cmap=colours,
        vmin=low,
        vmax=high,
        s=dot,
        edgecolors="white" if dot > 8 else "none",
        linewidths=0.5,
    )
    axes.scatter([], [], c=[colours(0.7)], s=max(dot, 10), label="picks: colour = score")
    if high > low:
        bar = figure.colorbar(dots, ax=axes, shrink=0.45, aspect=28, extend="both", pad=0.01)
        bar.set_label("score of a pick", color=GREY, fontsize=8)
        bar.ax.tick_params(colors=GREY, labelsize=8)
        bar.outline.set_visible(False)


def _dots(axes: Any, points: NDArray[np.float64], **style: Any) -> None:
    size = float(np.clip(20_000 / max(1, len(points)), 1.5, 14))
    axes.scatter(*points.T, s=size, linewidths=0, **style)


def between_0_and_1(values: NDArray[Any]) -> NDArray[np.float64]:
    """Return values scaled to [0, 1], or 0.5 if all are equal."""
    halves = values / 2  # whose difference does not overflow
    spread = np.ptp(halves) if len(values) else 0.0
    scaled: NDArray[np.float64] = (halves - halves.min()) / spread if spread else 0.5 + 0 * halves
    return scaled


def score_limits(scores: NDArray[Any]) -> tuple[float, float]:
    """Return the ends of a colour scale: quantiles, so that extreme scores do not use it up."""
    # Quantiles of halves: what lies between two of them does not overflow.
    low, high = 2 * np.quantile(scores / 2, [0.02, 0.98]) if len(scores) else (0.0, 0.0)
    return float(low), float(high)


def _greys() -> Any:
    """Return greys that stand out from white."""
    whole = require("matplotlib", "report").colormaps["Greys"]
    return require("matplotlib.colors", "report").ListedColormap(whole(np.linspace(0.12, 0.8, 256)))


def _label(axes: Any, plane: Projection, pool: RowSource, b: int, k: int) -> None:
    axes.set_title(
        f"b = {b:,} of n = {pool.n:,} rows chosen, k = {k:,} clusters",
        loc="left",
        color=INK,
        fontsize=12,
        fontweight="bold",
    )
    first, second = plane.explained
    axes.set_xlabel(f"first principal component ({first:.0%} of the variance)", color=GREY)
    axes.set_ylabel(f"second principal component ({second:.0%})", color=GREY)


def _note(evidence: Evidence) -> str:
    """Say what the map shows and what it hides."""
    pool, count, candidates = evidence.pool, len(evidence.sample), evidence.eligible_rows
    share = "all" if count == candidates else f"{count:,} of the"
    limit = " that could be chosen" if candidates < pool.n else ""
    note = f"Drawn: {share} {candidates:,} rows{limit}"
    if len(evidence.picks) < len(evidence.indices):
        note += f", the first {len(evidence.picks):,} picks"
    if pool.d > 2:
        note += (
            f"; the other {pool.d - 2:,} dimensions hold "
            f"{1 - evidence.plane.explained.sum():.0%} of the variance, so rows that overlap here "
            "may be far apart"
        )
    return f"{note}."


def _draw_scores(axes: Any, evidence: Evidence) -> None:
    counts = evidence.scores
    pool = f"{counts.rows:,} rows of the map" if evidence.scores_by_function else "pool"
    for heights, colour, name in ((counts.pool, PALE, pool), (counts.picks, BATCH, "picks")):
        axes.stairs(heights, counts.edges, fill=colour == PALE, color=colour, lw=1.4, label=name)
    percent = require("matplotlib.ticker", "report").PercentFormatter(1.0)
    axes.yaxis.set_major_formatter(percent)
    axes.legend(fontsize=8, frameon=False)
    axes.set_title("Scores", loc="left", color=INK, fontsize=10)
    axes.set_xlabel("score", color=GREY, fontsize=8)
    axes.set_ylabel("share of rows", color=GREY, fontsize=8)


def _draw_sizes(axes: Any, info: SelectionInfo) -> None:
    sizes, counts = info.cluster_sizes, info.cluster_counts
    axes.scatter(sizes, counts, s=12, c=BATCH, alpha=0.35, linewidths=0)
    if sizes.max() > 100 * max(1, sizes.min()):
        axes.set_xscale("symlog", linthresh=1)
    axes.set_ylim(0, 1.15 * max(1, counts.max()))
    axes.locator_params(axis="y", integer=True, nbins=5)
    axes.set_title("Picks per cluster", loc="left", color=INK, fontsize=10)
    axes.set_xlabel("eligible rows in the cluster", color=GREY, fontsize=8)
    axes.set_ylabel("picks", color=GREY, fontsize=8)
