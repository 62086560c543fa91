"""What the rows say about a gate: judges, from rows to a verdict.

Those of GPU rows get the rows of one GPU. A rate or a time is asked of an H200; on another GPU only
ratios, to rivals and ceilings measured on it, are judged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.labels import times
from benchmarks.plan import MAIN
from benchmarks.rows import Row, one, select

REACHED, MISSED, UNMEASURED = "reached", "missed", "not measured"
N, D, K = 10_000_000, 128, 1000  # the main shape on a GPU
ABSOLUTE_ON = "H200"


@dataclass(frozen=True)
class Verdict:
    """What the rows say about a gate.

    Parameters
    ----------
    verdict : str
        "reached", "missed" or "not measured".
    measured : str
        The figures behind it, or why there are none.
    """

    verdict: str
    measured: str


Judge = Callable[[list[Row]], Verdict]


def _verdict(reached: bool, measured: str) -> Verdict:
    return Verdict(REACHED if reached else MISSED, measured)


def _inertia(ours: Row, rival: Row) -> str:
    """Write our inertia beside a rival's, nothing where one is not known."""
    if not ours.inertia or not rival.inertia:
        return ""
    return f", our inertia {100 * (ours.inertia / rival.inertia - 1):+.2f} %"


def memory_bound(row: Row, slack_bytes: int) -> int:
    """Bound the extra memory: the rows at their precision, 16 bytes a row, O(k d + b).

    The last term is taken as 16 (k d + b) bytes, plus the slack.
    """
    rows = row.n * (row.d * row.itemsize + 16)
    return rows + 16 * (row.k * row.d + row.b) + slack_bytes


def memory(bench: str, slack_bytes: int, told: Callable[[Row], str]) -> Judge:
    """Judge our peak extra memory at every shape.

    Parameters
    ----------
    bench : str
    slack_bytes : int
        What stacks, arenas, granules and kernels loaded late may take.
    told : callable
        Names the shape of a row.
    """

    def judge(rows: list[Row]) -> Verdict:
        shares = [
            (row.extra_bytes / memory_bound(row, slack_bytes), row)
            for row in select(rows, bench=bench, engine="ally_fast")
            if row.ok
            and row.extra_bytes is not None
            and (row.on_gpu or (row.peak_exact and row.setting == "default"))
        ]
        if not shares:
            return Verdict(UNMEASURED, "no rows")
        share, row = max(shares, key=lambda item: item[0])
        bound = memory_bound(row, slack_bytes) / 1e6
        text = f"{told(row)}: {row.extra_bytes / 1e6:.0f} of {bound:.0f} MB"
        return _verdict(share <= 1, f"most {share:.2f} of the bound ({text})")

    return judge


def _main(rows: Iterable[Row]) -> list[Row]:
    wanted = (MAIN.dataset, MAIN.n, MAIN.d, MAIN.k, MAIN.b)
    return [row for row in rows if row.bench == "select" and row.shape == wanted and row.ok]


def _ours(rows: Iterable[Row], isa: str | None) -> Row | None:
    """Find our row at the main shape: the default one, or the one that ran on ``isa``."""
    found = select(_main(rows), engine="ally_fast")
    if isa is None:
        return one(found, setting="default")
    return one(found, setting="default", isa=isa) or one(found, setting=isa)


def faster(
    engine: str, setting: str, factor: float, isa: str | None, worse: float | None = None
) -> Judge:
    """Judge the time of one rival over ours at the main shape.

    Parameters
    ----------
    engine, setting : str
        The rival.
    factor : float
        How many times faster we have to be; 1 means faster at all.
    isa : str, optional
        Our instruction set; None takes the best of the machine.
    worse : float, optional
        Our inertia may be at most this many times the rival's.
    """

    def judge(rows: list[Row]) -> Verdict:
        ours, rival = _ours(rows, isa), one(_main(rows), engine=engine, setting=setting)
        if ours is None:
            return Verdict(UNMEASURED, _why_missing(rows, isa))
        if rival is None:
            return Verdict(UNMEASURED, "no row of the rival")
        ratio = rival.seconds_median / ours.seconds_median
        text = f"{times(ratio)} ({ours.seconds_median:.3g} s, {rival.seconds_median:.3g} s)"
        reached = ratio >= factor if factor > 1 else ratio > 1
        if ours.inertia and rival.inertia:
            reached = reached and (worse is None or ours.inertia / rival.inertia <= worse)
        return _verdict(reached, text + _inertia(ours, rival))

    return judge


