"""The figure: time against quality at the main shape, and time over ours at every shape."""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from matplotlib.transforms import Bbox

from benchmarks import labels
from benchmarks.rows import Row, one, select
from benchmarks.tables.markdown import seconds as format_seconds
from benchmarks.tables.selections import main_shape, shape_rows

# Okabe-Ito colours, told apart by colour-blind readers; each engine has its mark as well.
STYLES = {
    ("ally_fast", "default"): ("#d55e00", "*"),
    ("superkmeans", "default"): ("#0072b2", "o"),
    ("superkmeans", "flat"): ("#0072b2", "s"),
    ("faiss_cpu", "recipe"): ("#009e73", "o"),
    ("faiss_cpu", "default"): ("#009e73", "s"),
    ("sklearn_minibatch", "default"): ("#cc79a7", "o"),
    ("published_loop", "default"): ("#cc79a7", "s"),
    ("sklearn_kmeans", "default"): ("#555555", "D"),
}
# Where a label may stand, in points from its mark, best first.
SIDES = [(10, 0), (-10, 0), (0, -20), (0, 20), (10, 17), (-10, 17), (10, -17), (-10, -17)]
SIDES += [(10, 30), (-10, 30), (0, 40), (0, -40)]


def draw(rows: list[Row], path: Path) -> None:
    """Draw both panels with the conditions beneath.

    Parameters
    ----------
    rows : list of Row
        Rows of one machine.
    path : pathlib.Path
        PNG to write.
    """
    style = {
        "font.size": 9.5,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.titlesize": 11,
        "axes.titleweight": "bold",
        "axes.titlelocation": "left",
    }
    with plt.rc_context(style):
        figure, (left, right) = plt.subplots(
            1, 2, figsize=(11.5, 5.2), gridspec_kw={"width_ratios": [1.0, 1.05]}
        )
        points = _quality(left, main_shape(rows))
        _shapes(right, rows)
        _legend(figure)
        figure.text(0.012, 0.012, _caption(rows), fontsize=7.5, color="#555555", va="bottom")
        figure.tight_layout(rect=(0, 0.13, 1, 1), w_pad=3)
        _label_points(left, points)  # last: what overlaps depends on the layout
        figure.savefig(path, dpi=160)
        plt.close(figure)


def _styled(rows: list[Row]) -> list[tuple[Row, str, str]]:
    found = []
    for (engine, setting), (color, mark) in STYLES.items():
        row = one(rows, engine=engine, setting=setting)
        if row is not None:
            found.append((row, color, mark))
    return found


Point = tuple[Row, str, tuple[float, float]]


def _quality(axes: Axes, rows: list[Row]) -> list[Point]:
    """Place every contestant by seconds and by inertia over the best measured."""
    points = [item for item in _styled(rows) if item[0].inertia]
    axes.set_title("A million sentences: time and quality")
    axes.set_xlabel("seconds, end to end (log; left is faster)")
    axes.set_ylabel("inertia above the best measured, % (lower is better)")
    if not points:
        return []
    best = min(row.inertia for row, _, _ in points)
    places = [(row.seconds_median, 100 * (row.inertia / best - 1)) for row, _, _ in points]
    seconds = [x for x, _ in places]
    axes.set_xscale("log")
    axes.set_xlim(min(seconds) / 1.6, max(seconds) * 1.9)
    highest = max(y for _, y in places)
    axes.set_ylim(-0.12 * highest - 0.05, 1.12 * highest + 0.05)
    for (row, color, mark), (x, y) in zip(points, places, strict=True):
        size = 260 if row.engine == "ally_fast" else 62
        axes.scatter(x, y, s=size, color=color, marker=mark, zorder=3, lw=0)
    _plain_log(axes)
    axes.grid(alpha=0.25, zorder=0)
    return [(row, color, place) for (row, color, _), place in zip(points, places, strict=True)]


