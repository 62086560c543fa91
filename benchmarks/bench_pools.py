"""Selections from pools on disk, beside a plain read, a decode, and loading everything first."""

from __future__ import annotations

import glob
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import machine
from benchmarks.clock import timed
from benchmarks.job import Job
from benchmarks.plan import Shape

FOLDER = machine.ROOT / "build" / "benchmark-pools"
ROWS, D, SHARDS, K, B = 20_000_000, 64, 40, 1000, 10_000
IDS = 10_000_000
QUICK_ROWS = 200_000
# 200 k rows of 256 dimensions, in row groups of two sizes: the sample is drawn from both.
GROUPED_ROWS, GROUPED_D, GROUPED_K = 200_000, 256, 400
WAYS = {
    "read": "plain read of the `.npy` file",
    "decode": "decode of the Parquet column by pyarrow, one thread",
    "memory": "select, rows in memory",
    "npy": "select, one `.npy`, mapped",
    "npy40": "select, 40 `.npy`, mapped",
    "parquet40": "select, 40 Parquet shards",
    "load": "select, all shards loaded with pyarrow first",
}


def jobs(isas: list[str], args: Any) -> list[Job]:
    """List the jobs."""
    rows = Shape("mixture", QUICK_ROWS if args.quick else ROWS, D, K, B)
    ids = Shape("mixture", QUICK_ROWS if args.quick else IDS, 0, 1, 0)
    grouped = Shape("mixture", GROUPED_ROWS, GROUPED_D, GROUPED_K, 2000)
    work = [*((way, rows) for way in WAYS), ("ids", ids)]
    work += [("groups4096", grouped), ("groups1m", grouped)]
    how = {"row": {"dtype": "float16"}, "slow": False, "estimate": 30.0}
    return [
        Job.of("pools", shape, [("ally_fast", way)], spec={"way": way}, **how)
        for way, shape in work
    ]


