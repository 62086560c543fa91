"""One row per measurement: what was run, on what, how long it took and how good it was."""

from __future__ import annotations

import json
import os
import statistics
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

SCHEMA = 1
QUIET_CORES = 0.2
LONGEST_REASON = 600
GPU_FILE = "gpu.jsonl"
ITEMSIZE = {"float16": 2, "bfloat16": 2, "float32": 4, "float64": 8}


class MissingError(RuntimeError):
    """Something that a measurement needs is not on this machine."""


@dataclass
class Row:
    """A measurement, one line of a JSON Lines file.

    Parameters
    ----------
    bench : str
        "select" (end to end), "assign" or "ops" (one native operation), "interrupt" (from Ctrl-C to
        the end); on GPUs "gpu_select",
        "gpu_assign", "gpu_ops" and "gpu_ceiling" (what the device can do).
    engine, setting : str
        Who ran and with which settings, for example "faiss_cpu" and "recipe".
    dataset, n, d, k, b, dtype
        The shape of the work; ``b`` is 0 where no batch is taken.
    options : dict
        Arguments passed on top of the engine's own defaults.
    isa : str, optional
        Instruction set that ran, where the engine says.
    threads : int
        Threads given to everyone.
    status, reason : str
        "ok", "skipped" or "failed", and why.
    seconds : list of float
        Wall time of every repeat, data loading and conversions excluded.
    stages : dict of str to float
        Mean seconds by stage over the repeats.
    inertia : float, optional
        Sum of squared distances over the whole pool, float64, by ``quality.inertia``.
    picks : int, optional
        Rows returned.
    peak_bytes, extra_bytes : int, optional
        Peak resident memory of the process while it ran, and its part above what was resident
        (the pool, the libraries) when it started. Largest of the repeats.
    peak_exact : bool
        Whether the high-water mark could be set back at the start.
    other_cores : list of float or None
        Cores that other processes took during every repeat, on average; None below 0.1 s.
    extra : dict
        Anything else the measurement tells.
    hardware, versions, commit, dirty, build, command, date
        Where, with what, from which source, by which command, when (UTC) the last repeat ended.
    """

    bench: str
    engine: str
    setting: str
    dataset: str
    n: int
    d: int
    k: int
    b: int
    dtype: str
    options: dict[str, Any] = field(default_factory=dict)
    isa: str | None = None
    threads: int = 1
    status: str = "ok"
    reason: str = ""
    seconds: list[float] = field(default_factory=list)
    stages: dict[str, float] = field(default_factory=dict)
    inertia: float | None = None
    picks: int | None = None
    n_iter: int | None = None
    train_rows: int | None = None
    peak_bytes: int | None = None
    extra_bytes: int | None = None
    peak_exact: bool = False
    other_cores: list[float | None] = field(default_factory=list)
    extra: dict[str, Any] = field(default_factory=dict)
    hardware: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    commit: str | None = None
    dirty: bool = True
    build: str | None = None
    command: str = ""
    date: str = ""
    schema: int = SCHEMA

    @property
    def name(self) -> str:
        """What the row is called: bench, shape, engine and setting."""
        shape = f"{self.dataset}-{self.n}x{self.d}/k{self.k}"
        return f"{self.bench}/{shape}/{self.contestant}"

    @property
    def on_gpu(self) -> bool:
        """Whether it was measured on a GPU machine."""
        return self.bench.startswith("gpu_")

    @property
    def identity(self) -> tuple[Any, ...]:
        """What sets a row apart in its file: name, b, dtype and GPU."""
        return (self.name, self.b, self.dtype, self.hardware.get("gpu"))

    @property
    def key(self) -> str:
        """What makes two rows of a GPU the same measurement; ours is bound to its source."""
        source = self.build if self.engine == "ally_fast" else ""
        return "|".join(map(str, (*self.identity, sorted(self.options.items()), source)))

    @property
    def contestant(self) -> str:
        """Who ran: engine and setting."""
        return f"{self.engine}:{self.setting}"

    @property
    def shape(self) -> tuple[str, int, int, int, int]:
        """The work, whoever did it."""
        return (self.dataset, self.n, self.d, self.k, self.b)

    @property
    def quiet_seconds(self) -> list[float]:
        """The repeats during which others took at most 0.2 cores."""
        pairs = zip(self.seconds, self.other_cores, strict=False)
        return [value for value, others in pairs if others is None or others <= QUIET_CORES]

    @property
    def seconds_median(self) -> float | None:
        """Median of the quiet repeats, of all where none was quiet, or None without any."""
        counted = self.quiet_seconds or self.seconds
        return statistics.median(counted) if counted else None

    @property
    def itemsize(self) -> int:
        """Bytes of an element of the rows."""
        return ITEMSIZE[self.dtype]

    @property
    def ok(self) -> bool:
        """Whether there is a time to speak of."""
        return self.status == "ok" and bool(self.seconds)

    def config(self, any_commit: bool = False) -> str:
        """Name the configuration: rows that agree in it are the same measurement.

        Parameters
        ----------
        any_commit : bool
            Leave the commit out (for rivals, whose time does not depend on it).

        Returns
        -------
        str
            JSON with sorted keys.
        """
        ours = self.engine in OURS
        parts = {
            "name": self.name,
            "b": self.b,
            "dtype": self.dtype,
            "options": self.options,
            "threads": self.threads,
            "hardware": self.hardware,
            "versions": {key: v for key, v in self.versions.items() if key != "ally-fast"},
            "commit": None if any_commit and not ours else self.commit,
            "build": self.build if ours else None,
            "schema": self.schema,
        }
        return json.dumps(parts, sort_keys=True)

    def to_json(self) -> str:
        """Write the row as one line, with its name and median for the reader."""
        return json.dumps(
            {"name": self.name, "seconds_median": self.seconds_median, **asdict(self)}
        )

    @classmethod
    def from_json(cls, line: str) -> Row:
        """Read a row back; what this schema does not know is left out."""
        known = {item.name for item in fields(cls)}
        return cls(**{key: value for key, value in json.loads(line).items() if key in known})


