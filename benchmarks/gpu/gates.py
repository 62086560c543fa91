"""The GPU gates: what has to hold, as data, and whether the rows of one GPU say it does.

A rate or a time is asked of an H200; on another GPU only ratios, to rivals and ceilings measured on
it, are judged.
"""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.gates import MISSED, REACHED, UNMEASURED, Gate, Verdict, times
from benchmarks.gpu.rates import itemsize
from benchmarks.labels import TIMES
from benchmarks.rows import Row, select

N, D, K = 10_000_000, 128, 1000
SLACK_BYTES = 128 * 2**20  # kernels loaded late, granules of the memory pool
Judge = Callable[[list[Row]], Verdict]
ABSOLUTE_ON = "H200"


def by_gpu(rows: list[Row]) -> dict[str, list[Row]]:
    """Split rows by the GPU they were measured on, which no verdict and no table mixes."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(str(row.hardware.get("gpu")), []).append(row)
    return found


def _absolute(reached: bool, text: str, rows: list[Row]) -> Verdict:
    """Judge a figure that is asked of an H200."""
    gpu = str(rows[0].hardware.get("gpu"))
    if ABSOLUTE_ON not in gpu:
        return Verdict(UNMEASURED, f"{text}, on {gpu}; asked of an {ABSOLUTE_ON}")
    return Verdict(REACHED if reached else MISSED, text)


def fastest(rows: list[Row], **wanted: object) -> Row | None:
    """Return the fastest timed row that matches."""
    found = [row for row in select(rows, **wanted) if row.ok]
    return min(found, key=lambda row: row.seconds_median or 0.0, default=None)


def _assign(rows: list[Row], engine: str, k: int) -> Row | None:
    here = select(rows, bench="gpu_assign", dataset="mixture", n=N, d=D, k=k, dtype="float16")
    if engine == "ally_fast":
        here = [row for row in here if row.options.get("certify")]
    return fastest(here, engine=engine)


def assign_rate(rows: list[Row]) -> Verdict:
    """Judge the rate of certified assignment at both k."""
    found = [row for k in (K, 10 * K) if (row := _assign(rows, "ally_fast", k))]
    if not found:
        return Verdict(UNMEASURED, "no rows")
    told = [
        f"{row.extra['tflops']:.0f} ({row.isa}, k = {row.k}, "
        f"{100 * row.extra.get('of_ceiling', float('nan')):.0f} % of the measured ceiling)"
        for row in found
    ]
    reached = len(found) == 2 and all(row.extra["tflops"] >= 600 for row in found)
    return _absolute(reached, ", ".join(told), found)


def assign_against(rival: str, factor: float) -> Judge:
    """Judge certified assignment against a rival's, at both k."""

    def judge(rows: list[Row]) -> Verdict:
        ratios = []
        for k in (K, 10 * K):
            ours, theirs = _assign(rows, "ally_fast", k), _assign(rows, rival, k)
            if ours and theirs:
                ratios.append((theirs.seconds_median / ours.seconds_median, k))
        if not ratios:
            return Verdict(UNMEASURED, _why(rows, "gpu_assign", rival))
        text = ", ".join(f"{times(ratio)} (k = {k})" for ratio, k in ratios)
        reached = len(ratios) == 2 and all(ratio >= factor for ratio, _ in ratios)
        return Verdict(REACHED if reached else MISSED, text)

    return judge


def _why(rows: list[Row], bench: str, rival: str) -> str:
    """Say what a rival's rows say where none has a time."""
    failed = [row for row in select(rows, bench=bench, engine=rival) if not row.ok and row.reason]
    return f"{rival}: {failed[0].reason[:120]}" if failed else "no rows"


def _selections(rows: list[Row], place: str) -> list[Row]:
    here = select(rows, bench="gpu_select", dataset="mixture", n=N, d=D, k=K)
    return [row for row in here if row.setting.endswith(" host") == (place == "host")]


def select_time(rows: list[Row]) -> Verdict:
    """Judge the time end to end on device rows."""
    ours = fastest(_selections(rows, "device"), engine="ally_fast")
    if ours is None:
        return Verdict(UNMEASURED, "no rows")
    text = f"{1e3 * ours.seconds_median:.1f} ms ({ours.isa}, {ours.dtype})"
    return _absolute(ours.seconds_median <= 0.012, text, [ours])


def select_against_flash(rows: list[Row]) -> Verdict:
    """Judge the time end to end against flash-kmeans at its defaults, same rows."""
    here = _selections(rows, "device")
    races = []
    for dtype in ("float16", "float32"):
        ours = fastest(here, engine="ally_fast", dtype=dtype)
        theirs = fastest(here, engine="flash_kmeans", setting="default", dtype=dtype)
        if ours and theirs:
            races.append((theirs.seconds_median / ours.seconds_median, ours, theirs))
    if not races:
        return Verdict(UNMEASURED, _why(rows, "gpu_select", "flash_kmeans"))
    ratio, ours, theirs = min(races, key=lambda race: race[0])
    text = f"{times(ratio)} ({ours.dtype}"
    if ours.inertia and theirs.inertia:
        text += f", our inertia {100 * (ours.inertia / theirs.inertia - 1):+.2f} %"
    return Verdict(REACHED if ratio >= 30 else MISSED, text + ")")


def host_rows(rows: list[Row]) -> Verdict:
    """Judge the time end to end on host rows against one copy of them."""
    here = [
        row
        for row in select(_selections(rows, "host"), engine="ally_fast")
        if row.ok and "over_one_copy" in row.extra
    ]
    if not here:
        return Verdict(UNMEASURED, "no rows")
    best = {}
    for row in here:
        best[row.dtype] = min(best.get(row.dtype, float("inf")), row.extra["over_one_copy"])
    text = ", ".join(f"{times(ratio)} ({dtype})" for dtype, ratio in best.items())
    return Verdict(REACHED if max(best.values()) <= 1.3 else MISSED, text)


