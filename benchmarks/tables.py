"""Markdown tables drawn from the rows of one machine."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from benchmarks import bench_ops, bench_pools, bench_ray, gates, labels
from benchmarks.labels import times
from benchmarks.plan import MAIN, POOLS
from benchmarks.rows import QUIET_CORES, Row, one, select

NOTHING = "\N{EN DASH}"


def table(head: Sequence[str], body: Sequence[Sequence[str]], left: int = 1) -> str:
    """Write a Markdown table; the first ``left`` columns are aligned left, the others right."""
    rule = ["---" if i < left else "---:" for i in range(len(head))]
    return "\n".join("| " + " | ".join(line) + " |" for line in (head, rule, *body))


def seconds(value: float | None) -> str:
    """Write seconds with three digits."""
    if value is None:
        return NOTHING
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


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
    commit = (last.commit or "none")[:12] + (" with changes" if last.dirty else "")
    return (
        f"{hardware['cpu']} (family/model/stepping {hardware['family']}), {hardware['cores']} "
        f"cores, {hardware['memory_bytes'] / 2**30:.0f} GiB, {', '.join(units)}; all engines on "
        f"{last.threads} threads; other work took at most {QUIET_CORES} cores in "
        f"{100 * quiet:.0f} % of the repeats; {packages}; last run {last.date[:10]}, commit "
        f"{commit}: `{last.command}`."
    )


def gates_table(rows: list[Row]) -> str:
    """Draw the gates with what was measured."""
    body = [
        [gate.what, gate.needed, verdict.measured, f"**{verdict.verdict}**"]
        for gate, verdict in gates.judge(rows)
    ]
    return table(["gate", "needed", "measured", "verdict"], body, left=4)


def main_shape(rows: list[Row]) -> list[Row]:
    """Keep the end-to-end rows of the main shape."""
    wanted = (MAIN.dataset, MAIN.n, MAIN.d, MAIN.k, MAIN.b)
    return [row for row in rows if row.bench == "select" and row.shape == wanted]


def select_table(rows: list[Row]) -> str:
    """Draw all contestants at the main shape, fastest first."""
    found = main_shape(rows)
    ours = one(found, engine="ally_fast", setting="default")
    body = []
    for row in sorted((r for r in found if r.ok), key=lambda r: r.seconds_median or 0):
        ratio = times(row.seconds_median / ours.seconds_median) if ours else NOTHING
        clustering = sum(v for key, v in row.stages.items() if key != "batch")
        name = labels.engine(row) + (f" ({row.isa})" if row.isa == ours_isa(row) else "")
        body.append(
            [
                name,
                seconds(row.seconds_median),
                seconds(clustering),
                ratio,
                excess(row, ours),
                f"{row.picks:,}",
                megabytes(row.extra_bytes),
                f"{len(row.quiet_seconds)} of {len(row.seconds)}",
            ]
        )
    left_out = [f"{labels.engine(row)}: {row.reason}" for row in found if not row.ok]
    head = [
        "engine",
        "seconds",
        "k-means + assign",
        "time / ours",
        "inertia / ours",
        "picks",
        "extra peak MB",
        "quiet repeats",
    ]
    note = f"\n\nNot run: {'; '.join(left_out)}." if left_out else ""
    return table(head, body) + note


def ours_isa(row: Row) -> str | None:
    """Tell the instruction set only where the label does not."""
    return row.isa if row.engine == "ally_fast" and row.setting != row.isa else ""


def excess(row: Row, ours: Row | None) -> str:
    """Write a row's inertia over ours in per cent."""
    if ours is None or not row.inertia or not ours.inertia:
        return NOTHING
    return f"{100 * (row.inertia / ours.inertia - 1):+.2f} %"