OURS = ("ally_fast", "numpy")


def fault(error: Exception) -> tuple[str, str]:
    """Return the status and the reason that an error gives a row."""
    if isinstance(error, ModuleNotFoundError):
        return "skipped", f"{error.name} is not installed"
    told = " ".join(str(error).split())[:LONGEST_REASON]
    if isinstance(error, MissingError):
        return "skipped", told
    return "failed", f"{type(error).__name__}: {told}"


def stored(folder: Path) -> list[Row]:
    """Return the rows of a folder, none if there is no such folder."""
    return load(folder) if folder.is_dir() else []


def load(folder: Path) -> list[Row]:
    """Read all rows of a folder of JSON Lines files, in file and line order."""
    found = []
    for path in sorted(Path(folder).glob("*.jsonl")):
        found += [Row.from_json(line) for line in path.read_text().splitlines() if line]
    return found


def store(folder: Path, row: Row) -> None:
    """Put a row into the file of its bench, in the place of the row of its name, b, dtype and GPU.

    All rows of a GPU go into one file. It is replaced whole, so that a run that is stopped leaves
    it readable.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / (GPU_FILE if row.on_gpu else f"{row.bench}.jsonl")
    lines = path.read_text().splitlines() if path.is_file() else []
    kept = [line for line in lines if line and Row.from_json(line).identity != row.identity]
    partial = path.with_suffix(".partial")
    partial.write_text("\n".join([*kept, row.to_json()]) + "\n")
    os.replace(partial, path)


def select(rows: Iterable[Row], **wanted: Any) -> list[Row]:
    """Keep the rows whose fields equal all the wanted values."""
    return [row for row in rows if all(getattr(row, key) == v for key, v in wanted.items())]


def by_gpu(rows: Iterable[Row]) -> dict[str, list[Row]]:
    """Split rows by the GPU they were measured on, which no verdict and no table mixes."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(str(row.hardware.get("gpu")), []).append(row)
    return found


def one(rows: Iterable[Row], **wanted: Any) -> Row | None:
    """Return the only timed row that matches, or None."""
    found = [row for row in select(rows, **wanted) if row.ok]
    return found[-1] if found else None