def _dual(rows: list[Row], engine: str, dtype: str) -> Row | None:
    wanted = {"bench": "gpu_ops", "setting": "dual_ascent", "n": 1_000_000, "d": 1000}
    return fastest(rows, engine=engine, dtype=dtype, **wanted)


def dual_bandwidth(rows: list[Row]) -> Verdict:
    """Judge the bandwidth of the fused step, forward."""
    ours = [row for dtype in ("float32", "bfloat16") if (row := _dual(rows, "ally_fast", dtype))]
    shares = [(row.extra["of_ceiling"], row.dtype) for row in ours if "of_ceiling" in row.extra]
    if not shares:
        return Verdict(UNMEASURED, "no rows")
    text = ", ".join(f"{100 * share:.0f} % ({dtype})" for share, dtype in shares)
    return Verdict(REACHED if min(shares)[0] >= 0.85 else MISSED, text)


def dual_against_eager(rows: list[Row]) -> Verdict:
    """Judge the fused step against eager torch, forward."""
    ratios = []
    for dtype in ("float32", "bfloat16"):
        ours, theirs = _dual(rows, "ally_fast", dtype), _dual(rows, "torch_eager", dtype)
        if ours and theirs:
            ratios.append((theirs.seconds_median / ours.seconds_median, dtype))
    if not ratios:
        return Verdict(UNMEASURED, _why(rows, "gpu_ops", "torch_eager"))
    text = ", ".join(f"{times(ratio)} ({dtype})" for ratio, dtype in ratios)
    return Verdict(REACHED if min(ratios)[0] >= 2 else MISSED, text)


def memory_bound(row: Row) -> int:
    """Bound the device memory taken: the rows at their precision, 16 bytes a row, O(k d + b)."""
    fixed = 16 * (row.k * row.d + row.b) + SLACK_BYTES
    return row.n * (row.d * itemsize(row.dtype) + 16) + fixed


def memory(rows: list[Row]) -> Verdict:
    """Judge the device memory of every selection; that of the caller's rows is not ours."""
    shares = [
        (row.extra_bytes / memory_bound(row), row)
        for row in select(rows, bench="gpu_select", engine="ally_fast")
        if row.ok and row.extra_bytes is not None
    ]
    if not shares:
        return Verdict(UNMEASURED, "no rows")
    share, row = max(shares, key=lambda item: item[0])
    text = (
        f"most {share:.2f} of the bound ({row.n}{TIMES}{row.d}, k = {row.k}, {row.dtype}: "
        f"{row.extra_bytes / 1e6:.0f} of {memory_bound(row) / 1e6:.0f} MB)"
    )
    return Verdict(REACHED if share <= 1 else MISSED, text)


ASSIGN = f"`assign`, certified, 10 M {TIMES} 128 float16 rows, k = 1000 and 10,000"
SELECT = f"`select`, 10 M {TIMES} 128, k = 1000"
DUAL = f"`dual_ascent`, 10\N{SUPERSCRIPT SIX} {TIMES} 1000, float32 and bfloat16"
EAGER = f"{DUAL}, against eager torch"
GATES = (
    Gate("gpu assign rate", ASSIGN, "≥ 600 TFLOP/s", assign_rate),
    Gate(
        "gpu assign, flashlib",
        f"{ASSIGN}, against flashlib",
        f"≥ 2{TIMES}",
        assign_against("flashlib", 2),
    ),
    Gate(
        "gpu assign, flash-kmeans",
        f"{ASSIGN}, against flash-kmeans",
        f"≥ 3{TIMES}",
        assign_against("flash_kmeans", 3),
    ),
    Gate("gpu select", f"{SELECT}, device rows", "≤ 12 ms", select_time),
    Gate(
        "gpu select, flash-kmeans",
        f"{SELECT}, against flash-kmeans at its defaults and the best rows in torch",
        f"≥ 30{TIMES}",
        select_against_flash,
    ),
    Gate(
        "gpu host rows",
        f"{SELECT}, host rows, over one pinned copy of them",
        f"≤ 1.3{TIMES}",
        host_rows,
    ),
    Gate("gpu dual_ascent", DUAL, "≥ 85 % of the copy's bandwidth", dual_bandwidth),
    Gate("gpu dual_ascent, eager", EAGER, f"≥ 2{TIMES}", dual_against_eager),
    Gate(
        "gpu memory",
        "device memory of `select` beside the caller's rows, every shape",
        "rows at their precision + 16 bytes a row + 16 (k d + b) bytes + 128 MiB",
        memory,
    ),
)


def judge(rows: list[Row]) -> list[tuple[Gate, Verdict]]:
    """Judge every gate on the rows of one GPU; without rows all are not measured.

    Raises
    ------
    ValueError
        If the rows are of several.
    """
    if len(gpus := by_gpu(rows)) > 1:
        raise ValueError(f"rows: of {', '.join(gpus)}; needs those of one GPU")
    return [(gate, gate.judge(rows)) for gate in GATES]


def told(rows: list[Row]) -> str:
    """Write the verdicts as lines for a terminal, GPU by GPU."""
    lines = []
    for gpu, here in (by_gpu(rows) or {"no GPU": []}).items():
        lines += [f"gates, rows of {gpu}:"]
        lines += [
            f"{gate.name:26} {verdict.verdict:13} {gate.needed}: {verdict.measured}"
            for gate, verdict in judge(here)
        ]
    return "\n".join(lines)
