"""The charts of a page as Bokeh models. The page's style sheet colours their axes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast._optional import require
from ally_fast.ops.assign import assign, packed_points
from ally_fast.report.batch_figure import between_0_and_1, score_limits
from ally_fast.report.colours import BATCH as BATCH_COLOUR
from ally_fast.report.colours import BEST as BEST_COLOUR
from ally_fast.report.colours import EDGE, HUES, POOL, ramp_names
from ally_fast.report.colours import EXCLUDED as EXCLUDED_COLOUR
from ally_fast.report.colours import RANDOM as RANDOM_COLOUR
from ally_fast.report.comparison import BATCH, BEST, EXCLUDED, RANDOM, Comparison, share_within
from ally_fast.report.evidence import Evidence
from ally_fast.rows import Rows

_LINES = {
    BATCH: (BATCH_COLOUR, "solid"),
    RANDOM: (RANDOM_COLOUR, "dashed"),
    BEST: (BEST_COLOUR, "dotdash"),
    EXCLUDED: (EXCLUDED_COLOUR, "dotted"),
}
_POINTS = 200  # of a curve


@dataclass(frozen=True)
class Key:
    """An entry of a legend: a mark ("dot", "ring", "cross", "bar", "line", ...) and its meaning."""

    mark: str
    colour: str
    text: str


@dataclass(frozen=True)
class Chart:
    """A chart as JSON for Bokeh's script, and its legend, which the page shows."""

    json: Any
    legend: list[Key]


def charts(evidence: Evidence, comparison: Comparison | None) -> dict[str, Chart]:
    """Return the charts of a page by name; the element ``chart-NAME`` shows each."""
    figures = {"map": _map(evidence), "scores": _scores(evidence), "sizes": _sizes(evidence)}
    legends = {
        "map": _map_legend(evidence),
        "scores": [Key("bar", POOL, _scored(evidence)), Key("line", BATCH_COLOUR, BATCH)],
        "sizes": [],
    }
    if comparison is not None:
        figures["coverage"] = _curves(
            comparison.coverage, "share of the pool within r", comparison.reach
        )
        gaps = {name: values for name, values in comparison.gaps.items() if len(values)}
        if gaps:
            figures["gaps"] = _curves(gaps, "share of the batch within r", comparison.near)
        for name, shown in (("coverage", comparison.coverage), ("gaps", gaps)):
            legends[name] = [Key(_LINES[batch][1], _LINES[batch][0], batch) for batch in shown]
    embed = require("bokeh.embed", "report")
    return {
        name: Chart(embed.json_item(figure, f"chart-{name}"), legends[name])
        for name, figure in figures.items()
    }


def _figure(height: int, tools: str = "", **options: Any) -> Any:
    figure = require("bokeh.plotting", "report", "a report").figure(
        height=height,
        sizing_mode="stretch_width",
        tools=tools,
        toolbar_location="above" if tools else None,
        active_drag=None,  # a finger scrolls the page
        active_scroll=None,
        active_tap=None,
        background_fill_color=None,
        border_fill_color=None,
        outline_line_color=None,
        min_border=0,
        **options,
    )
    figure.toolbar.logo = None
    figure.toolbar.stylesheets = [".bk-divider { display: none }"]
    figure.axis.major_label_text_font_size = "12px"
    figure.axis.axis_label_text_font_size = "12px"
    figure.axis.axis_label_text_font_style = "normal"
    figure.axis.minor_tick_line_color = None
    figure.yaxis.ticker.desired_num_ticks = 5
    figure.xaxis.ticker.desired_num_ticks = 6
    return figure


def _source(**columns: Any) -> Any:
    return require("bokeh.models", "report").ColumnDataSource(columns)


def _hover(figure: Any, glyphs: Any, tooltips: list[tuple[str, str]], **options: Any) -> None:
    models = require("bokeh.models", "report")
    figure.add_tools(models.HoverTool(renderers=[glyphs], tooltips=tooltips, **options))


