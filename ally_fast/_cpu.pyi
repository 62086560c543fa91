"""The native core. It converts nothing: dtypes and layouts must be those named here."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

# float16, float32 or float64 of any strides; uint16 bits with bf16=True.
_Rows = NDArray[Any]
_Bools = NDArray[np.bool_]
_Bytes = NDArray[np.uint8]
_Floats = NDArray[np.float32]
_Doubles = NDArray[np.float64]
_Int32s = NDArray[np.int32]
_Int64s = NDArray[np.int64]

LARGEST_D: int

class PackedPoints:
    def __init__(self, points: _Floats | _Doubles, isa: str, threads: int = 1) -> None: ...
    @property
    def k(self) -> int: ...
    @property
    def d(self) -> int: ...
    @property
    def isa(self) -> str: ...

class AssignStats:
    @property
    def uncertain(self) -> int: ...
    @property
    def candidates(self) -> int: ...
    @property
    def nonfinite(self) -> int: ...
    @property
    def first_nonfinite(self) -> int: ...

class Shortlist:
    def __init__(self, k: int, b: int, weights: _Doubles, tie_seed: int | None = None) -> None: ...
    def push(
        self,
        assignments: _Int32s,
        scores: _Doubles,
        first: int = 0,
        indices: _Int64s | None = None,
    ) -> None: ...
    def merge(self, other: Shortlist) -> None: ...
    def merge_entries(
        self, clusters: _Int32s, scores: _Doubles, indices: _Int64s, sizes: _Int64s
    ) -> None: ...
    @property
    def sizes(self) -> _Int64s: ...
    def entries(self) -> tuple[_Int32s, _Doubles, _Int64s]: ...

def isas() -> list[str]: ...
def build_info() -> dict[str, Any]: ...
def tie_positions(indices: _Int64s, tie_seed: int | None) -> _Int64s: ...
def philox(counter: NDArray[np.uint32], key: NDArray[np.uint32]) -> NDArray[np.uint32]: ...
def assign(
    rows: _Rows,
    table: PackedPoints,
    out: _Int32s,
    *,
    bf16: bool = False,
    normalize: bool = False,
    positions: _Int64s | None = None,
    threads: int = 1,
    certify: bool = True,
) -> AssignStats: ...
def squared_distances(
    rows: _Rows,
    table: PackedPoints,
    assignments: _Int32s,
    *,
    bf16: bool = False,
    normalize: bool = False,
    positions: _Int64s | None = None,
    threads: int = 1,
) -> _Doubles: ...
def feature_grid(rows: _Floats, isa: str, *, threads: int = 1) -> _Doubles: ...
def cluster_sums(
    rows: _Floats,
    assignments: _Int32s,
    grid: _Doubles,
    most: int,
    sums: _Int64s,
    counts: _Int64s,
    isa: str,
    *,
    centroids: _Floats | None = None,
    spread: _Int64s | None = None,
    threads: int = 1,
) -> None: ...
def centroid_update(
    sums: _Int64s,
    counts: _Int64s,
    grid: _Doubles,
    keep: float,
    add: float,
    normalize: bool,
    size_average: _Doubles,
    sum_average: _Doubles,
    centroids: _Floats,
    *,
    threads: int = 1,
) -> None: ...
def halve(
    rows: _Floats,
    assignments: _Int32s,
    centroids: _Floats,
    sums: _Int64s,
    counts: _Int64s,
    grid: _Doubles,
    most: int,
    stale: _Bytes,
    halves: _Floats,
    half_sums: _Int64s,
    half_counts: _Int64s,
    gains: _Doubles,
    spreads: _Int64s,
    sides: _Bytes,
    isa: str,
    *,
    threads: int = 1,
) -> None: ...
def relocate(
    assignments: _Int32s,
    centroids: _Floats,
    sums: _Int64s,
    counts: _Int64s,
    grid: _Doubles,
    nearest_of_zeros: _Int32s,
    nearest_of_ones: _Int32s,
    bit: int,
    stale: _Bytes,
    halves: _Floats,
    half_sums: _Int64s,
    half_counts: _Int64s,
    gains: _Doubles,
    sides: _Bytes,
    *,
    threads: int = 1,
) -> float: ...
def d2_sample_outer(
    left: _Rows,
    right: _Rows,
    b: int,
    seed: int,
    isa: str,
    *,
    targets: _Int64s | None = None,
    left_bf16: bool = False,
    right_bf16: bool = False,
    positions: _Int64s | None = None,
    threads: int = 1,
) -> _Int64s: ...
def k_center_greedy(
    rows: _Rows,
    b: int,
    isa: str,
    *,
    starts: PackedPoints | None = None,
    first: int | None = None,
    bf16: bool = False,
    normalize: bool = False,
    positions: _Int64s | None = None,
    threads: int = 1,
) -> tuple[_Int64s, _Doubles]: ...
def load_rows(
    rows: _Rows,
    out: _Floats,
    isa: str,
    out_positions: _Int64s,
    *,
    bf16: bool = False,
    normalize: bool = False,
    shift: _Doubles | None = None,
    scale: float = 1.0,
    threads: int = 1,
) -> bool: ...
def radius_filter(
    rows: _Rows,
    table: PackedPoints,
    radius: float,
    *,
    bf16: bool = False,
    normalize: bool = False,
    positions: _Int64s | None = None,
    threads: int = 1,
) -> _Bools: ...
def sample_rows(
    n: int, size: int, seed: int, eligible: _Bools | None = None, threads: int = 1
) -> _Int64s: ...
def dual_ascent(
    outputs: _Rows,
    targets: NDArray[Any],
    ids: _Int64s,
    multipliers: _Floats,
    epsilon: _Floats,
    lr: float,
    *,
    loss: str,
    isa: str,
    gradient_scale: float | None = None,
    bf16: bool = False,
    threads: int = 1,
) -> tuple[_Floats, _Floats, _Floats, float, int, int, _Rows | None]: ...
def dual_ascent_losses(
    losses: _Floats,
    dual_losses: _Floats,
    ids: _Int64s,
    multipliers: _Floats,
    epsilon: _Floats,
    lr: float,
    *,
    isa: str,
    threads: int = 1,
) -> tuple[_Floats, _Floats, float, int, int]: ...
def dual_ascent_gradient(
    outputs: _Rows,
    targets: NDArray[Any],
    before: _Floats,
    scale: float,
    *,
    loss: str,
    isa: str,
    bf16: bool = False,
    threads: int = 1,
) -> _Rows: ...
