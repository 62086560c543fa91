"""The figure: time against quality at the main shape, and time over ours at every shape."""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, NullFormatter

from benchmarks import labels, tables
from benchmarks.rows import Row, one, select

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
GREY = "#8a8a8a"


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
        _quality(left, tables.main_shape(rows))
        _shapes(right, rows)
        _legend(figure)
        figure.text(0.012, 0.012, _caption(rows), fontsize=7.5, color="#555555", va="bottom")
        figure.tight_layout(rect=(0, 0.13, 1, 1), w_pad=3)
        figure.savefig(path, dpi=160)
        plt.close(figure)


def _styled(rows: list[Row]) -> list[tuple[Row, str, str]]:
    found = []
    for (engine, setting), (color, mark) in STYLES.items():
        row = one(rows, engine=engine, setting=setting)
        if row is not None:
            found.append((row, color, mark))
    return found


def _quality(axes: Axes, rows: list[Row]) -> None:
    """Place every contestant by seconds and by inertia over the best measured."""
    points = [item for item in _styled(rows) if item[0].inertia]
    axes.set_title("A million sentences: time and quality")
    axes.set_xlabel("seconds, end to end (log)")
    axes.set_ylabel("inertia above the best measured, %")
    if not points:
        return
    best = min(row.inertia for row, _, _ in points)
    for row, color, mark in points:
        x, y = row.seconds_median, 100 * (row.inertia / best - 1)
        ours = row.engine == "ally_fast"
        axes.scatter(x, y, s=260 if ours else 62, color=color, marker=mark, zorder=3, lw=0)
        text = f"{labels.SHORT[row.engine, row.setting]}\n{tables.seconds(x)} s"
        axes.annotate(
            text,
            (x, y),
            xytext=_offset(row),
            textcoords="offset points",
            ha=_side(row),
            va="center",
            fontsize=8.5,
            fontweight="bold" if ours else "normal",
            color=color,
        )
    times = [row.seconds_median for row, _, _ in points]
    axes.set_xscale("log")
    axes.set_xlim(min(times) / 1.7, max(times) * 1.9)
    axes.set_ylim(-0.35, None)
    _plain_log(axes)
    axes.grid(alpha=0.25, zorder=0)


def _offset(row: Row) -> tuple[int, int]:
    """Shift the two labels that would fall on a neighbour's."""
    key = (row.engine, row.setting)
    return {
        ("published_loop", "default"): (9, 11),
        ("sklearn_minibatch", "default"): (-9, 11),
        ("ally_fast", "default"): (13, 0),
        ("sklearn_kmeans", "default"): (-9, 0),
        ("faiss_cpu", "default"): (9, 0),
        ("superkmeans", "flat"): (-9, -9),
    }.get(key, (9, 0))


def _side(row: Row) -> str:
    return "left" if _offset(row)[0] > 0 else "right"


def _shapes(axes: Axes, rows: list[Row]) -> None:
    """Place every contestant by its time over ours, one line per shape."""
    axes.set_title("Every pool and k: time over ours")
    shapes = [
        shape
        for shape in tables.shape_rows(rows, "select")
        if one(rows, bench="select", shape=shape.shape, engine="ally_fast", setting="default")
    ]
    for place, shape in enumerate(shapes):
        here = select(rows, bench="select", shape=shape.shape)
        ours = one(here, engine="ally_fast", setting="default")
        points = _styled(here)
        ratios = [row.seconds_median / ours.seconds_median for row, _, _ in points]
        axes.plot([min(ratios), max(ratios)], [place, place], color="#dddddd", lw=1.4, zorder=1)
        for (row, color, mark), ratio in zip(points, ratios, strict=True):
            size = 130 if row.engine == "ally_fast" else 40
            axes.scatter(ratio, place, s=size, color=color, marker=mark, zorder=3, lw=0)
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
    last = max(rows, key=lambda row: row.date)
    main = next(iter(tables.main_shape(rows)), last)
    hardware = last.hardware
    ours = one(rows, bench="select", engine="ally_fast", setting="default")
    isa = f", ally_fast on {ours.isa}" if ours else ""
    return (
        f"Left: {labels.shape(main)}, b = {main.b:,}, float32. {hardware['cpu']} "
        f"({hardware['family']}), {hardware['cores']} cores, all engines on {last.threads} "
        f"threads{isa}; median of the repeats, {last.date[:10]}.\n"
        f"Settings of every engine: docs/performance.md. Command: {last.command}"
    )