def _map(evidence: Evidence) -> Any:
    figure = _figure(460, "pan,box_zoom,wheel_zoom,reset,save", match_aspect=False)
    info, plane = evidence.info, evidence.plane
    few = len(info.centroids) <= len(HUES)
    points = _placed(evidence, evidence.sample)
    size = float(np.clip(9 - np.log2(1 + len(points)) / 2, 2.5, 6))
    colours: Any = POOL
    columns = {"x": points[:, 0], "y": points[:, 1]}
    if few:
        nearest, _ = assign(Rows(evidence.sample), packed_points(info.centroids))
        columns["colour"], colours = np.array(HUES)[nearest], "colour"
    figure.scatter(
        "x",
        "y",
        source=_source(**columns),
        size=size,
        color=colours,
        alpha=0.16 if few else 0.3,
        line_color=None,
    )
    if len(evidence.excluded):
        points = _placed(evidence, evidence.excluded)
        figure.scatter(
            points[:, 0],
            points[:, 1],
            marker="x",
            size=7,
            color=EXCLUDED_COLOUR,
            line_width=1.6,
        )
    _picks(figure, evidence, few)
    first, second = plane.explained
    figure.xaxis.axis_label = f"first principal component ({first:.0%} of the variance)"
    figure.yaxis.axis_label = f"second ({second:.0%})"
    figure.axis.major_label_text_alpha = 0
    figure.axis.major_tick_line_color = None
    figure.axis.major_label_text_font_size = "0px"
    return figure


