"""How busy assignment keeps the tile unit: seconds of the products alone over those of the pass.

The products run on the same threads in turn with the pass, from operands in the nearest cache. They
are of AMX; other instruction sets have no rows here.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import datasets
from benchmarks.clock import alternate
from benchmarks.job import Job
from benchmarks.machine import ROOT, hardware
from benchmarks.plan import POOLS, Shape

# Real pools where one has that many dimensions.
POOLS_BY_D = (
    ("mixture32", 1_000_000, 32),
    ("sentences", 1_000_000, 64),
    ("reviews", 100_000, 128),
    ("mixture256", 200_000, 256),
    ("minilm", 120_000, 384),
    ("mixture768", 200_000, 768),
    ("mixture1024", 100_000, 1024),
)
CLUSTERS = (100, 1000, 10_000)
WORK = 3e10  # multiplications a pass, at most, but
ROWS_A_CLUSTER = 2  # at least
ROUNDS, ROUND_SECONDS = 7, 8.0
SOURCE = Path(__file__).with_name("tile_products.cpp")
CERTIFIED, UNCERTIFIED, PRODUCTS = "certified", "uncertified", "products"


def shapes(quick: bool) -> list[Shape]:
    """List dimensions and clusters, then the pool of near-duplicates."""
    if quick:
        return [Shape("small", 20_000, 32, 50, 0, limit=20_000)]
    found = [
        Shape(name, min(n, max(int(WORK / (d * k)) // 1000 * 1000, ROWS_A_CLUSTER * k)), d, k, 0)
        for name, n, d in POOLS_BY_D
        for k in CLUSTERS
    ]
    return [*found, Shape("kdd", *POOLS["kdd"], 500, 0)]


def jobs(isas: list[str], args: Any) -> list[Job]:
    """List the jobs: one per shape."""
    reason = ""
    if "amx_bf16" not in hardware()["flags"]:  # type: ignore[operator]
        reason = "no AMX on this machine"
    elif shutil.which(_compiler()) is None:
        reason = f"no {_compiler()} here, which compiles the products"
    ours = [("ally_fast", CERTIFIED), ("ally_fast", UNCERTIFIED), ("amx", PRODUCTS)]
    return [
        Job.of("occupancy", shape, ours, reasons=reason, isa="amx", estimate=ROUND_SECONDS)
        for shape in shapes(args.quick)
    ]


def measure(spec: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Assign the pool, certified and not, and multiply as many tiles."""
    import ally_fast
    from ally_fast.ops.assign import assign, packed_points
    from ally_fast.rows import Rows

    rows = datasets.load(spec["dataset"], spec["n"]).rows
    sample = min(len(rows), 64 * spec["k"])
    k, d = spec["k"], rows.shape[1]
    centroids = ally_fast.kmeans(rows, k, max_iter=1, train_size=sample).centroids
    centroids = np.ascontiguousarray(centroids)
    threads = spec["threads"]
    products = len(rows) / 16 * np.ceil(k / 16) * np.ceil(d / 32)
    library = ctypes.CDLL(str(_compiled()))
    many = ctypes.c_int64(int(products / threads))

    def multiply() -> None:
        if library.tile_products(many, threads):
            raise OSError("Linux gives no tiles to this process")

    def call(certify: bool) -> None:
        assign(Rows(rows), packed_points(centroids), certify=certify)

    calls = {
        f"ally_fast:{CERTIFIED}": lambda: call(True),
        f"ally_fast:{UNCERTIFIED}": lambda: call(False),
        f"amx:{PRODUCTS}": multiply,
    }
    return alternate(calls, ROUNDS, ROUND_SECONDS)


def _compiler() -> str:
    return os.environ.get("CXX", "g++")


def _compiled() -> Path:
    library = ROOT / "build" / "tile_products.so"
    library.parent.mkdir(exist_ok=True)
    flags = ["-O2", "-std=c++17", "-shared", "-fPIC", "-mavx512f", "-mamx-tile", "-mamx-bf16"]
    part = library.with_suffix(f".{os.getpid()}")
    command = [_compiler(), *flags, str(SOURCE), "-o", str(part), "-lpthread"]
    subprocess.run(command, check=True, capture_output=True)
    part.replace(library)
    return library
