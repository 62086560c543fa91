"""A job: one process that makes one or more rows."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import machine, worker
from benchmarks.rows import Row

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "ALLY_FAST_THREADS",
)

OFF_CLOCK_SECONDS = 4.0  # start, imports, loading, warm-up, inertia


@dataclass
class Job:
    """What a worker process is asked, and the rows it will fill.

    Parameters
    ----------
    module : str
        Module whose ``measure(spec)`` runs in the process.
    spec : dict
        What it is told; JSON.
    rows : list of Row
        The rows to fill, matched by engine and setting.
    isa : str, optional
        Value of ``ALLY_FAST_ISA``.
    slow : bool
        Measure once, whatever the number of repeats asked for.
    """

    module: str
    spec: dict[str, Any]
    rows: list[Row]
    isa: str | None = None
    slow: bool = False
    group: tuple[Any, ...] = field(default=())
    estimate: float = 0.0

    def total(self, repeats: int, budget_seconds: float) -> float:
        """Guess the seconds of all repeats, with what each costs off the clock."""
        wanted = 1 if self.slow else min(repeats, 1 + int(budget_seconds // max(self.estimate, 1)))
        return wanted * (self.estimate + OFF_CLOCK_SECONDS)

    def finished(self, repeats: int, budget_seconds: float) -> bool:
        """Whether every row has its quiet repeats, twice as many of any kind, or used its time."""
        wanted = 1 if self.slow else repeats
        return all(
            row.status in ("skipped", "failed")
            or len(row.quiet_seconds) >= wanted
            or len(row.seconds) >= 2 * wanted
            or sum(row.seconds) >= budget_seconds * (1 if row.quiet_seconds else 2)
            for row in self.rows
        )

    def run(self, timeout_seconds: float) -> None:
        """Run the process once and add what it measured to the rows."""
        with tempfile.TemporaryDirectory() as scratch:
            spec = {**self.spec, "module": self.module}
            answer = worker.ask(spec, Path(scratch), timeout_seconds, env=self._environment())
        if answer.status != "ok":
            for row in self.rows:
                if not row.seconds:
                    row.status, row.reason = answer.status, answer.reason
            return
        for result in answer.results:
            for row in self.rows:
                if (row.engine, row.setting) == (result["engine"], result["setting"]):
                    _add(row, result)

    def _environment(self) -> dict[str, str]:
        found = {**dict.fromkeys(THREAD_VARIABLES, str(self.spec["threads"])), "ALLY_FAST_ISA": ""}
        if self.isa:
            found["ALLY_FAST_ISA"] = self.isa
        hardware = machine.hardware()
        if str(hardware["cpu"]).startswith("Intel") and "avx512dq" in hardware["flags"]:  # type: ignore[operator]
            # The OpenBLAS in FAISS takes Xeons newer than itself for processors with SSE3.
            found["OPENBLAS_CORETYPE"] = os.environ.get("OPENBLAS_CORETYPE", "SkylakeX")
        return found


def _add(row: Row, result: dict[str, Any]) -> None:
    """Add one process's repeats: times append, peaks take the larger, the rest is replaced."""
    before = len(row.seconds)
    row.status, row.reason = "ok", ""
    row.seconds += result["seconds"]
    row.other_cores += result["other_cores"]
    for stage, seconds in result.get("stages", {}).items():
        mean = (row.stages.get(stage, 0.0) * before + seconds) / (before + 1)
        row.stages[stage] = mean
    for name in ("peak_bytes", "extra_bytes"):
        setattr(row, name, max(getattr(row, name) or 0, result[name]))
    row.peak_exact = result["peak_exact"]
    for name in ("isa", "picks", "n_iter", "train_rows", "inertia"):
        if result.get(name) is not None:
            setattr(row, name, result[name])
    row.extra.update(result.get("extra", {}))
