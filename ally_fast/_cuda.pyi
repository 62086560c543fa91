from collections.abc import Sequence
from typing import Any, TypedDict

import numpy as np
from numpy.typing import DTypeLike, NDArray

class _Device(TypedDict):
    name: str
    total_memory_bytes: int
    compute_capability: tuple[int, int]
    multiprocessors: int

def is_available() -> bool: ...
def device_count() -> int: ...
def status() -> str: ...
def devices() -> list[_Device]: ...
def driver_version() -> str | None: ...
def runtime_version() -> str: ...
def compiled_for() -> str: ...
def memory_info(device: int) -> tuple[int, int]: ...
def device_of(pointer: int) -> int: ...

class Stream:
    def __init__(self, device: int) -> None: ...
    @staticmethod
    def foreign(device: int, handle: int, owner: object = None) -> Stream: ...
    @property
    def device(self) -> int: ...
    @property
    def handle(self) -> int: ...
    def synchronize(self) -> None: ...
    def wait_for(self, other: Stream) -> None: ...

class DeviceArray:
    @staticmethod
    def empty(shape: Sequence[int], dtype: DTypeLike, stream: Stream) -> DeviceArray: ...
    @staticmethod
    def zeros(shape: Sequence[int], dtype: DTypeLike, stream: Stream) -> DeviceArray: ...
    @staticmethod
    def from_host(array: NDArray[Any], stream: Stream) -> DeviceArray: ...
    @staticmethod
    def from_dlpack(capsule: object, stream: Stream) -> tuple[DeviceArray, bool]: ...
    @staticmethod
    def foreign(
        pointer: int,
        shape: Sequence[int],
        strides: Sequence[int],
        dtype: DTypeLike,
        stream: Stream,
        owner: object,
    ) -> DeviceArray: ...
    def to_host(self) -> NDArray[Any]: ...
    def take(self, positions: DeviceArray | NDArray[np.int64] | None = None) -> DeviceArray: ...
    def join(self, rest: DeviceArray) -> DeviceArray: ...
    def fill(self, byte: int) -> None: ...
    def __len__(self) -> int: ...
    def __getitem__(self, rows: slice) -> DeviceArray: ...
    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def strides(self) -> tuple[int, ...]: ...
    @property
    def ndim(self) -> int: ...
    @property
    def dtype(self) -> np.dtype[Any]: ...
    @property
    def nbytes(self) -> int: ...
    @property
    def pointer(self) -> int: ...
    @property
    def stream(self) -> Stream: ...
    @property
    def device(self) -> int: ...
    @property
    def __cuda_array_interface__(self) -> dict[str, Any]: ...

class UploadRing:
    def __init__(self, stream: Stream, slot_bytes: int, slots: int) -> None: ...
    def upload(self, array: NDArray[Any], threads: int = 1) -> DeviceArray: ...

class PackedPoints:
    def __init__(self, points: DeviceArray) -> None: ...
    @property
    def k(self) -> int: ...
    @property
    def d(self) -> int: ...

class DeviceShortlist:
    def __init__(
        self,
        stream: Stream,
        k: int,
        b: int,
        weights: NDArray[np.float64],
        tie_seed: int | None = None,
        largest_push: int = 1048576,
    ) -> None: ...
    def push(
        self,
        assignments: DeviceArray,
        scores: DeviceArray,
        first: int = 0,
        indices: DeviceArray | None = None,
        *,
        bf16: bool = False,
    ) -> None: ...
    def fetch(
        self,
    ) -> tuple[NDArray[np.int32], NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]: ...