def _why_missing(rows: list[Row], isa: str | None) -> str:
    flags = {flag for row in rows for flag in row.hardware.get("flags", [])}
    if isa == "amx" and rows and "amx_bf16" not in flags:
        return "no AMX on this machine"
    if isa == "avx512" and rows and "avx512f" not in flags:
        return "no AVX-512 on this machine"
    return "no row of ours"


def no_shape_slower(rows: list[Row]) -> Verdict:
    """Judge every shape against the fastest rival there, whatever its quality.

    The figures also name the closest race with a rival whose inertia is at most 1 % above ours.
    """
    everyone, peers = [], []
    for ours in select(rows, bench="select", engine="ally_fast", setting="default"):
        here = select(rows, bench="select", shape=ours.shape)
        for rival in here if ours.ok else []:
            if rival.ok and rival.engine != "ally_fast":
                race = (rival.seconds_median / ours.seconds_median, ours, rival)
                everyone.append(race)
                if rival.inertia and ours.inertia and rival.inertia <= 1.01 * ours.inertia:
                    peers.append(race)
    if not everyone:
        return Verdict(UNMEASURED, "no shape with a rival")
    shapes = {ours.shape for _, ours, _ in everyone}
    slower = {ours.shape for ratio, ours, _ in everyone if ratio < 1}
    text = f"faster than all on {len(shapes) - len(slower)} of {len(shapes)}; {_closest(everyone)}"
    if peers:
        text += f"; at no worse quality {_closest(peers)}"
    return _verdict(not slower, text)


def _closest(races: list[tuple[float, Row, Row]]) -> str:
    ratio, ours, rival = min(races, key=lambda race: race[0])
    return f"least {times(ratio)} ({ours.dataset}, k = {ours.k}, {rival.engine} {rival.setting})"


def certified(limit: float, duplicates: bool) -> Judge:
    """Judge the cost of certifying the assignment, on the best instruction set.

    Parameters
    ----------
    limit : float
        Largest time over the uncertified time.
    duplicates : bool
        The pool of near-duplicates, or all the others.
    """

    def judge(rows: list[Row]) -> Verdict:
        ratios = []
        for row in select(rows, bench="assign", engine="ally_fast"):
            wanted = row.ok and row.setting.endswith(" certified") and row.isa == _best_isa(rows)
            if not wanted or (row.dataset == "kdd") != duplicates:
                continue
            plain = one(rows, bench="assign", shape=row.shape, setting=f"{row.isa} uncertified")
            if plain is not None:
                ratios.append((row.seconds_median / plain.seconds_median, row))
        if not ratios:
            return Verdict(UNMEASURED, "no rows")
        ratio, row = max(ratios, key=lambda item: item[0])
        share = 100 * row.extra.get("uncertain", 0) / row.n
        text = f"most {times(ratio)} ({row.dataset}, k = {row.k}, {row.isa}, {share:.1f} % settled)"
        return _verdict(ratio <= limit, text)

    return judge


def _best_isa(rows: list[Row]) -> str | None:
    """Return the instruction set the default ran on."""
    ours = [row for row in rows if row.bench == "select" and row.engine == "ally_fast" and row.ok]
    found = one(ours, setting="default") or one(rows, bench="assign", engine="ally_fast")
    return found.isa if found else None


def _absolute(reached: bool, text: str, rows: list[Row]) -> Verdict:
    """Judge a figure that is asked of an H200."""
    gpu = str(rows[0].hardware.get("gpu"))
    if ABSOLUTE_ON not in gpu:
        return Verdict(UNMEASURED, f"{text}, on {gpu}; asked of an {ABSOLUTE_ON}")
    return _verdict(reached, text)


def fastest(rows: list[Row], **wanted: object) -> Row | None:
    """Return the fastest timed row that matches."""
    found = [row for row in select(rows, **wanted) if row.ok]
    return min(found, key=lambda row: row.seconds_median or 0.0, default=None)


Find = Callable[[list[Row], str, Any], Row | None]  # rows, engine, case


def gpu_assign(rows: list[Row], engine: str, k: int) -> Row | None:
    """Find an assignment at the main shape, ours certified."""
    here = select(rows, bench="gpu_assign", dataset="mixture", n=N, d=D, k=k, dtype="float16")
    if engine == "ally_fast":
        here = [row for row in here if row.options.get("certify")]
    return fastest(here, engine=engine)