def _placed(evidence: Evidence, rows: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return places on the map in a unit that float32 can hold; the axes show no numbers."""
    parts = (evidence.sample, evidence.picks, evidence.excluded)
    unit = max(float(np.abs(part).max()) for part in parts if part.size) or 1.0
    return (evidence.plane(rows) / unit).astype(np.float32)


def _map_legend(evidence: Evidence) -> list[Key]:
    few = len(evidence.info.centroids) <= len(HUES)
    keys = [
        Key("dot", POOL, "pool: colour shows the cluster" if few else "pool"),
        Key("ring", POOL, "picks: size shows the score")
        if few
        else Key(
            "ring", ramp_names()[len(ramp_names()) // 2], "picks: redder means a higher score"
        ),
    ]
    if len(evidence.excluded):
        keys.append(Key("cross", EXCLUDED_COLOUR, "excluded or labeled before"))
    return keys


def _picks(figure: Any, evidence: Evidence, few: bool) -> None:
    info, count = evidence.info, len(evidence.picks)
    points = _placed(evidence, evidence.picks)
    scores = info.scores[:count]
    order = np.argsort(scores, kind="stable")  # the highest on top
    dot = float(np.clip(180 / np.sqrt(max(1, count)), 4, 12))
    clusters = info.clusters[:count]
    if few:
        colours = np.array(HUES)[clusters]
        sizes = dot * np.sqrt(0.35 + between_0_and_1(scores))
    else:
        low, high = score_limits(scores)
        names = np.array(ramp_names())
        spread = high / 2 - low / 2
        place = (scores / 2 - low / 2) / spread if spread > 0 else np.full(count, 0.5)
        colours = names[(np.clip(place, 0, 1) * (len(names) - 1)).round().astype(int)]
        sizes = np.full(count, dot)
    source = _source(
        x=points[order, 0],
        y=points[order, 1],
        colour=colours[order],
        size=sizes[order],
        score=scores[order],
        cluster=clusters[order],
        place=order,
        name=_names(evidence, order),
    )
    glyphs = figure.scatter(
        "x",
        "y",
        source=source,
        size="size",
        fill_color="colour",
        line_color=EDGE,
        line_width=min(1.0, (dot - 4) / 4),  # edges of many dots would hide their colours
        name="edged",
    )
    tips = [("pick", "@place"), ("row", "@name"), ("score", "@score"), ("cluster", "@cluster")]
    _hover(figure, glyphs, tips)


def _names(evidence: Evidence, order: NDArray[np.int64]) -> list[str]:
    """Return the ids of the picks, or their indices if there are no ids."""
    named = evidence.indices if evidence.info.ids is None else evidence.info.ids
    return [str(named[position])[:80] for position in order.tolist()]


def _scored(evidence: Evidence) -> str:
    return "rows of the map" if evidence.scores_by_function else "pool"


def _scores(evidence: Evidence) -> Any:
    figure = _figure(230)
    counts = evidence.scores
    source = _source(
        left=counts.edges[:-1], right=counts.edges[1:], pool=counts.pool, picks=counts.picks
    )
    glyphs = figure.quad(
        left="left",
        right="right",
        bottom=0,
        top="pool",
        source=source,
        fill_color=POOL,
        fill_alpha=0.45,
        line_color=None,
    )
    edges = np.repeat(counts.edges, 2)[1:-1]
    figure.line(
        edges,
        np.repeat(counts.picks, 2),
        color=BATCH_COLOUR,
        line_width=2,
    )
    tips = [("score", "@left to @right"), ("pool", "@pool{0.0%}"), ("batch", "@picks{0.0%}")]
    _hover(figure, glyphs, tips, mode="vline")
    figure.y_range.start = 0
    figure.yaxis.formatter = _percent()
    figure.xaxis.axis_label = "score"
    return figure


def _sizes(evidence: Evidence) -> Any:
    info = evidence.info
    pairs, number = np.unique(
        np.stack([info.cluster_sizes, info.cluster_counts], axis=1), axis=0, return_counts=True
    )
    wide = pairs[:, 0].max() > 100 * max(1, pairs[:, 0].min())
    sizes = np.maximum(pairs[:, 0], 1) if wide else pairs[:, 0]
    figure = _figure(230, x_axis_type="log" if wide else "linear")
    source = _source(size=sizes, rows=pairs[:, 0], picks=pairs[:, 1], number=number)
    glyphs = figure.scatter(
        "size", "picks", source=source, size=7, color=BATCH_COLOUR, alpha=0.6, line_color=None
    )
    tips = [("rows", "@rows{0,0}"), ("picks", "@picks"), ("clusters", "@number")]
    _hover(figure, glyphs, tips)
    figure.y_range = _range(0, 1.15 * max(1, int(pairs[:, 1].max())))
    figure.xaxis.axis_label = "eligible rows in the cluster"
    figure.yaxis.axis_label = "picks"
    numerals = require("bokeh.models", "report").NumeralTickFormatter
    figure.xaxis.formatter = numerals(format="0.[0]a")
    return figure


def _curves(distances: dict[str, NDArray[np.float64]], what: str, mark: float) -> Any:
    figure = _figure(230)
    models = require("bokeh.models", "report")
    end = max(float(np.quantile(values, 0.99)) for values in distances.values())
    r = np.linspace(0, max(end, mark * 1.1) or 1.0, _POINTS)
    figure.add_layout(
        models.Span(
            location=mark, dimension="height", line_color=POOL, line_dash="dashed", line_width=1
        )
    )
    shares = {
        name: [share_within(values, float(most)) for most in r]
        for name, values in distances.items()
    }
    for name, heights in shares.items():
        colour, dash = _LINES[name]
        glyphs = figure.line(
            "r",
            "share",
            source=_source(r=r, share=heights),
            color=colour,
            line_dash=dash,
            line_width=2.2,
        )
        _hover(figure, glyphs, [(name, "@share{0%}"), ("r", "@r")], line_policy="nearest")
    figure.x_range = _range(0, r[-1])
    figure.y_range = _range(0, 1.02)
    figure.yaxis.formatter = _percent()
    figure.xaxis.axis_label = f"distance r (dashed: {mark:.3g})"
    figure.yaxis.axis_label = what
    return figure


def _range(start: float, end: float) -> Any:
    return require("bokeh.models", "report").Range1d(start, end)


def _percent() -> Any:
    return require("bokeh.models", "report").NumeralTickFormatter(format="0.[0]%")
