"""Rows of a group: which are wanted, which is being measured, what came out."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from benchmarks import rows
from benchmarks.rows import Row

BROKEN = 3  # exit status of a worker whose device does not answer any more


def kernel(row: Row) -> str:
    """Name whose code a row runs: what hung or broke the device once is not trusted again."""
    return f"{row.engine} {row.isa or row.bench}" if row.engine == "ally_fast" else row.engine


class Recorder:
    """Writes rows as they come, so that a process that is killed loses one measurement at most.

    Parameters
    ----------
    folder : Path
        Where the rows go.
    marker : Path
        File that holds the row being measured; gone when nothing is.
    stamp : dict
        Fields every row shares.
    skip : iterable of str
        Keys of rows that are not to be tried again.
    seconds : float
        Start nothing after this long.
    dropped : iterable of str
        Kernels of which no row is tried.
    """

    def __init__(
        self,
        folder: Path,
        marker: Path,
        stamp: dict[str, Any],
        skip: Any,
        seconds: float,
        dropped: Any = (),
    ) -> None:
        self._folder, self._marker, self._stamp = folder, marker, stamp
        self._dropped = set(dropped)
        self._skip = set(skip) | {row.key for row in rows.stored(folder) if row.ok}
        self._end = time.monotonic() + seconds
        self._depth = 0

    @property
    def gpu(self) -> str | None:
        """What the rows are measured on."""
        name: str | None = self._stamp["hardware"].get("gpu")
        return name

    @property
    def stored(self) -> list[Row]:
        """The rows of its folder."""
        return rows.stored(self._folder)

    @property
    def seconds_left(self) -> float:
        """Seconds until nothing more may be started."""
        return self._end - time.monotonic()

    def row(self, bench: str, engine: str, setting: str, **fields: Any) -> Row:
        """Make a row, stamped."""
        shape = {"dataset": "none", "n": 0, "d": 0, "k": 0, "b": 0, "dtype": ""}
        return Row(bench, engine, setting, **{**shape, **self._stamp, **fields})

    def wanted(self, row: Row) -> bool:
        """Whether a row is not there yet, there is time for it, and its kernel is trusted."""
        if row.key in self._skip or self.seconds_left <= 0:
            return False
        if not self.trusted(kernel(row)):
            row.status, row.reason = "skipped", f"{kernel(row)} was stopped before"
            self.keep(row)
            self._skip.add(row.key)
            return False
        return True

    def trusted(self, name: str) -> bool:
        """Whether a kernel was not dropped."""
        return name not in self._dropped

    def keep(self, row: Row) -> None:
        """Write a row, in the place of the one of its name."""
        row.date = datetime.now(timezone.utc).isoformat(timespec="seconds")
        rows.store(self._folder, row)

    @contextmanager
    def attempt(self, row: Row, alive: Any = lambda: None) -> Iterator[None]:
        """Measure a row: what goes wrong inside becomes its status, and the others go on.

        Parameters
        ----------
        row : Row
            What is being measured.
        alive : callable
            Asked after an error; raises if the device does not answer any more.
        """
        self._marker.write_text(row.to_json())
        try:
            yield
        except Exception as error:
            row.status, row.reason = rows.fault(error)
            self.keep(row)
            tell(row)
            self._skip.add(row.key)
            try:
                alive()
            except Exception:
                self._marker.unlink(missing_ok=True)
                os._exit(BROKEN)
        self._marker.unlink(missing_ok=True)


def tell(row: Row) -> None:
    """Print one line about a row."""
    if row.ok:
        told = {name: row.extra.get(name) for name in ("tflops", "of_ceiling", "gbytes_per_s")}
        figures = "  ".join(f"{name} {v:.3g}" for name, v in told.items() if v is not None)
        text = f"{1e3 * (row.seconds_median or 0):10.3f} ms  {figures}"
    else:
        text = f"{row.status}: {row.reason}"
    print(f"{row.name:78} {row.dtype:9} {text}", flush=True)
