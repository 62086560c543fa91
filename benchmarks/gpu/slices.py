"""What a GPU machine measures: slices of groups; a group is what one process measures."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from benchmarks.plan import POOLS

MILLION = 1_000_000
KERNELS = ["portable", "sm90a"]
DIMENSIONS = (64, 128, 256, 768)
CLUSTERS = [100, 1000, 10_000]
BUDGET = 10_000
TRITON = ["flash_kmeans", "flashlib"]
EVERYONE = [*TRITON, "fastkmeans", "faiss_gpu", "cuvs", "torch_matmul"]
RECIPES = [f"{peer}:recipe" for peer in (*TRITON, "faiss_gpu", "cuvs", "fastkmeans")]
DEFAULTS = [f"{peer}:default" for peer in (*TRITON, "faiss_gpu", "cuvs", "fastkmeans")]  # slow last
REAL_POOLS = ("sentences", "reviews", "kdd")


@dataclass(frozen=True)
class Group:
    """One process's work.

    Parameters
    ----------
    slice : str
        What it belongs to: the unit that is asked for.
    kind : str
        Module of ``benchmarks.gpu`` whose ``measure`` does it.
    arguments : dict
        Passed to ``measure``; JSON.
    seconds : float
        What it should take on an H200.
    row_seconds : float
        A row that takes longer than this is stopped, and all rows of its kernel are dropped.
    """

    slice: str
    kind: str
    arguments: dict[str, Any] = field(default_factory=dict)
    seconds: float = 20.0
    row_seconds: float = 15.0

    @property
    def name(self) -> str:
        """Slice and what sets the group apart."""
        told = [str(self.arguments[key]) for key in TOLD if key in self.arguments]
        return " ".join([self.slice, self.kind, *told])


TOLD = ("dataset", "n", "m", "d", "dtype", "place")


def groups(plan: str) -> list[Group]:
    """List the groups of a plan.

    Parameters
    ----------
    plan : str
        "quick" (what the gates need, about four minutes), "full", or "dry" (tiny shapes: checks
        the machinery).
    """
    return {"quick": _quick, "full": _full, "dry": _dry}[plan]()


def slices(plan: str) -> list[str]:
    """List the slices of a plan in order."""
    return list(dict.fromkeys(group.slice for group in groups(plan)))


def chosen(plan: str, wanted: list[str]) -> list[Group]:
    """Keep the groups of the slices named, or of those that begin with a name and a hyphen.

    Raises
    ------
    ValueError
        If a name is no slice of the plan. The ceilings always come first.
    """
    known = groups(plan)
    if not wanted:
        return known
    kept = []
    for name in wanted:
        found = [g for g in known if g.slice == name or g.slice.startswith(f"{name}-")]
        if not found:
            raise ValueError(f"no slice {name!r} in plan {plan!r}: {', '.join(slices(plan))}")
        kept += [group for group in found if group not in kept]
    first = [group for group in known if group.slice == "ceilings" and group not in kept]
    return first + kept


def _ceilings() -> Group:
    sizes = {"copy_bytes": 4 << 30, "matmul_size": 8192, "upload_bytes": 2 << 30}
    return Group("ceilings", "ceilings", sizes, 15.0)


def _assign(slice_: str, seconds: float, **changes: Any) -> Group:
    arguments = {
        "ks": CLUSTERS,
        "dtypes": ["float16", "float32"],
        "kernels": KERNELS,
        "peers": TRITON,
        **changes,
    }
    return Group(slice_, "assign", arguments, seconds)


def _select(slice_: str, seconds: float, row_seconds: float = 15.0, **changes: Any) -> Group:
    arguments = {
        "n": 10 * MILLION,
        "d": 128,
        "ks": [1000],
        "b": BUDGET,
        "dtype": "float16",
        "place": "device",
        "kernels": KERNELS,
        "peers": [],
        **changes,
    }
    return Group(slice_, "select", arguments, seconds, row_seconds)


def _dual(cs: list[int], dtype: str, seconds: float, **changes: Any) -> Group:
    arguments = {"m": MILLION, "cs": cs, "dtype": dtype, **changes}
    return Group("dual", "dual_ascent", arguments, seconds)


def _quick() -> list[Group]:
    half = {"dtypes": ["float16"], "ks": [1000, 10_000]}
    return [
        _ceilings(),
        _assign("assign", 40.0, n=10 * MILLION, d=128, **half),
        _select("select", 55.0, peers=["flash_kmeans:default", *RECIPES[:3]]),
        _select("select-host", 35.0, place="host", dtype="float32"),
        _dual([1000], "bfloat16", 20.0, compiled=False),
        _dual([1000], "float32", 20.0, compiled=False),
    ]


def _full() -> list[Group]:
    found = [_ceilings()]
    for d in DIMENSIONS:
        peers = EVERYONE if d == 128 else TRITON
        found.append(_assign("assign-1m", 20.0, n=MILLION, d=d, peers=peers))
    for d in DIMENSIONS:
        peers = EVERYONE if d == 128 else []
        found.append(
            _assign("assign-10m", 25.0 + d / 20, n=10 * MILLION, d=d, peers=peers, repeats=5)
        )
    half = {"dtypes": ["float16"], "ks": [1000], "repeats": 3}
    found.append(_assign("assign-100m", 40.0, n=100 * MILLION, d=64, **half))
    for dtype in ("float16", "float32"):
        found.append(_select("select", 55.0, dtype=dtype, peers=[*RECIPES, *DEFAULTS[:3]]))
    found.append(_select("select-slow", 120.0, 120.0, kernels=[], peers=DEFAULTS[3:]))
    for dtype, peers in (("float32", [*RECIPES[:3], DEFAULTS[0]]), ("float16", [])):
        found.append(
            _select("select-host", 50.0, 90.0, place="host", dtype=dtype, peers=peers, budget=30.0)
        )
    for n in (MILLION, 10 * MILLION):
        for d in DIMENSIONS:
            shape = {"n": n, "d": d, "ks": CLUSTERS, "peers": RECIPES[:2], "budget": 5.0}
            found.append(_select("select-shapes", 25.0, **shape))
    for dtype in ("float32", "bfloat16"):
        found.append(_dual([10, 100, 1000], dtype, 60.0))
    shape = {"n": MILLION, "d": 128, "k": 1000, "b": BUDGET}
    found.append(Group("scale", "scale", shape, 90.0, 250.0))
    # There is time for rivals that compile for each shape, or take long.
    found = [replace(group, row_seconds=max(group.row_seconds, 60.0)) for group in found]
    for name in REAL_POOLS:
        n, d = POOLS[name]
        shape = {"dataset": name, "n": n, "d": d, "ks": [500]}
        found.append(_assign("pools", 12.0, dtypes=["float32"], **shape))
        found.append(_select("pools", 14.0, dtype="float32", peers=RECIPES[:3], **shape))
    return found


def _dry() -> list[Group]:
    """Tiny shapes, enough for every kind of row; time enough for emulated kernels."""
    sizes = {"copy_bytes": 1 << 20, "matmul_size": 64, "upload_bytes": 1 << 20}
    small = {"n": 600, "d": 16, "repeats": 1, "budget": 2.0}
    found = [
        Group("ceilings", "ceilings", sizes, 5.0),
        _assign("assign", 10.0, ks=[7], dtypes=["float32"], kernels=["portable"], **small),
        _select("select", 10.0, ks=[5], b=20, kernels=["portable"], peers=RECIPES[:1], **small),
        _select("select-host", 10.0, ks=[5], b=20, kernels=["portable"], place="host", **small),
        _dual([10], "float32", 5.0, m=64, compiled=False, repeats=1),
    ]
    return [replace(group, row_seconds=120.0) for group in found]
