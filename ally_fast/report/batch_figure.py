"""A picture of a batch: the pool in two dimensions with the picks on top."""

from __future__ import annotations

from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from ally_fast._optional import require
from ally_fast.ops.assign import assign, centroid_table
from ally_fast.pools import Rows, RowSource
from ally_fast.report.projection import Projection, fit_projection, rows_as_seen
from ally_fast.selection.info import SelectionInfo

FIGURE_EXTENSIONS = (".png", ".pdf", ".svg")

_SAMPLE_ROWS = 50_000
_MOST_HUES = 10  # clusters told apart by colour
_MOST_DOTS = 5_000  # rows drawn one by one; more are drawn as density
_INK, _GREY, _PALE, _ACCENT = "#22262e", "#6b7280", "#d5d9e0", "#c2410c"


def draw_batch(
    pool: RowSource,
    dual_scores: Any,
    indices: NDArray[np.int64],
    info: SelectionInfo,
    *,
    exclude: NDArray[Any] | None = None,
    metric: str = "euclidean",
) -> Any:
    """Draw a batch over its pool.

    The plane holds the two directions of largest variance of at most 50,000 rows, drawn at random
    with a fixed seed. With up to 10 clusters, colour tells the cluster and size the score of a
    pick; with more, the pool is grey and colour tells the score. Beside it: scores of the batch
    against the pool's, and picks against size for each cluster.

    Parameters
    ----------
    pool : RowSource
        The pool selected from.
    dual_scores : array, shape (n,)
        Scores of its rows.
    indices : ndarray of int64, shape (b,)
        The batch.
    info : SelectionInfo
        What `select` returned beside it.
    exclude : ndarray, optional
        The mask or indices given to `select`: these rows are not drawn.
    metric : str
        The metric given to `select`; rows are normalised for ``"cosine"``.

    Returns
    -------
    matplotlib.figure.Figure
        To be saved with `save_figure`, or shown.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    figure = require("matplotlib.figure", "report", "a picture of the batch").Figure(
        figsize=(10.5, 6.2), layout="constrained", facecolor="white"
    )
    shown = np.ones(pool.n, dtype=bool)
    if exclude is not None:
        shown[exclude] = False
    sample = _sample(shown)
    rows = rows_as_seen(pool.gather(sample), metric)
    finite = np.isfinite(rows).all(axis=1)
    rows = rows[finite]
    plane = fit_projection(rows)
    picks = plane(rows_as_seen(pool.gather(np.sort(indices)), metric))
    picks = picks[np.argsort(np.argsort(indices))]

    panels = figure.subplot_mosaic([["map", "scores"], ["map", "sizes"]], width_ratios=[2.6, 1])
    _draw_map(figure, panels["map"], plane(rows), rows, picks, info)
    _label(panels["map"], plane, pool, len(indices), len(info.centroids))
    note = _note(pool, len(rows), int(shown.sum()), plane)
    figure.supxlabel(note, x=0.01, ha="left", fontsize=7.5, color=_GREY)
    _draw_scores(panels["scores"], np.asarray(dual_scores)[shown], info)
    _draw_sizes(panels["sizes"], info)
    for axes in panels.values():
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(colors=_GREY, labelsize=8)
    return figure


def save_figure(figure: Any, file: IO[bytes], extension: str) -> None:
    """Write a figure to an open file in one of `FIGURE_EXTENSIONS`."""
    figure.savefig(file, format=extension.removeprefix("."), dpi=160)


def _sample(shown: NDArray[np.bool_]) -> NDArray[np.int64]:
    candidates = np.flatnonzero(shown)
    if len(candidates) <= _SAMPLE_ROWS:
        return candidates
    chosen = np.random.default_rng(0).choice(len(candidates), _SAMPLE_ROWS, replace=False)
    return np.sort(candidates[chosen])


def _draw_map(
    figure: Any,
    axes: Any,
    places: NDArray[np.float64],
    rows: NDArray[np.float64],
    picks: NDArray[np.float64],
    info: SelectionInfo,
) -> None:
    order = np.argsort(info.scores, kind="stable")  # the highest on top
    dot = float(np.clip(9_000 / max(1, len(picks)), 2, 46))
    if len(info.centroids) <= _MOST_HUES:
        hues = np.array(require("matplotlib", "report").colormaps["tab10"].colors)
        assignments, _ = assign(Rows(rows), centroid_table(info.centroids))
        _dots(axes, places, c=hues[assignments], alpha=0.3)
        _dots(axes, places[:0], c=_GREY, alpha=0.4, label="pool: colour = cluster")
        sizes = dot * (0.35 + _between_0_and_1(info.scores))
        axes.scatter(
            *picks[order].T,
            c=hues[info.clusters[order]],
            s=sizes[order],
            edgecolors=_INK,
            linewidths=0.8,
        )
        axes.scatter([], [], c=_GREY, s=dot, edgecolors=_INK, label="picks: size = score")
    else:
        if len(rows) <= _MOST_DOTS:
            _dots(axes, places, c=_PALE, label="pool")
        else:
            axes.hexbin(*places.T, gridsize=90, bins="log", cmap=_colours("Greys", 0.12, 0.8))
            axes.scatter(
                [], [], c=_PALE, s=24, marker="h", label="pool (darker = more rows, log scale)"
            )
        _draw_scored_picks(figure, axes, picks[order], info.scores[order], dot)
    axes.legend(loc="best", framealpha=0.9, fontsize=8, edgecolor="none")


def _draw_scored_picks(
    figure: Any, axes: Any, picks: NDArray[np.float64], scores: NDArray[Any], dot: float
) -> None:
    colours = _colours("YlOrRd", 0.3, 1.0)
    # A few extreme scores must not take all colours: the ends of the scale are quantiles.
    low, high = np.quantile(scores, [0.02, 0.98]) if len(scores) else (0.0, 0.0)
    drawn = axes.scatter(
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
        bar = figure.colorbar(drawn, ax=axes, shrink=0.45, aspect=28, extend="both", pad=0.01)
        bar.set_label("score of a pick", color=_GREY, fontsize=8)
        bar.ax.tick_params(colors=_GREY, labelsize=8)
        bar.outline.set_visible(False)


def _dots(axes: Any, places: NDArray[np.float64], **style: Any) -> None:
    size = float(np.clip(20_000 / max(1, len(places)), 1.5, 14))
    axes.scatter(*places.T, s=size, linewidths=0, **style)


def _between_0_and_1(values: NDArray[Any]) -> NDArray[np.float64]:
    spread = np.ptp(values) if len(values) else 0.0
    scaled: NDArray[np.float64] = (values - values.min()) / spread if spread else 0.5 + 0 * values
    return scaled


def _colours(name: str, low: float, high: float) -> Any:
    """Return the part of a colour map that stands out from white."""
    whole = require("matplotlib", "report").colormaps[name]
    listed = require("matplotlib.colors", "report").ListedColormap
    return listed(whole(np.linspace(low, high, 256)))


def _label(axes: Any, plane: Projection, pool: RowSource, b: int, k: int) -> None:
    axes.set_title(
        f"b = {b:,} of n = {pool.n:,} rows chosen, k = {k:,} clusters",
        loc="left",
        color=_INK,
        fontsize=12,
        fontweight="bold",
    )
    first, second = plane.explained
    axes.set_xlabel(f"first principal component ({first:.0%} of the variance)", color=_GREY)
    axes.set_ylabel(f"second principal component ({second:.0%})", color=_GREY)


def _note(pool: RowSource, drawn: int, candidates: int, plane: Projection) -> str:
    """Say what the map shows and what it hides."""
    share = "all" if drawn == candidates else f"{drawn:,} of the"
    kept = " that were not excluded" if candidates < pool.n else ""
    note = f"Drawn: {share} {candidates:,} rows{kept}"
    if pool.d > 2:
        note += (
            f"; {1 - plane.explained.sum():.0%} of the variance lies in the other "
            f"{pool.d - 2:,} dimensions, so rows that meet here may be far apart"
        )
    return f"{note}."


def _draw_scores(axes: Any, scores: NDArray[Any], info: SelectionInfo) -> None:
    if len(scores):
        bins = np.histogram_bin_edges(scores.astype(np.float64), bins=40)
        for values, colour, name in ((scores, _PALE, "pool"), (info.scores, _ACCENT, "picks")):
            heights = np.histogram(values, bins)[0] / max(1, len(values))
            axes.stairs(heights, bins, fill=colour == _PALE, color=colour, lw=1.4, label=name)
        percent = require("matplotlib.ticker", "report").PercentFormatter(1.0)
        axes.yaxis.set_major_formatter(percent)
        axes.legend(fontsize=8, frameon=False)
    axes.set_title("Scores", loc="left", color=_INK, fontsize=10)
    axes.set_xlabel("score", color=_GREY, fontsize=8)
    axes.set_ylabel("share of rows", color=_GREY, fontsize=8)


def _draw_sizes(axes: Any, info: SelectionInfo) -> None:
    sizes, counts = info.cluster_sizes, info.cluster_counts
    axes.scatter(sizes, counts, s=12, c=_ACCENT, alpha=0.35, linewidths=0)
    if sizes.max() > 100 * max(1, sizes.min()):
        axes.set_xscale("symlog", linthresh=1)
    axes.set_ylim(0, 1.15 * max(1, counts.max()))
    axes.locator_params(axis="y", integer=True, nbins=5)
    axes.set_title("Picks per cluster", loc="left", color=_INK, fontsize=10)
    axes.set_xlabel("eligible rows in the cluster", color=_GREY, fontsize=8)
    axes.set_ylabel("picks", color=_GREY, fontsize=8)