def measure(spec: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Measure one way; the files are made before, and stay for the next."""
    work = _WORK[spec["way"]](spec["n"])
    _forget_pages()
    before = _bytes_read()
    extra, fields = timed(work, alone=False)
    stages = extra.pop("stages", {})
    extra["bytes_from_disk"] = _bytes_read() - before
    (name,) = spec["names"]
    return {name: {**fields, "stages": stages, "extra": extra}}


def _bytes_read() -> int:
    """Return the bytes that this process has fetched from storage."""
    for line in Path("/proc/self/io").read_text().splitlines():
        if line.startswith("read_bytes:"):
            return int(line.split()[1])
    return 0


def _forget_pages() -> None:
    """Drop the files from the page cache, so that every way reads from storage."""
    for path in glob.glob(str(FOLDER / "**" / "*.*"), recursive=True):
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)


def _files(n: int) -> Path:
    """Make the pool: 40 shards as .npy and as Parquet, the same rows in one .npy, scores."""
    folder = FOLDER / str(n)
    if (folder / "done").exists():
        return folder
    import pyarrow as pa
    import pyarrow.parquet as pq

    shutil.rmtree(FOLDER, ignore_errors=True)
    for name in ("npy", "parquet"):
        (folder / name).mkdir(parents=True)
    rng = np.random.default_rng(0)
    centers = rng.normal(size=(1000, D)).astype(np.float32)
    whole = np.lib.format.open_memmap(folder / "pool.npy", "w+", np.float16, (n, D))
    share = n // SHARDS
    for shard in range(SHARDS):
        noise = 0.6 * rng.standard_normal((share, D), dtype=np.float32)
        rows = (centers[rng.integers(1000, size=share)] + noise).astype(np.float16)
        whole[shard * share : (shard + 1) * share] = rows
        np.save(folder / "npy" / f"part-{shard}.npy", rows)
        vectors = pa.FixedSizeListArray.from_arrays(pa.array(rows.ravel()), D)
        ids = [f"image-{row:012d}" for row in range(shard * share, (shard + 1) * share)]
        table = pa.table({"emb": vectors, "id": ids})
        pq.write_table(table, folder / "parquet" / f"part-{shard}.parquet")
    np.save(folder / "scores.npy", rng.random(n))
    (folder / "done").touch()
    return folder


def _select(open_rows: Callable[[Path], Any], n: int) -> Callable[[], dict[str, Any]]:
    folder = _files(n)
    import ally_fast

    scores = np.load(folder / "scores.npy", mmap_mode="r")

    def work() -> dict[str, Any]:
        _, info = ally_fast.select(open_rows(folder), scores, B, K, return_info=True)
        return {"stages": info.seconds, "inertia_of_sample": info.inertia}

    return work


def _read(n: int) -> Callable[[], dict[str, Any]]:
    folder = _files(n)

    def work() -> dict[str, Any]:
        with open(folder / "pool.npy", "rb", buffering=0) as file:
            buffer = bytearray(8 << 20)
            while file.readinto(buffer):
                pass
        return {}

    return work


def _decode(n: int) -> Callable[[], dict[str, Any]]:
    folder = _files(n)
    import pyarrow.parquet as pq

    def work() -> dict[str, Any]:
        for path in sorted((folder / "parquet").iterdir()):
            file = pq.ParquetFile(path, buffer_size=1 << 20)
            for batch in file.iter_batches(32_768, columns=["emb"], use_threads=False):
                batch.column(0)
        return {}

    return work


def _loaded(folder: Path) -> Any:
    import pyarrow.parquet as pq

    tables = [
        pq.read_table(folder / "parquet" / f"part-{shard}.parquet", columns=["emb"])
        for shard in range(SHARDS)
    ]
    parts = [table["emb"].combine_chunks().flatten().to_numpy().reshape(-1, D) for table in tables]
    return np.concatenate(parts)


def _open(source: str, **options: Any) -> Callable[[Path], Any]:
    def open_rows(folder: Path) -> Any:
        import ally_fast

        return ally_fast.open_pool(folder / source, **options)

    return open_rows


def _ids(n: int) -> Callable[[], dict[str, Any]]:
    """Join scores of as many text ids, in another order."""
    import pyarrow as pa

    from ally_fast.pools import ById, Ids
    from ally_fast.selection.join import Join

    rng = np.random.default_rng(0)
    digits = np.frombuffer(b"0123456789abcdef", np.uint8)
    raw = np.frombuffer(rng.bytes(18 * n), np.uint8).reshape(n, 18)
    text = np.empty((n, 36), np.uint8)
    text[:, ::2], text[:, 1::2] = digits[raw >> 4], digits[raw & 15]
    offsets = pa.py_buffer(np.arange(n + 1, dtype=np.int64) * 36)
    ids = pa.Array.from_buffers(pa.large_string(), n, [None, offsets, pa.py_buffer(text)])
    order = rng.permutation(n)
    theirs, scores = ids.take(pa.array(order)), rng.random(n)

    def work() -> dict[str, Any]:
        ours = Ids(ids)
        ours.check_unique()
        joined = Join(ours, n, "error").values(ById(theirs, scores), "dual_scores", None)
        assert joined[order[0]] == scores[0]
        return {}

    return work


def _grouped(group_rows: int) -> Callable[[int], Callable[[], dict[str, Any]]]:
    def prepare(n: int) -> Callable[[], dict[str, Any]]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        import ally_fast

        path = FOLDER / f"grouped-{group_rows}.parquet"
        if not path.exists():
            FOLDER.mkdir(parents=True, exist_ok=True)
            rows = np.random.default_rng(0).normal(size=(n, GROUPED_D)).astype(np.float32)
            vectors = pa.FixedSizeListArray.from_arrays(pa.array(rows.ravel()), GROUPED_D)
            pq.write_table(pa.table({"emb": vectors}), path, row_group_size=group_rows)

        def work() -> dict[str, Any]:
            trained = ally_fast.kmeans(ally_fast.open_pool(path), GROUPED_K)
            return {"stages": trained.seconds}

        return work

    return prepare


_WORK: dict[str, Callable[[int], Callable[[], dict[str, Any]]]] = {
    "read": _read,
    "decode": _decode,
    "memory": lambda n: _select(_in_memory(n), n),
    "npy": lambda n: _select(_open("pool.npy"), n),
    "npy40": lambda n: _select(_open("npy"), n),
    "parquet40": lambda n: _select(_open("parquet"), n),
    "load": lambda n: _select(_loaded, n),
    "ids": _ids,
    "groups4096": _grouped(4096),
    "groups1m": _grouped(1 << 20),
}


def _in_memory(n: int) -> Callable[[Path], Any]:
    rows = np.load(_files(n) / "pool.npy")
    return lambda folder: rows
