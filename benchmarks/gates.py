"""The CPU gates: what has to hold, as data, and whether the rows say it does."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from benchmarks.labels import TIMES
from benchmarks.plan import MAIN
from benchmarks.rows import Row, one, select

REACHED, MISSED, UNMEASURED = "reached", "missed", "not measured"
FLOAT32_BYTES = 4  # training rows are held in float32, the precision of these pools
SLACK_BYTES = 32 * 2**20  # thread stacks, allocator arenas


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


@dataclass(frozen=True)
class Gate:
    """A condition on the rows of one machine.

    Parameters
    ----------
    name : str
        Short name.
    what : str
        What is compared, in words.
    needed : str
        The threshold, in words.
    judge : callable
        From the rows to a verdict.
    """

    name: str
    what: str
    needed: str
    judge: Callable[[list[Row]], Verdict]


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
) -> Callable[[list[Row]], Verdict]:
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
            excess = ours.inertia / rival.inertia
            text += f", our inertia {100 * (excess - 1):+.2f} %"
            reached = reached and (worse is None or excess <= worse)
        return Verdict(REACHED if reached else MISSED, text)

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
    return Verdict(MISSED if slower else REACHED, text)


def _closest(races: list[tuple[float, Row, Row]]) -> str:
    ratio, ours, rival = min(races, key=lambda race: race[0])
    return f"least {times(ratio)} ({ours.dataset}, k = {ours.k}, {rival.engine} {rival.setting})"


def certified(limit: float, duplicates: bool) -> Callable[[list[Row]], Verdict]:
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
        return Verdict(REACHED if ratio <= limit else MISSED, text)

    return judge


def _best_isa(rows: list[Row]) -> str | None:
    """Return the instruction set the default ran on."""
    ours = [row for row in rows if row.bench == "select" and row.engine == "ally_fast" and row.ok]
    found = one(ours, setting="default") or one(rows, bench="assign", engine="ally_fast")
    return found.isa if found else None


def memory_bound(row: Row) -> int:
    """Bound the extra memory: float32 rows, 16 bytes a row, O(k d + b).

    The last term is taken as 16 (k d + b) bytes, plus 32 MiB for stacks and arenas.
    """
    return row.n * (row.d * FLOAT32_BYTES + 16) + 16 * (row.k * row.d + row.b) + SLACK_BYTES


def memory(rows: list[Row]) -> Verdict:
    """Judge our peak extra memory at every shape."""
    shares = [
        (row.extra_bytes / memory_bound(row), row)
        for row in select(rows, bench="select", engine="ally_fast", setting="default")
        if row.ok and row.extra_bytes is not None and row.peak_exact
    ]
    if not shares:
        return Verdict(UNMEASURED, "no rows")
    share, row = max(shares, key=lambda item: item[0])
    text = (
        f"most {share:.2f} of the bound ({row.dataset}, k = {row.k}: "
        f"{row.extra_bytes / 1e6:.0f} of {memory_bound(row) / 1e6:.0f} MB)"
    )
    return Verdict(REACHED if share <= 1 else MISSED, text)


def times(ratio: float) -> str:
    """Write a ratio with the digits it deserves."""
    digits = 0 if ratio >= 20 else 1 if ratio >= 2 else 2
    return f"{ratio:.{digits}f}{TIMES}"


SKLEARN = "`select` against scikit-learn `KMeans` + NumPy, inertia within 1 %"
LOOP = "`select` against `MiniBatchKMeans` + the published loop, at lower inertia"
FAISS = "`select` against faiss-cpu, 10 iterations on 256 rows per centroid"
SUPER = "`select` against SuperKMeans at its default"

GATES = (
    Gate(
        "sklearn, AMX",
        f"{SKLEARN}, with AMX",
        f"≥ 300{TIMES}",
        faster("sklearn_kmeans", "default", 300, "amx", 1.01),
    ),
    Gate(
        "sklearn, AVX-512",
        f"{SKLEARN}, AVX-512 alone",
        f"≥ 130{TIMES}",
        faster("sklearn_kmeans", "default", 130, "avx512", 1.01),
    ),
    Gate(
        "published loop", LOOP, f"≥ 40{TIMES}", faster("published_loop", "default", 40, None, 1.0)
    ),
    Gate(
        "faiss, AMX", f"{FAISS}, with AMX", f"≥ 8{TIMES}", faster("faiss_cpu", "recipe", 8, "amx")
    ),
    Gate(
        "superkmeans, AMX",
        f"{SUPER}, with AMX",
        f"≥ 4{TIMES}",
        faster("superkmeans", "default", 4, "amx"),
    ),
    Gate(
        "faiss, AVX-512",
        f"{FAISS}, AVX-512 alone",
        "faster",
        faster("faiss_cpu", "recipe", 1, "avx512"),
    ),
    Gate(
        "superkmeans, AVX-512",
        f"{SUPER}, AVX-512 alone",
        "faster",
        faster("superkmeans", "default", 1, "avx512"),
    ),
    Gate(
        "every shape",
        "every pool and k in {100, 1000, 4000}, against the fastest rival of all",
        "none slower",
        no_shape_slower,
    ),
    Gate(
        "certified",
        "certified over uncertified assignment, all pools but the next",
        f"≤ 1.25{TIMES}",
        certified(1.25, duplicates=False),
    ),
    Gate(
        "certified, near-duplicates",
        "the same on the pool of near-duplicates (KDD)",
        f"≤ 3{TIMES}",
        certified(3.0, duplicates=True),
    ),
    Gate(
        "memory",
        "peak extra memory of `select`, every shape",
        "float32 rows + 16 bytes a row + 16 (k d + b) bytes + 32 MiB",
        memory,
    ),
)


def judge(rows: list[Row]) -> list[tuple[Gate, Verdict]]:
    """Judge every gate on the rows of one machine.

    Parameters
    ----------
    rows : list of Row
        All rows of one device folder.
    """
    return [(gate, gate.judge(rows)) for gate in GATES]
