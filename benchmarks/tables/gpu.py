"""Tables of one GPU; without rows they say so."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks import labels, rows
from benchmarks.labels import times
from benchmarks.rows import Row, select
from benchmarks.tables.markdown import (
    NOTHING,
    commit,
    drawn,
    excess,
    megabytes,
    milliseconds,
    per_cent,
)
from benchmarks.verdicts import fastest

NO_ROWS = "Not measured: no row from a GPU machine is recorded."


def by_gpu(
    draw: Callable[[list[Row]], str], *, without_rows: bool = False
) -> Callable[[list[Row]], str]:
    """Draw once for each GPU, without rows only what says something then."""

    def draw_each(found: list[Row]) -> str:
        if not found and not without_rows:
            return NO_ROWS
        parts = rows.by_gpu(found)
        if len(parts) < 2:
            return draw(found) or "None."
        return "\n\n".join(f"{gpu}:\n\n{draw(here) or 'None.'}" for gpu, here in parts.items())

    return draw_each


def machine(rows: list[Row]) -> str:
    """Say in one paragraph what the rows were measured on."""
    last = max(rows, key=lambda row: row.date)
    hardware, versions = last.hardware, last.versions
    told = ", ".join(f"{name} {version}" for name, version in sorted(versions.items()))
    return (
        f"{hardware.get('gpu')}, driver {hardware.get('driver')}, CUDA {hardware.get('cuda')}, "
        f"{hardware['cores']} CPU cores; {told}; commit {commit(last)}; {last.date[:10]}; "
        f"`{last.command}`."
    )


def ceilings_table(rows: list[Row]) -> str:
    """Draw what the device can do."""

    def rate(row: Row) -> str:
        unit = "TFLOP/s" if "matmul" in row.setting else "TB/s"
        return f"{row.extra['per_second'] / 1e12:.3g} {unit}" if row.ok else row.reason

    columns = {"ceiling": lambda row: row.setting, "measured": rate}
    return drawn(select(rows, bench="gpu_ceiling"), columns)


def assign_table(rows: list[Row]) -> str:
    """Draw the assign operation, ours certified and not beside the rivals."""

    def settled(row: Row) -> str:
        found = row.extra.get("settled") if row.options.get("certify") else None
        return per_cent(None if found is None else found / row.n, 2)

    columns = {
        "pool": labels.shape,
        "rows": lambda row: row.dtype,
        "engine": lambda row: f"{row.engine} {row.setting}",
        "ms": _milliseconds,
        "TFLOP/s": lambda row: f"{row.extra.get('tflops', float('nan')):.0f}",
        "of matmul": _of_ceiling,
        "settled": settled,
        "wrong labels": lambda row: per_cent(row.extra.get("wrong_labels"), 3),
    }
    return drawn(_timed(rows, "gpu_assign"), columns, left=3)


def select_table(rows: list[Row]) -> str:
    """Draw end to end runs with quality and device memory."""
    found = _timed(rows, "gpu_select")

    def place(row: Row) -> str:
        return "host" if row.setting.endswith(" host") else "device"

    def ours(row: Row) -> Row | None:
        here = select(found, shape=row.shape, dtype=row.dtype, engine="ally_fast")
        return fastest([other for other in here if place(other) == place(row)])

    def ratio(row: Row) -> str:
        base = ours(row)
        return times(row.seconds_median / base.seconds_median) if base else NOTHING

    def stages(row: Row) -> str:
        return ", ".join(f"{name} {1e3 * v:.1f}" for name, v in row.stages.items() if v > 5e-5)

    columns = {
        "pool": labels.shape,
        "rows": lambda row: f"{row.dtype}, {place(row)}",
        "engine": lambda row: f"{row.engine} {row.setting.removesuffix(' host')}",
        "ms": _milliseconds,
        "time / ours": ratio,
        "inertia / ours": lambda row: excess(row, ours(row)),
        "device MB": lambda row: megabytes(row.extra_bytes),
        "stages, ms": stages,
    }
    return drawn(found, columns, left=3)


def ops_table(rows: list[Row]) -> str:
    """Draw the other operations beside torch."""

    def operation(row: Row) -> str:
        name, _, more = row.setting.partition(" ")
        return f"`{name}` {more}".rstrip()

    columns = {
        "operation": operation,
        "logits": lambda row: f"{labels.size(row)} {row.dtype}",
        "engine": lambda row: row.engine,
        "ms": _milliseconds,
        "GB/s": lambda row: f"{row.extra.get('gbytes_per_s', float('nan')):.0f}",
        "of copy": _of_ceiling,
        "error": lambda row: f"{row.extra.get('loss_error', float('nan')):.1e}",
    }
    found = sorted(_timed(rows, "gpu_ops"), key=lambda row: row.setting)
    return drawn(found, columns, left=3)


def missing_table(rows: list[Row]) -> str:
    """List what did not run, with its message."""
    columns = {
        "row": lambda row: row.name,
        "rows": lambda row: row.dtype,
        "status": lambda row: row.status,
        "message": lambda row: row.reason.replace("|", "/")[:160],
    }
    return drawn(select(rows, ok=False), columns, left=4)


def _timed(rows: list[Row], bench: str) -> list[Row]:
    """Return the rows that have a time, by shape and then the fastest first."""
    found = select(rows, bench=bench, ok=True)
    return sorted(found, key=lambda row: (*row.shape, row.dtype, row.seconds_median))


def _milliseconds(row: Row) -> str:
    return milliseconds(row.seconds_median or 0.0)


def _of_ceiling(row: Row) -> str:
    return per_cent(row.extra.get("of_ceiling"))