def megabytes(value: int | None) -> str:
    """Write bytes as 10^6."""
    return NOTHING if value is None else f"{value / 1e6:.0f}"


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
    body = []
    for shape in shape_rows(rows, "select"):
        row = one(rows, bench="select", shape=shape.shape, engine="ally_fast", setting="default")
        if row is None:
            continue
        rate = row.n / row.seconds_median / 1e6
        body.append(
            [
                labels.shape(row),
                *(seconds(row.stages.get(name)) for name in names),
                seconds(row.seconds_median),
                str(row.n_iter),
                f"{row.train_rows:,}",
                f"{rate:.2f}",
                megabytes(row.extra_bytes),
            ]
        )
    head = ["pool", *names, "total", "iterations", "training rows", "10⁶ rows/s", "extra peak MB"]
    return table(head, body)


def assign_table(rows: list[Row]) -> str:
    """Draw the assign operation: every instruction set certified and not, then the peers."""
    body = []
    for shape in shape_rows(rows, "assign"):
        for row in select(rows, bench="assign", shape=shape.shape):
            if not row.ok or row.setting.endswith("uncertified"):
                continue
            plain = one(rows, bench="assign", shape=row.shape, setting=f"{row.isa} uncertified")
            ours = row.engine == "ally_fast"
            ratio = row.seconds_median / plain.seconds_median if ours and plain else None
            uncertain = row.extra.get("uncertain")
            body.append(
                [
                    labels.shape(row),
                    f"ally_fast {row.isa}" if ours else row.engine,
                    seconds(row.seconds_median),
                    seconds(plain.seconds_median) if ours and plain else NOTHING,
                    times(ratio) if ratio else NOTHING,
                    NOTHING if uncertain is None else f"{100 * uncertain / row.n:.2f} %",
                    f"{2e-9 * row.n * row.d * row.k / row.seconds_median:.0f}",
                ]
            )
    head = ["pool", "engine", "seconds", "uncertified", "ratio", "rows settled", "GFLOP/s"]
    return table(head, body, left=2)


def ops_table(rows: list[Row]) -> str:
    """Draw the other native operations beside what others offer for the same job."""
    body = []
    for row in select(rows, bench="ops", engine="ally_fast"):
        if not row.ok or row.setting not in bench_ops.BUILDERS:  # an operation that is gone
            continue
        others = [
            r
            for r in select(rows, bench="ops", setting=row.setting)
            if r.ok and r.shape == row.shape and r is not row
        ]
        for peer in others or [None]:
            body.append(
                [
                    f"`{row.setting}`, {labels.count(row.n)} {labels.TIMES} {row.d}, "
                    f"k = {labels.count(row.k)}",
                    seconds(row.seconds_median),
                    peer.engine if peer else NOTHING,
                    seconds(peer.seconds_median) if peer else NOTHING,
                    times(peer.seconds_median / row.seconds_median) if peer else NOTHING,
                ]
            )
    return table(["operation", "seconds", "peer", "its seconds", "ratio"], body)


def dual_ascent_table(rows: list[Row]) -> str:
    """Draw the primal-dual step: ours, eager torch and `torch.compile`, with their errors."""
    body = []
    for ours in select(rows, bench="dual_ascent", engine="ally_fast"):
        if not ours.ok:
            continue
        others = [
            one(rows, bench="dual_ascent", engine=engine, setting=ours.setting, n=ours.n, d=ours.d,
                dtype=ours.dtype)
            for engine in ("torch_eager", "torch_compile")
        ]  # fmt: skip
        size = 2 if ours.dtype == "bfloat16" else 4
        errors = [
            f"{row.extra['loss_error']:.0e}, {row.extra['gradient_error']:.0e}" if row else NOTHING
            for row in (ours, others[0])
        ]
        body.append(
            [
                f"{ours.setting.replace('_', ' ')}, {labels.count(ours.n)} {labels.TIMES} {ours.d}",
                ours.dtype,
                milliseconds(ours.seconds_median),
                *(
                    f"{milliseconds(row.seconds_median)} · "
                    f"{times(row.seconds_median / ours.seconds_median)}"
                    if row
                    else NOTHING
                    for row in others
                ),
                f"{2e-9 * size * ours.n * ours.d / ours.seconds_median:.1f}",
                *errors,
            ]
        )
    head = [
        "work",
        "outputs",
        "ally_fast, ms",
        "eager torch",
        "`torch.compile`",
        "GB/s",
        "errors: loss, gradient",
        "eager torch's",
    ]
    return table(head, body, left=2) if body else ""


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


