"""Rates of the work, and the fraction of what the device can do."""

from __future__ import annotations

from functools import partial

from benchmarks.rows import ITEMSIZE, Row

COPY, MATMUL16, MATMUL32, UPLOAD = "copy", "matmul float16", "matmul tf32", "pinned upload"

DUAL_ROW_BYTES = 44


def assign_flops(n: int, d: int, k: int) -> float:
    """Count the operations of the matrix product behind an assignment."""
    return 2.0 * n * d * k


def dual_bytes(m: int, c: int, dtype: str, backward: bool) -> int:
    """Count what a dual step must move: logits once, the gradient once, 44 bytes a row.

    A row's bytes: target, id and log-sum-exp 8 each, multiplier read and written, multiplier
    before, loss and slack 4 each.
    """
    logits = m * c * ITEMSIZE[dtype]
    return logits * (2 if backward else 1) + DUAL_ROW_BYTES * m


def ceilings(rows: list[Row], gpu: str | None) -> dict[str, float]:
    """Return the ceilings measured on a GPU: bytes or operations a second, by name."""
    return {
        row.setting: row.extra["per_second"]
        for row in rows
        if row.bench == "gpu_ceiling"
        and row.ok
        and "per_second" in row.extra
        and row.hardware.get("gpu") == gpu
    }


def _note(
    row: Row, amount: float, known: dict[str, float], *, name: str, unit: float, ceiling: str
) -> None:
    """Write the rate of some amount of work, and its fraction of a ceiling, into a row."""
    if not row.seconds_median:
        return
    row.extra[name] = amount / row.seconds_median / unit
    if ceiling in known:
        row.extra["of_ceiling"] = amount / row.seconds_median / known[ceiling]


note_flops = partial(_note, name="tflops", unit=1e12, ceiling=MATMUL16)
note_bytes = partial(_note, name="gbytes_per_s", unit=1e9, ceiling=COPY)
