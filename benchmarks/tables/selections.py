"""Tables of selections: the machine, the main shape, every shape, stages, training."""

from __future__ import annotations

import statistics

from benchmarks import labels
from benchmarks.labels import times
from benchmarks.plan import MAIN, POOLS
from benchmarks.rows import QUIET_CORES, Row, one, select
from benchmarks.tables.markdown import NOTHING, commit, drawn, excess, megabytes, seconds, table

OWN_PASSES = ("before", "sklearn_minibatch")  # an iteration of theirs is not a pass

TRAINERS = {
    "ally_fast": "ally_fast",
    "before": "ally_fast before",
    "e_means:3 epochs": "e-means in NumPy",
    "superkmeans:default": "SuperKMeans",
    "superkmeans:flat": "SuperKMeans flat",
    "faiss_cpu:recipe": "FAISS, 10 it.",
    "faiss_cpu:default": "FAISS, 25 it.",
    "sklearn_kmeans:recipe": "scikit-learn, 10 it.",
    "sklearn_minibatch:default": "its mini-batches",
}


def machine(rows: list[Row]) -> str:
    """Say in one paragraph what the rows were measured on, with what and how."""
    last = max(rows, key=lambda row: row.date)
    hardware = last.hardware
    # The latest version of each: not every run has every rival at hand.
    versions = {k: v for row in sorted(rows, key=lambda r: r.date) for k, v in row.versions.items()}
    vector = {"amx_bf16": "AMX", "avx512_bf16": "AVX-512 bf16", "avx512f": "AVX-512"}
    units = [name for flag, name in vector.items() if flag in hardware["flags"]] or ["no AVX-512"]
    packages = ", ".join(
        f"{name} {versions[name]}"
        for name in ("numpy", "scikit-learn", "faiss-cpu", "superkmeans", "python")
        if name in versions
    )
    taken = [cores for row in rows for cores in row.other_cores if cores is not None]
    quiet = sum(cores <= QUIET_CORES for cores in taken) / max(len(taken), 1)
    return (
        f"{hardware['cpu']} (family/model/stepping {hardware['family']}), {hardware['cores']} "
        f"cores, {hardware['memory_bytes'] / 2**30:.0f} GiB, {', '.join(units)}; all engines on "
        f"{last.threads} threads; other work took at most {QUIET_CORES} cores in "
        f"{100 * quiet:.0f} % of the repeats; {packages}; last run {last.date[:10]}, commit "
        f"{commit(last)}: `{last.command}`."
    )


def main_shape(rows: list[Row]) -> list[Row]:
    """Keep the end-to-end rows of the main shape."""
    wanted = (MAIN.dataset, MAIN.n, MAIN.d, MAIN.k, MAIN.b)
    return [row for row in rows if row.bench == "select" and row.shape == wanted]


def select_table(rows: list[Row]) -> str:
    """Draw all contestants at the main shape, fastest first."""
    found = main_shape(rows)
    ours = one(found, engine="ally_fast", setting="default")

    def ratio(row: Row) -> str:
        return times(row.seconds_median / ours.seconds_median) if ours else NOTHING

    columns = {
        "engine": _name,
        "seconds": lambda row: seconds(row.seconds_median),
        "k-means + assign": lambda row: seconds(
            sum(v for key, v in row.stages.items() if key != "batch")
        ),
        "time / ours": ratio,
        "inertia / ours": lambda row: excess(row, ours),
        "picks": lambda row: f"{row.picks:,}",
        "extra peak MB": lambda row: megabytes(row.extra_bytes),
        "quiet repeats": lambda row: f"{len(row.quiet_seconds)} of {len(row.seconds)}",
    }
    timed = sorted(select(found, ok=True), key=lambda row: row.seconds_median or 0)
    left_out = [f"{labels.engine(row)}: {row.reason}" for row in found if not row.ok]
    note = f"\n\nNot run: {'; '.join(left_out)}." if left_out else ""
    return drawn(timed, columns) + note


def brief_table(rows: list[Row]) -> str:
    """Draw engines in their usual settings at the main shape, and say what they ran on."""
    usual = [
        row for row in main_shape(rows) if row.ok and (row.engine, row.setting) in labels.SHORT
    ]
    if not usual:
        return ""
    ours = one(usual, engine="ally_fast", setting="default")
    columns = {
        "engine": lambda row: (
            "**ally_fast**" if row is ours else labels.SHORT[row.engine, row.setting]
        ),
        "seconds": lambda row: seconds(row.seconds_median),
        "inertia / ours": lambda row: excess(row, ours),
        "picks": lambda row: f"{row.picks:,}",
    }
    last, dates = usual[-1], sorted(row.date[:10] for row in usual)
    where = (
        f"{last.hardware['cpu']}, {last.hardware['cores']} cores, {last.threads} threads for each "
        f"engine, ally_fast on {ours.isa if ours else NOTHING}; "
        f"{' to '.join(dict.fromkeys((dates[0], dates[-1])))}."
    )
    usual.sort(key=lambda row: row.seconds_median or 0)
    return f"{drawn(usual, columns)}\n\n{where}"


