"""A job: one process that makes one or more rows."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import machine, worker
from benchmarks.plan import Shape
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
        The rows to fill. ``measure`` returns fields of a row by contestant.
    isa : str, optional
        Value of ``ALLY_FAST_ISA``.
    slow : bool
        Measure once, whatever the number of repeats asked for.
    group : tuple
        Jobs of a group take turns.
    estimate : float
        Seconds of one repeat, about.
    """

    module: str
    spec: dict[str, Any]
    rows: list[Row]
    isa: str | None = None
    slow: bool = True
    group: tuple[Any, ...] = ()
    estimate: float = 10.0

    @classmethod
    def of(
        cls,
        bench: str,
        shape: Shape,
        contestants: Iterable[tuple[str, str]],
        *,
        spec: Mapping[str, Any] | None = None,
        reasons: Mapping[str, str] | str = "",
        row: Mapping[str, Any] | None = None,
        **how: Any,
    ) -> Job:
        """Make a job that ``benchmarks.bench_<bench>`` does, for contestants at a shape.

        Parameters
        ----------
        bench : str
        shape : Shape
            Told to ``measure`` field by field.
        contestants : iterable of (engine, setting)
        spec : mapping, optional
            What else ``measure`` is told; ``names``, the contestants that run, is told anyway.
        reasons : str or mapping of engine to str
            Why a contestant is skipped.
        row : mapping, optional
            More fields of the rows.
        **how
            ``isa``, ``slow``, ``estimate``; ``module`` where another one measures.
        """
        work = {key: getattr(shape, key) for key in ("dataset", "n", "d", "k", "b")}
        rows = [
            Row(bench, *who, **{**work, "dtype": "float32", **(row or {})}) for who in contestants
        ]
        for one in rows:
            reason = reasons if isinstance(reasons, str) else reasons.get(one.engine, "")
            one.status, one.reason = "skipped" if reason else "ok", reason
        told = {**work, "limit": shape.limit, **(spec or {})}
        module = how.pop("module", f"benchmarks.bench_{bench}")
        return cls(module, told, rows, group=(bench, shape), **how)

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
            names = [row.contestant for row in self.rows if row.status != "skipped"]
            spec = {**self.spec, "module": self.module, "names": names}
            answer = worker.ask(spec, Path(scratch), timeout_seconds, env=self._environment())
        if answer.status != "ok":
            for row in self.rows:
                if not row.seconds:
                    row.status, row.reason = answer.status, answer.reason
            return
        for row in self.rows:
            if row.contestant in answer.results:
                _add(row, answer.results[row.contestant])

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
        if name in result:
            setattr(row, name, max(getattr(row, name) or 0, result[name]))
    row.peak_exact = result.get("peak_exact", False)
    for name in ("isa", "picks", "n_iter", "train_rows", "inertia"):
        if result.get(name) is not None:
            setattr(row, name, result[name])
    row.extra.update(result.get("extra", {}))