def assign(
    rows: DeviceArray,
    table: PackedPoints,
    out: DeviceArray,
    stats: DeviceArray,
    *,
    bf16: bool = False,
    normalize: bool = False,
    positions: DeviceArray | None = None,
    mask: DeviceArray | None = None,
    certify: bool = True,
    kernel: str = "portable",
) -> None: ...
def squared_distances(
    rows: DeviceArray,
    table: PackedPoints,
    assignments: DeviceArray,
    out: DeviceArray,
    *,
    bf16: bool = False,
    normalize: bool = False,
    positions: DeviceArray | None = None,
) -> None: ...
def radius_filter(
    rows: DeviceArray,
    table: PackedPoints,
    radius: float,
    within: DeviceArray,
    *,
    bf16: bool = False,
    normalize: bool = False,
    positions: DeviceArray | None = None,
) -> None: ...
def k_center_greedy(
    rows: DeviceArray,
    picks: DeviceArray,
    distances: DeviceArray,
    *,
    starts: PackedPoints | None = None,
    first: int | None = None,
    bf16: bool = False,
    normalize: bool = False,
    positions: DeviceArray | None = None,
) -> None: ...
def load_rows(
    rows: DeviceArray,
    out: DeviceArray,
    out_positions: DeviceArray | None,
    not_finite: DeviceArray,
    *,
    bf16: bool = False,
    normalize: bool = False,
    positions: DeviceArray | None = None,
    shift: DeviceArray | None = None,
    scale: float = 1.0,
) -> None: ...
def sample_rows(
    out: DeviceArray,
    n: int,
    seed: int,
    eligible: DeviceArray | None = None,
    eligible_count: int | None = None,
) -> None: ...
def count_nonfinite(
    values: DeviceArray, found: DeviceArray, first: int = 0, *, bf16: bool = False
) -> None: ...
def feature_grid(rows: DeviceArray, grid: DeviceArray) -> None: ...
def cluster_sums(
    rows: DeviceArray,
    assignments: DeviceArray,
    grid: DeviceArray,
    most: int,
    sums: DeviceArray,
    counts: DeviceArray,
    *,
    centroids: DeviceArray | None = None,
    spread: DeviceArray | None = None,
) -> None: ...
def centroid_update(
    sums: DeviceArray,
    counts: DeviceArray,
    grid: DeviceArray,
    keep: float,
    add: float,
    normalize: bool,
    size_average: DeviceArray,
    sum_average: DeviceArray,
    centroids: DeviceArray,
) -> None: ...
def halve(
    rows: DeviceArray,
    assignments: DeviceArray,
    centroids: DeviceArray,
    sums: DeviceArray,
    counts: DeviceArray,
    grid: DeviceArray,
    most: int,
    stale: DeviceArray,
    halves: DeviceArray,
    half_sums: DeviceArray,
    half_counts: DeviceArray,
    gains: DeviceArray,
    spreads: DeviceArray,
    sides: DeviceArray,
) -> None: ...
def relocate(
    assignments: DeviceArray,
    centroids: DeviceArray,
    sums: DeviceArray,
    counts: DeviceArray,
    grid: DeviceArray,
    nearest_of_zeros: DeviceArray,
    nearest_of_ones: DeviceArray,
    bit: int,
    stale: DeviceArray,
    halves: DeviceArray,
    half_sums: DeviceArray,
    half_counts: DeviceArray,
    gains: DeviceArray,
    sides: DeviceArray,
    gained: DeviceArray,
) -> None: ...
def dual_ascent(
    outputs: DeviceArray,
    targets: DeviceArray,
    ids: DeviceArray,
    multipliers: DeviceArray,
    epsilon: float | DeviceArray,
    lr: float,
    losses: DeviceArray,
    slacks: DeviceArray,
    before: DeviceArray,
    log_sum_exp: DeviceArray | None,
    gradient: DeviceArray | None,
    lagrangian: DeviceArray,
    report: DeviceArray,
    *,
    loss: str,
    gradient_scale: float = 1.0,
    bf16: bool = False,
) -> None: ...
def dual_ascent_losses(
    losses: DeviceArray,
    dual_losses: DeviceArray,
    ids: DeviceArray,
    multipliers: DeviceArray,
    epsilon: float | DeviceArray,
    lr: float,
    slacks: DeviceArray,
    before: DeviceArray,
    lagrangian: DeviceArray,
    report: DeviceArray,
) -> None: ...
def dual_ascent_gradient(
    outputs: DeviceArray,
    targets: DeviceArray,
    losses: DeviceArray,
    log_sum_exp: DeviceArray | None,
    before: DeviceArray,
    gradient: DeviceArray,
    scale: float,
    *,
    loss: str,
    bf16: bool = False,
) -> None: ...