def _name(row: Row) -> str:
    """Name the engine, with the instruction set only where the label does not tell it."""
    ours = row.engine == "ally_fast" and row.setting != row.isa
    return labels.engine(row) + (f" ({row.isa})" if ours else "")


def shape_rows(rows: list[Row], bench: str) -> list[Row]:
    """Keep one row per shape, in the order of the pools and then k."""
    pools = list(POOLS)
    seen = {row.shape: row for row in rows if row.bench == bench and row.ok}
    return sorted(seen.values(), key=lambda r: (pools.index(r.dataset), r.n, r.k))


def shapes_table(rows: list[Row]) -> str:
    """Draw every shape: our seconds, then each rival's seconds, ratio and inertia over ours."""
    columns = [key for key in labels.SHORT if key != ("published_loop", "default")]
    body = []
    for shape in shape_rows(rows, "select"):
        here = select(rows, bench="select", shape=shape.shape)
        ours = one(here, engine="ally_fast", setting="default")
        line = [labels.shape(shape)]
        for engine, setting in columns:
            row = one(here, engine=engine, setting=setting)
            line.append(_cell(row, ours))
        body.append(line)
    return table(["pool", *(labels.SHORT[key] for key in columns)], body)


def _cell(row: Row | None, ours: Row | None) -> str:
    if row is None:
        return NOTHING
    if row is ours or ours is None:
        return f"{seconds(row.seconds_median)} s"
    ratio = times(row.seconds_median / ours.seconds_median)
    return f"{seconds(row.seconds_median)} s · {ratio} · {excess(row, ours)}"


def stages_table(rows: list[Row]) -> str:
    """Draw the stages of our own runs, with the rate and the extra memory."""
    names = ("check", "radius", "sample", "train", "assign", "batch")
    ours = {"bench": "select", "engine": "ally_fast", "setting": "default"}
    found = [one(rows, shape=row.shape, **ours) for row in shape_rows(rows, "select")]
    columns = {
        "pool": labels.shape,
        **{name: lambda row, name=name: seconds(row.stages.get(name)) for name in names},
        "total": lambda row: seconds(row.seconds_median),
        "iterations": lambda row: str(row.n_iter),
        "training rows": lambda row: f"{row.train_rows:,}",
        "10⁶ rows/s": lambda row: f"{row.n / row.seconds_median / 1e6:.2f}",
        "extra peak MB": lambda row: megabytes(row.extra_bytes),
    }
    return drawn([row for row in found if row], columns)


def training_table(rows: list[Row]) -> str:
    """Draw seconds of `select`, whole-pool inertia relative to ours, and passes of training.

    Means over the seeds. A pass is as many rows assigned as the pool has.
    """
    found = [row for row in select(rows, bench="training") if row.ok and row.inertia is not None]
    body = []
    for shape in dict.fromkeys(row.shape for row in found):
        here = [row for row in found if row.shape == shape]
        engines: dict[str, list[Row]] = {}
        for row in here:
            seeded = row.setting.startswith("seed")
            name = row.engine if seeded else f"{row.engine}:{row.setting}"
            engines.setdefault(name, []).append(row)
        if "ally_fast" not in engines:
            continue
        base = statistics.mean(row.inertia for row in engines["ally_fast"])
        cells = []
        for name in TRAINERS:
            rows_of = engines.get(name)
            if not rows_of:
                cells.append(NOTHING)
                continue
            taken = statistics.mean(row.seconds_median for row in rows_of)
            inertia = statistics.mean(row.inertia for row in rows_of)
            excess = "" if name == "ally_fast" else f" · {100 * (inertia / base - 1):+.2f} %"
            cells.append(f"{seconds(taken)}{excess}{_passes(rows_of)}")
        body.append([labels.shape(here[0]), *cells])
    return table(["pool", *TRAINERS.values()], body) if body else ""


def _passes(rows: list[Row]) -> str:
    """Write how often training assigned a row of the pool; nothing where an engine hides it."""
    assigned = [
        row.extra.get("rows_assigned_in_training")
        or (row.n_iter or 0) * (row.train_rows or 0) * (row.engine not in OWN_PASSES)
        for row in rows
    ]
    if not all(assigned):
        return ""
    return f" · {statistics.mean(assigned) / rows[0].n:.2g}"
