"""Markdown tables drawn from the rows of one GPU machine; without rows they say so."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks import gates, labels
from benchmarks.labels import TIMES, times
from benchmarks.rows import Row, by_gpu, select
from benchmarks.tables import NOTHING, excess, megabytes, table
from benchmarks.verdicts import fastest

NO_ROWS = "Not measured: no row from a GPU machine is recorded."


def machine(rows: list[Row]) -> str:
    """Say in one paragraph what the rows were measured on."""
    last = max(rows, key=lambda row: row.date)
    hardware, versions = last.hardware, last.versions
    told = ", ".join(f"{name} {version}" for name, version in sorted(versions.items()))
    commit = (last.commit or "none")[:12] + (" with changes" if last.dirty else "")
    return (
        f"{hardware.get('gpu')}, driver {hardware.get('driver')}, CUDA {hardware.get('cuda')}, "
        f"{hardware['cores']} CPU cores; {told}; commit {commit}; {last.date[:10]}; "
        f"`{last.command}`."
    )


def gates_table(rows: list[Row]) -> str:
    """Draw the gates with what was measured."""
    body = [
        [gate.what, gate.needed, verdict.measured, f"**{verdict.verdict}**"]
        for gate, verdict in gates.judge(rows, gpu=True)
    ]
    return table(["gate", "needed", "measured", "verdict"], body, left=4)


def ceilings_table(rows: list[Row]) -> str:
    """Draw what the device can do."""
    body = []
    for row in select(rows, bench="gpu_ceiling"):
        unit = "TFLOP/s" if "matmul" in row.setting else "TB/s"
        told = f"{row.extra['per_second'] / 1e12:.3g} {unit}" if row.ok else row.reason
        body.append([row.setting, told])
    return table(["ceiling", "measured"], body)


def assign_table(rows: list[Row]) -> str:
    """Draw the assign operation, ours certified and not beside the rivals."""
    found = [row for row in select(rows, bench="gpu_assign") if row.ok]
    body = []
    for row in sorted(found, key=lambda r: (r.dataset, r.n, r.d, r.k, r.dtype, r.seconds_median)):
        settled = row.extra.get("settled") if row.options.get("certify") else None
        body.append(
            [
                labels.shape(row),
                row.dtype,
                f"{row.engine} {row.setting}",
                _milliseconds(row),
                f"{row.extra.get('tflops', float('nan')):.0f}",
                _per_cent(row.extra.get("of_ceiling")),
                NOTHING if settled is None else f"{100 * settled / row.n:.2f} %",
                _per_cent(row.extra.get("wrong_labels"), 3),
            ]
        )
    head = ["pool", "rows", "engine", "ms", "TFLOP/s", "of matmul", "settled", "wrong labels"]
    return table(head, body, left=3)


def select_table(rows: list[Row]) -> str:
    """Draw end to end runs with quality and device memory."""
    found = [row for row in select(rows, bench="gpu_select") if row.ok]
    body = []
    for row in sorted(found, key=lambda r: (r.dataset, r.n, r.d, r.k, r.dtype, r.seconds_median)):
        place = row.setting.endswith(" host")
        here = [r for r in found if r.shape == row.shape and r.dtype == row.dtype]
        same = [r for r in here if r.setting.endswith(" host") == place]
        ours = fastest(same, engine="ally_fast")
        ratio = times(row.seconds_median / ours.seconds_median) if ours else NOTHING
        body.append(
            [
                labels.shape(row),
                f"{row.dtype}, {'host' if place else 'device'}",
                f"{row.engine} {row.setting.removesuffix(' host')}",
                _milliseconds(row),
                ratio,
                excess(row, ours),
                megabytes(row.extra_bytes),
                ", ".join(f"{name} {1e3 * v:.1f}" for name, v in row.stages.items() if v > 5e-5),
            ]
        )
    head = [
        "pool",
        "rows",
        "engine",
        "ms",
        "time / ours",
        "inertia / ours",
        "device MB",
        "stages, ms",
    ]
    return table(head, body, left=3)


def ops_table(rows: list[Row]) -> str:
    """Draw the other operations beside torch."""
    found = [row for row in select(rows, bench="gpu_ops") if row.ok]
    body = []
    for row in sorted(found, key=lambda r: (r.setting, r.n, r.d, r.dtype, r.seconds_median)):
        body.append(
            [
                f"`{row.setting.split()[0]}`{row.setting.removeprefix(row.setting.split()[0])}",
                f"{labels.count(row.n)} {TIMES} {row.d} {row.dtype}",
                row.engine,
                _milliseconds(row),
                f"{row.extra.get('gbytes_per_s', float('nan')):.0f}",
                _per_cent(row.extra.get("of_ceiling")),
                f"{row.extra.get('loss_error', float('nan')):.1e}",
            ]
        )
    head = ["operation", "logits", "engine", "ms", "GB/s", "of copy", "error"]
    return table(head, body, left=3)


def missing_table(rows: list[Row]) -> str:
    """List what did not run, with its message."""
    found = [row for row in rows if not row.ok]
    body = [[row.name, row.dtype, row.status, row.reason.replace("|", "/")[:160]] for row in found]
    return table(["row", "rows", "status", "message"], body, left=4)


def _milliseconds(row: Row) -> str:
    return f"{1e3 * (row.seconds_median or 0.0):.3g}"


def _per_cent(share: float | None, digits: int = 0) -> str:
    return NOTHING if share is None else f"{100 * share:.{digits}f} %"


def _by_gpu(draw: Callable[[list[Row]], str]) -> Callable[[list[Row]], str]:
    """Draw once for each GPU."""

    def draw_each(rows: list[Row]) -> str:
        found = by_gpu(rows)
        if len(found) < 2:
            return draw(rows)
        return "\n\n".join(f"{gpu}:\n\n{draw(here)}" for gpu, here in found.items())

    return draw_each


def _or_nothing(draw: Callable[[list[Row]], str]) -> Callable[[list[Row]], str]:
    return lambda rows: _by_gpu(draw)(rows) if rows else NO_ROWS


TABLES = {
    "gpu-machine": _or_nothing(machine),
    "gpu-gates": _by_gpu(gates_table),
    "gpu-ceilings": _or_nothing(ceilings_table),
    "gpu-assign": _or_nothing(assign_table),
    "gpu-select": _or_nothing(select_table),
    "gpu-ops": _or_nothing(ops_table),
    "gpu-missing": _or_nothing(missing_table),
}