def _label_points(axes: Axes, points: list[Point]) -> None:
    """Label the points so that no label stands on a mark or on another label."""
    if points:
        marks = axes.transData.transform([place for _, _, place in points])
        taken = [Bbox.from_bounds(x - 6, y - 6, 12, 12) for x, y in marks]
        for row, color, place in points:
            _label(axes, row, color, place, taken)


def _label(axes: Axes, row: Row, color: str, place: tuple[float, float], taken: list[Bbox]) -> None:
    """Write a point's name and seconds at the first side where nothing stands yet."""
    text = axes.annotate(
        f"{labels.SHORT[row.engine, row.setting]}\n{format_seconds(place[0])} s",
        place,
        xytext=SIDES[0],
        textcoords="offset points",
        va="center",
        fontsize=8.5,
        fontweight="bold" if row.engine == "ally_fast" else "normal",
        color=color,
    )
    inside = axes.get_window_extent()
    for side in SIDES:
        text.set_position(side)
        text.set_ha("left" if side[0] > 0 else "right" if side[0] < 0 else "center")
        box = text.get_window_extent()
        free = inside.x0 <= box.x0 and box.x1 <= inside.x1 + 20 and box.y0 >= inside.y0
        if free and not any(box.overlaps(other) for other in taken):
            break
    taken.append(box)


def _shapes(axes: Axes, rows: list[Row]) -> None:
    """Place every contestant by its time over ours, one line per shape."""
    axes.set_title("Every pool and k: time over ours")
    shapes = [
        shape
        for shape in shape_rows(rows, "select")
        if one(rows, bench="select", shape=shape.shape, engine="ally_fast", setting="default")
    ]
    for place, shape in enumerate(shapes):
        here = select(rows, bench="select", shape=shape.shape)
        ours = one(here, engine="ally_fast", setting="default")
        points = _styled(here)
        ratios = [row.seconds_median / ours.seconds_median for row, _, _ in points]
        axes.plot([min(ratios), max(ratios)], [place, place], color="#dddddd", lw=1.4, zorder=1)
        for (row, color, mark), ratio in zip(points, ratios, strict=True):
            size, order = (130, 4) if row.engine == "ally_fast" else (40, 3)
            axes.scatter(ratio, place, s=size, color=color, marker=mark, zorder=order, lw=0)
    axes.axvline(1, color=STYLES["ally_fast", "default"][0], lw=1, alpha=0.6, zorder=0)
    axes.set_yticks(range(len(shapes)), [labels.shape(shape) for shape in shapes], fontsize=8.5)
    axes.invert_yaxis()
    axes.set_xscale("log")
    _plain_log(axes, labels.TIMES)
    axes.set_xlabel("seconds / seconds of ally_fast (log)")
    axes.grid(axis="x", alpha=0.25, zorder=0)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)


def _plain_log(axes: Axes, unit: str = "") -> None:
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}{unit}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _legend(figure: plt.Figure) -> None:
    marks = [
        plt.Line2D([], [], color=color, marker=mark, ls="", ms=11 if mark == "*" else 6)
        for color, mark in STYLES.values()
    ]
    names = [labels.SHORT[key] for key in STYLES]
    figure.legend(
        marks,
        names,
        loc="lower center",
        ncol=len(names),
        frameon=False,
        fontsize=8.5,
        bbox_to_anchor=(0.5, 0.072),
        handletextpad=0.2,
        columnspacing=1.3,
    )


def _caption(rows: list[Row]) -> str:
    main = next(iter(main_shape(rows)), None) or max(rows, key=lambda row: row.date)
    hardware = main.hardware
    ours = one(rows, bench="select", engine="ally_fast", setting="default")
    isa = f", ally_fast on {ours.isa}" if ours else ""
    return (
        f"Left: {labels.shape(main)}, b = {main.b:,}, float32. {hardware['cpu']} "
        f"({hardware['family']}), {hardware['cores']} cores, all engines on {main.threads} "
        f"threads{isa}; medians of the quiet repeats, {main.date[:10]}.\n"
        f"Settings of every engine: docs/performance.md. Command: {main.command}"
    )
