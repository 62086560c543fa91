"""The gates: what has to hold, as data, and whether the rows say it does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks import labels
from benchmarks.labels import TIMES
from benchmarks.rows import Row, by_gpu
from benchmarks.verdicts import (
    K,
    Verdict,
    against,
    assign_rate,
    certified,
    dual_bandwidth,
    faster,
    gpu_assign,
    gpu_dual,
    gpu_select,
    host_rows,
    memory,
    no_shape_slower,
    select_time,
)

MEBIBYTE = 2**20
BOTH_K = (K, 10 * K)


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
        memory("select", 32 * MEBIBYTE, lambda row: f"{row.dataset}, k = {row.k}"),
    ),
)

ASSIGN = f"`assign`, certified, 10 M {TIMES} 128 float16 rows, k = 1000 and 10,000"
SELECT = f"`select`, 10 M {TIMES} 128, k = 1000"
DUAL = f"`dual_ascent`, 10\N{SUPERSCRIPT SIX} {TIMES} 1000, float32 and bfloat16"
GPU_GATES = (
    Gate("gpu assign rate", ASSIGN, "≥ 600 TFLOP/s", assign_rate),
    Gate(
        "gpu assign, flashlib",
        f"{ASSIGN}, against flashlib",
        f"≥ 2{TIMES}",
        against(gpu_assign, "flashlib", BOTH_K, 2),
    ),
    Gate(
        "gpu assign, flash-kmeans",
        f"{ASSIGN}, against flash-kmeans",
        f"≥ 3{TIMES}",
        against(gpu_assign, "flash_kmeans", BOTH_K, 3),
    ),
    Gate("gpu select", f"{SELECT}, device rows", "≤ 12 ms", select_time),
    Gate(
        "gpu select, flash-kmeans",
        f"{SELECT}, against flash-kmeans at its defaults and the best rows in torch",
        f"≥ 30{TIMES}",
        against(gpu_select, "flash_kmeans", ("float16", "float32"), 30, every=False),
    ),
    Gate(
        "gpu host rows",
        f"{SELECT}, host rows, over one pinned copy of them",
        f"≤ 1.3{TIMES}",
        host_rows,
    ),
    Gate("gpu dual_ascent", DUAL, "≥ 85 % of the copy's bandwidth", dual_bandwidth),
    Gate(
        "gpu dual_ascent, eager",
        f"{DUAL}, against eager torch",
        f"≥ 2{TIMES}",
        against(gpu_dual, "torch_eager", ("float32", "bfloat16"), 2),
    ),
    Gate(
        "gpu memory",
        "device memory of `select` beside the caller's rows, every shape",
        "rows at their precision + 16 bytes a row + 16 (k d + b) bytes + 128 MiB",
        memory("gpu_select", 128 * MEBIBYTE, lambda row: f"{labels.shape(row)}, {row.dtype}"),
    ),
)


def judge(rows: list[Row], *, gpu: bool = False) -> list[tuple[Gate, Verdict]]:
    """Judge every gate of CPUs or of GPUs on the rows of one machine, or of one GPU.

    Raises
    ------
    ValueError
        If the rows are of several GPUs.
    """
    if len(gpus := by_gpu(rows)) > 1:
        raise ValueError(f"rows: of {', '.join(gpus)}; needs those of one GPU")
    return [(gate, gate.judge(rows)) for gate in (GPU_GATES if gpu else GATES)]


def told(rows: list[Row]) -> str:
    """Write the verdicts on GPU rows as lines for a terminal, GPU by GPU."""
    lines = []
    for gpu, here in (by_gpu(rows) or {"no GPU": []}).items():
        lines += [f"gates, rows of {gpu}:"]
        lines += [
            f"{gate.name:26} {verdict.verdict:13} {gate.needed}: {verdict.measured}"
            for gate, verdict in judge(here, gpu=True)
        ]
    return "\n".join(lines)
