"""What a GPU machine measures, on torch's CPU: rivals, checks, rates, rows. No GPU is needed."""

import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

pytest.importorskip("torch")

import torch

from benchmarks import primal_dual_step, rows
from benchmarks.gpu import assign, ceilings, dual_ascent, rates, scale, select
from benchmarks.gpu.device import TorchDevice
from benchmarks.gpu.recorder import Recorder

STAMP = {"hardware": {"gpu": "torch's CPU"}, "build": "abc"}


class TorchOnCpu(TorchDevice):
    """The device of torch, its CPU instead of a GPU."""

    def __init__(self):
        self.torch, self.name, self.held = torch, "cpu", None

    def synchronize(self):
        pass

    def time(self, call, clock):
        began = time.perf_counter()
        return call(), time.perf_counter() - began

    def free_bytes(self):
        return 2**30, 0


class Lloyd:
    """A rival: k-means of torch, rows as they are."""

    given = "nothing"

    def prepare(self, rows):
        return rows

    def fit(self, rows, k, iterations):
        centroids = rows[:k].float()
        for _ in range(iterations or 3):
            labels = self.predict(rows, centroids)
            sums = torch.zeros_like(centroids).index_add_(0, labels, rows.float())
            sizes = torch.bincount(labels, minlength=k)[:, None]
            centroids = torch.where(sizes > 0, sums / sizes.clamp(min=1), centroids)
        return (self.predict(rows, centroids) if iterations is None else None), centroids

    def predict(self, rows, centroids):
        return torch.cdist(rows.float(), centroids).argmin(1)


@pytest.fixture
def device(monkeypatch):
    for name in ("empty_cache", "reset_peak_memory_stats", "synchronize"):
        monkeypatch.setattr(torch.cuda, name, lambda: None)
    for name in ("memory_allocated", "max_memory_allocated"):
        monkeypatch.setattr(torch.cuda, name, lambda: 0)
    return TorchOnCpu()


@pytest.fixture
def keeper(tmp_path):
    return Recorder(tmp_path / "out", tmp_path / "marker", STAMP, [], 60.0)


def by_name(keeper):
    return {f"{row.contestant} {row.dtype} {row.k}": row for row in keeper.stored}


def test_ceilings(device, keeper):
    ceilings.measure(keeper, device, ceilings.Work(1 << 16, 32, 1 << 16))
    known = rates.ceilings(keeper.stored, "torch's CPU")
    assert {rates.COPY, rates.MATMUL16, rates.MATMUL32} <= set(known)
    assert min(known.values()) > 0


def test_assignments_of_a_rival(device, keeper, monkeypatch):
    """Right labels are timed, labels that are not of the nearest centroids are a failure."""
    shape = {"n": 700, "d": 16, "ks": [5, 9], "dtypes": ["float32"], "kernels": []}
    work = assign.Work(**shape, peers=["torch_matmul", "cuvs"], repeats=3)
    assign.measure(keeper, device, work)
    found = by_name(keeper)
    for k in (5, 9):
        row = found[f"torch_matmul:default float32 {k}"]
        assert (row.ok, len(row.seconds), row.extra["wrong_labels"]) == (True, 3, 0.0)
        assert row.extra["tflops"] > 0
        assert 0 < row.inertia < 700
        assert found[f"cuvs:default float32 {k}"].reason == "cuvs is not installed"
    lazy = SimpleNamespace(given="", assigner=lambda rows, *_: lambda: torch.zeros(len(rows)))
    monkeypatch.setattr(assign, "load_peer", lambda name, device: lazy)
    assign.measure(keeper, device, assign.Work(**shape, peers=["lazy"]))
    row = by_name(keeper)["lazy:default float32 5"]
    assert row.status == "failed"
    assert "above the nearest centroids'" in row.reason


@pytest.mark.parametrize("place", ["device", "host"])
def test_selections_of_a_rival(device, keeper, place, monkeypatch):
    upload = keeper.row("gpu_ceiling", "torch", rates.UPLOAD, extra={"per_second": 1e9})
    upload.seconds.append(1.0)
    keeper.keep(upload)
    monkeypatch.setattr(select, "load_peer", lambda name, device: Lloyd())
    peers = ["lloyd:recipe", "lloyd:default"]
    how = {"dtype": "float16", "place": place, "kernels": [], "peers": peers, "repeats": 2}
    select.measure(keeper, device, select.Work(n=600, d=16, ks=[7], b=40, **how))
    suffix = " host" if place == "host" else ""
    for setting in ("recipe", "default"):
        row = by_name(keeper)[f"lloyd:{setting}{suffix} float16 7"]
        assert (row.ok, row.reason, row.picks, len(row.seconds)) == (True, "", 40, 2)
        assert {"train", "assign", "batch"} <= set(row.stages)
        assert 0 < row.inertia < 600
        assert ("over_one_copy" in row.extra) == (place == "host")
    assert row.n_iter is None


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_steps_of_torch(device, keeper, dtype):
    work = dual_ascent.Work(m=200, cs=[10], dtype=dtype, compiled=False, repeats=2)
    dual_ascent.measure(keeper, device, work)
    forward, backward = (row for row in keeper.stored if row.engine == "torch_eager")
    assert [row.ok for row in (forward, backward)] == [True, True]
    assert backward.extra["relative_error"] <= dual_ascent.WORST[dtype]
    assert "gradient_error" not in forward.extra
    assert forward.extra["gbytes_per_s"] > 0


def test_a_wrong_step_is_a_failure(monkeypatch, device, keeper):
    monkeypatch.setattr(
        primal_dual_step, "forward", lambda step, inputs: (step(inputs.outputs)[1] + 0.1, None)
    )
    work = dual_ascent.Work(m=200, cs=[10], dtype="float32", compiled=False)
    dual_ascent.measure(keeper, device, work)
    row = next(row for row in keeper.stored if row.engine == "torch_eager")
    assert row.status == "failed"
    assert "against float64" in row.reason


def test_scikit_learn_on_the_host_of_a_gpu(device, keeper):
    pytest.importorskip("sklearn")
    scale.measure(keeper, device, scale.Work(n=400, d=8, k=5, b=20))
    for row in keeper.stored:
        assert (row.ok, row.picks) == (True, 20)
        assert 0 < row.inertia < 400
    assert len(keeper.stored) == len(scale.ENGINES)


def test_rows_of_the_device_are_those_of_the_mixture(device):
    found = device.to_host(device.mixture(300, 8, 1, "float32"))
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-6)
    again = device.to_host(device.mixture(300, 8, 1, "float32"))
    np.testing.assert_array_equal(found, again)
    scores = device.to_host(device.scores(torch.from_numpy(found)))
    assert 0.1 < np.mean(scores == 0) < 0.6
    assert rows.ITEMSIZE[str(found.dtype)] == found.itemsize
