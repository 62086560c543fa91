"""Tables of whole runs: interruptions, pools on disk, Ray, strategies."""

from __future__ import annotations

from benchmarks import bench_pools, bench_ray, labels
from benchmarks.rows import Row, select
from benchmarks.tables.markdown import drawn, megabytes, seconds

POOL_WAYS = {
    **bench_pools.WAYS,
    "ids": "join of scores by text ids of 36 characters",
    "groups4096": "k-means, Parquet in row groups of 4096",
    "groups1m": "k-means, Parquet in one row group",
}


def interrupt_table(rows: list[Row]) -> str:
    """Draw the longest wait from Ctrl-C to the end of a selection."""
    columns = {
        "pool": labels.size,
        "clusters": lambda row: labels.count(row.k),
        "seconds": lambda row: seconds(max(row.seconds)),
    }
    return drawn([row for row in select(rows, bench="interrupt") if row.ok], columns)


def pools_table(rows: list[Row]) -> str:
    """Draw selections from pools on disk beside what bounds them."""
    columns = {
        "way": lambda row: POOL_WAYS[row.setting],
        "pool": labels.size,
        "seconds": _least,
        "stages": _stages,
        "extra peak MB": _peak,
        "GB from disk": lambda row: f"{row.extra.get('bytes_from_disk', 0) / 1e9:.2f}",
    }
    found = select(rows, bench="pools")
    return drawn([row for row in found if row.ok and row.setting in POOL_WAYS], columns)


def _least(row: Row) -> str:
    return seconds(min(row.seconds))


def _peak(row: Row) -> str:
    return f"{(row.extra_bytes or 0) / 1e6:,.0f}"


def _stages(row: Row) -> str:
    """Name the stages that took a tenth of a second."""
    told = {stage: time for stage, time in row.stages.items() if stage != "total" and time >= 0.1}
    return ", ".join(f"{stage} {time:.3g}" for stage, time in told.items())


def ray_table(rows: list[Row]) -> str:
    """Draw selections by tasks of Ray beside one process."""

    def sent(row: Row, name: str) -> str:
        return f"{row.extra[name] / 1e6:.3g}" if name in row.extra else ""

    columns = {
        "way": lambda row: bench_ray.WAYS[row.setting],
        "pool": labels.size,
        "seconds": _least,
        "assign": lambda row: seconds(row.stages["assign"]),
        "MB put": lambda row: sent(row, "bytes_put"),
        "MB to tasks": lambda row: sent(row, "bytes_to_tasks"),
        "MB back": lambda row: sent(row, "bytes_returned"),
        "tasks": lambda row: str(row.extra.get("tasks", "")),
        "extra peak MB": _peak,
    }
    return drawn([row for row in select(rows, bench="ray") if row.ok], columns)


def strategies_table(rows: list[Row]) -> str:
    """Draw one line for each strategy and pool, ours first.

    A rival that sat out says why, unless it was only not at hand.
    """
    found = select(rows, bench="strategies")
    found = [row for row in found if not row.reason.endswith("is not installed")]
    found.sort(key=lambda row: (-row.n, row.d, row.engine))

    def strategy(row: Row) -> str:
        return row.setting if row.engine == "ally_fast" else f"{row.setting} (scikit-activeml)"

    columns = {
        "pool": labels.size,
        "strategy": strategy,
        "seconds": lambda row: (
            seconds(row.seconds_median) if row.ok else f"{row.status}: {row.reason}"
        ),
        "extra peak MB": lambda row: megabytes(row.extra_bytes) if row.ok else "",
    }
    return drawn(found, columns, left=2)