def interrupt_table(rows: list[Row]) -> str:
    """Draw the longest wait from Ctrl-C to the end of a selection."""
    body = [
        [
            f"{labels.count(row.n)} {labels.TIMES} {row.d}",
            labels.count(row.k),
            seconds(max(row.seconds)),
        ]
        for row in select(rows, bench="interrupt")
        if row.ok
    ]
    return table(["pool", "clusters", "seconds"], body) if body else ""


def pools_table(rows: list[Row]) -> str:
    """Draw selections from pools on disk beside what bounds them."""
    body = []
    for row in select(rows, bench="pools"):
        if not row.ok or row.setting not in POOL_WAYS:
            continue
        stages = ", ".join(
            f"{stage} {time:.3g}"
            for stage, time in row.stages.items()
            if stage != "total" and time >= 0.1
        )
        body.append(
            [
                POOL_WAYS[row.setting],
                f"{labels.count(row.n)} {labels.TIMES} {row.d}" if row.d else labels.count(row.n),
                seconds(min(row.seconds)),
                stages,
                f"{(row.extra_bytes or 0) / 1e6:,.0f}",
                f"{row.extra.get('bytes_from_disk', 0) / 1e9:.2f}",
            ]
        )
    head = ["way", "pool", "seconds", "stages", "extra peak MB", "GB from disk"]
    return table(head, body, left=1) if body else ""


def ray_table(rows: list[Row]) -> str:
    """Draw selections by tasks of Ray beside one process."""
    body = []
    for row in select(rows, bench="ray"):
        if not row.ok:
            continue
        told = row.extra
        sent = ("bytes_put", "bytes_to_tasks", "bytes_returned")
        body.append(
            [
                bench_ray.WAYS[row.setting],
                f"{labels.count(row.n)} {labels.TIMES} {row.d}",
                seconds(min(row.seconds)),
                seconds(row.stages["assign"]),
                *(f"{told[name] / 1e6:.3g}" if name in told else "" for name in sent),
                str(told.get("tasks", "")),
                f"{(row.extra_bytes or 0) / 1e6:,.0f}",
            ]
        )
    head = ["way", "pool", "seconds", "assign", "MB put", "MB to tasks", "MB back", "tasks"]
    return table([*head, "extra peak MB"], body, left=1) if body else ""


def strategies_table(rows: list[Row]) -> str:
    """Draw one line for each strategy and pool, ours first.

    A rival that sat out says why, unless it was only not at hand.
    """
    found = select(rows, bench="strategies")
    found = [row for row in found if not row.reason.endswith("is not installed")]
    found.sort(key=lambda row: (-row.n, row.d, row.engine))
    body = []
    for row in found:
        told = seconds(row.seconds_median) if row.ok else f"{row.status}: {row.reason}"
        name = row.setting if row.engine == "ally_fast" else f"{row.setting} (scikit-activeml)"
        pool = f"{labels.count(row.n)} {labels.TIMES} {row.d}"
        body.append([pool, name, told, megabytes(row.extra_bytes) if row.ok else ""])
    return table(["pool", "strategy", "seconds", "extra peak MB"], body, left=2) if body else ""


def milliseconds(value: float) -> str:
    """Write seconds as milliseconds with three digits."""
    return f"{1e3 * value:.0f}" if value >= 0.1 else f"{1e3 * value:.3g}"


POOL_WAYS = {
    **bench_pools.WAYS,
    "ids": "join of scores by text ids of 36 characters",
    "groups4096": "k-means, Parquet in row groups of 4096",
    "groups1m": "k-means, Parquet in one row group",
}
TABLES = {
    "machine": machine,
    "gates": gates_table,
    "select": select_table,
    "shapes": shapes_table,
    "stages": stages_table,
    "assign": assign_table,
    "ops": ops_table,
    "dual_ascent": dual_ascent_table,
    "interrupt": interrupt_table,
    "training": training_table,
    "pools": pools_table,
    "ray": ray_table,
    "strategies": strategies_table,
}