def gpu_select(rows: list[Row], engine: str, dtype: str) -> Row | None:
    """Find a selection of device rows at the main shape, a rival's at its defaults."""
    wanted = {} if engine == "ally_fast" else {"setting": "default"}
    return fastest(_selections(rows, "device"), engine=engine, dtype=dtype, **wanted)


def gpu_dual(rows: list[Row], engine: str, dtype: str) -> Row | None:
    """Find a primal-dual step, forward."""
    wanted = {"bench": "gpu_ops", "setting": "dual_ascent", "n": 1_000_000, "d": 1000}
    return fastest(rows, engine=engine, dtype=dtype, **wanted)


def _selections(rows: list[Row], place: str) -> list[Row]:
    here = select(rows, bench="gpu_select", dataset="mixture", n=N, d=D, k=K)
    return [row for row in here if row.setting.endswith(" host") == (place == "host")]


def against(
    find: Find, rival: str, cases: Sequence[Any], factor: float, *, every: bool = True
) -> Judge:
    """Judge how many times our time a rival takes, case by case.

    Parameters
    ----------
    find : callable
        From rows, engine and case to the row.
    rival : str
    cases : sequence
        Numbers of clusters, or element types.
    factor : float
        How many times faster we have to be.
    every : bool
        Whether all cases have to be there.
    """

    def judge(rows: list[Row]) -> Verdict:
        found = []
        for case in cases:
            ours, theirs = find(rows, "ally_fast", case), find(rows, rival, case)
            if ours and theirs:
                ratio = theirs.seconds_median / ours.seconds_median
                name = case if isinstance(case, str) else f"k = {case}"
                found.append((ratio, f"{times(ratio)} ({name}{_inertia(ours, theirs)})"))
        if not found:
            failed = [row for row in select(rows, engine=rival) if not row.ok and row.reason]
            why = f"{rival}: {failed[0].reason[:120]}" if failed else "no rows"
            return Verdict(UNMEASURED, why)
        enough = len(found) == len(cases) or not every
        reached = enough and min(ratio for ratio, _ in found) >= factor
        return _verdict(reached, ", ".join(text for _, text in found))

    return judge


def assign_rate(rows: list[Row]) -> Verdict:
    """Judge the rate of certified assignment at both k."""
    found = [row for k in (K, 10 * K) if (row := gpu_assign(rows, "ally_fast", k))]
    if not found:
        return Verdict(UNMEASURED, "no rows")
    told = [
        f"{row.extra['tflops']:.0f} ({row.isa}, k = {row.k}, "
        f"{100 * row.extra.get('of_ceiling', float('nan')):.0f} % of the measured ceiling)"
        for row in found
    ]
    reached = len(found) == 2 and all(row.extra["tflops"] >= 600 for row in found)
    return _absolute(reached, ", ".join(told), found)


def select_time(rows: list[Row]) -> Verdict:
    """Judge the time end to end on device rows."""
    ours = fastest(_selections(rows, "device"), engine="ally_fast")
    if ours is None:
        return Verdict(UNMEASURED, "no rows")
    text = f"{1e3 * ours.seconds_median:.1f} ms ({ours.isa}, {ours.dtype})"
    return _absolute(ours.seconds_median <= 0.012, text, [ours])


def host_rows(rows: list[Row]) -> Verdict:
    """Judge the time end to end on host rows against one copy of them."""
    best: dict[str, float] = {}
    for row in select(_selections(rows, "host"), engine="ally_fast"):
        if row.ok and "over_one_copy" in row.extra:
            best[row.dtype] = min(best.get(row.dtype, float("inf")), row.extra["over_one_copy"])
    if not best:
        return Verdict(UNMEASURED, "no rows")
    text = ", ".join(f"{times(ratio)} ({dtype})" for dtype, ratio in best.items())
    return _verdict(max(best.values()) <= 1.3, text)


def dual_bandwidth(rows: list[Row]) -> Verdict:
    """Judge the bandwidth of the fused step, forward."""
    ours = [gpu_dual(rows, "ally_fast", dtype) for dtype in ("float32", "bfloat16")]
    shares = {r.dtype: r.extra["of_ceiling"] for r in ours if r and "of_ceiling" in r.extra}
    if not shares:
        return Verdict(UNMEASURED, "no rows")
    text = ", ".join(f"{100 * share:.0f} % ({dtype})" for dtype, share in shares.items())
    return _verdict(min(shares.values()) >= 0.85, text)
