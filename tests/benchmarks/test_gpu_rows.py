"""Rows of a GPU machine: rates, quality, gates, tables. No GPU is needed."""

import dataclasses
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from gpu_rows import HARDWARE, row

from benchmarks import gates, quality, report, rows, tail
from benchmarks.gpu import rates
from benchmarks.tables import GPU_TABLES


def test_rates():
    measured = row("gpu_assign", "ally_fast", "a", 0.004)
    known = {rates.MATMUL16: 800e12, rates.COPY: 4e12}
    rates.note_flops(measured, rates.assign_flops(10_000_000, 128, 1000), known)
    assert measured.extra["tflops"] == pytest.approx(640.0)
    assert measured.extra["of_ceiling"] == pytest.approx(0.8)
    moved = rates.dual_bytes(1000, 10, "bfloat16", backward=True)
    assert moved == 2 * 20_000 + 44_000
    measured = row("gpu_ops", "ally_fast", "a", moved / 2e12)
    rates.note_bytes(measured, moved, known)
    assert measured.extra["of_ceiling"] == pytest.approx(0.5)
    ceiling = row("gpu_ceiling", "torch", rates.COPY, 1.0, extra={"per_second": 5.0})
    assert rates.ceilings([measured, ceiling], HARDWARE["gpu"]) == {rates.COPY: 5.0}
    assert rates.ceilings([measured, ceiling], "NVIDIA H100") == {}


def test_labels_are_compared_in_float64(rng):
    x, centroids = rng.standard_normal((900, 8)), rng.standard_normal((6, 8))
    distances = ((x[:, None] - centroids) ** 2).sum(2)
    best = distances.argmin(1)
    assert quality.compare(x, centroids, best) == quality.Labels(0.0, pytest.approx(0.0, abs=1e-12))
    worse = best.copy()
    worse[:9] = distances[:9].argmax(1)
    found = quality.compare(x, centroids, worse)
    assert found.wrong == 0.01
    expected = distances[np.arange(900), worse].sum() / distances.min(1).sum() - 1
    assert found.excess == pytest.approx(expected)


@pytest.mark.parametrize("shape", [(500, 7, 100), (40, 40, 9), (300, 90, 300)])
def test_the_torch_tail_is_the_numpy_tail(shape):
    torch = pytest.importorskip("torch")
    n, k, b = shape
    generator = np.random.default_rng(n)
    clusters = generator.integers(0, k, n)
    scores = generator.standard_normal(n).astype(np.float32)
    on_device = torch.from_numpy(clusters), torch.from_numpy(scores)
    found = tail.best_per_cluster_on_device(torch, *on_device, b, k)
    assert np.array_equal(found.numpy(), tail.best_per_cluster(clusters, scores, b, k))


@pytest.fixture
def device():
    certified = {"options": {"certify": True}, "isa": "sm90a"}
    found = [
        row("gpu_assign", "ally_fast", "sm90a certified", 0.004, **certified),
        row("gpu_assign", "ally_fast", "sm90a certified", 0.042, **certified, k=10_000),
        row("gpu_assign", "flash_kmeans", "default", 0.014),
        row("gpu_select", "ally_fast", "sm90a", 0.010, inertia=1.0, isa="sm90a", extra_bytes=10**9),
        row("gpu_select", "flash_kmeans", "default", 0.35, inertia=1.02),
        row("gpu_select", "ally_fast", "sm90a host", 0.12, extra={"over_one_copy": 1.2}),
        row("gpu_ops", "ally_fast", "dual_ascent", 0.001, n=10**6, d=1000, dtype="float32"),
    ]
    for made in found:
        if made.bench == "gpu_assign":
            rates.note_flops(made, rates.assign_flops(made.n, made.d, made.k), {})
    found[-1].extra["of_ceiling"] = 0.8
    lost = row("gpu_assign", "flashlib", "default")
    lost.status, lost.reason = "failed", "no such kernel"
    return [*found, lost]


@pytest.mark.parametrize(
    ("gate", "verdict", "says"),
    [
        ("gpu assign rate", "reached", "640"),
        ("gpu assign, flashlib", "not measured", "no such kernel"),
        ("gpu assign, flash-kmeans", "missed", "3.5"),  # one k of two
        ("gpu select", "reached", "10.0 ms"),
        ("gpu select, flash-kmeans", "reached", "35"),
        ("gpu host rows", "reached", "1.20"),
        ("gpu dual_ascent", "missed", "80 %"),
        ("gpu dual_ascent, eager", "not measured", "no rows"),
        ("gpu memory", "reached", "of the bound"),
    ],
)
def test_gates_judge_the_rows(device, gate, verdict, says):
    found = {made.name: judged for made, judged in gates.judge(device, gpu=True)}[gate]
    assert (found.verdict, says in found.measured) == (verdict, True), found.measured


def test_rows_of_two_gpus_are_never_mixed(device, tmp_path):
    """On an H100 ratios count, rates do not; an H200's rows stay beside an H100's."""
    other = [dataclasses.replace(made, hardware=HARDWARE | {"gpu": "H100"}) for made in device]
    for made in (*device, *other):
        rows.store(tmp_path, made)
    assert len(rows.load(tmp_path)) == 2 * len(device)
    with pytest.raises(ValueError, match="NVIDIA H200, H100; needs those of one GPU"):
        gates.judge([*device, *other], gpu=True)
    verdicts = {gate.name: verdict for gate, verdict in gates.judge(other, gpu=True)}
    for absolute in ("gpu assign rate", "gpu select"):
        assert verdicts[absolute].verdict == "not measured"
        assert verdicts[absolute].measured.endswith("on H100; asked of an H200")
    assert verdicts["gpu select, flash-kmeans"].verdict == "reached"
    told = gates.told([*device, *other]).splitlines()
    assert [line for line in told if line.startswith("gates")] == [
        "gates, rows of NVIDIA H200:",
        "gates, rows of H100:",
    ]
    drawn = report.block("gpu-gates", [[*device, *other]])
    assert drawn.index("NVIDIA H200:") < drawn.index("H100:\n")


def test_what_is_of_a_gpu_alone_has_a_name_of_its_own():
    """And what CPU and GPU share knows nothing of it."""
    folder = Path(report.__file__).parent
    shared = {path.name: path for path in folder.glob("*.py")}
    assert set(shared) & {path.name for path in (folder / "gpu").glob("*.py")} == {"__init__.py"}
    shared |= {str(path): path for path in (folder / "tables").glob("*.py")}
    assert not [name for name, path in shared.items() if "benchmarks.gpu" in path.read_text()]


def test_without_rows_no_gate_is_judged():
    assert {verdict.verdict for _, verdict in gates.judge([], gpu=True)} == {"not measured"}


@pytest.mark.parametrize("name", sorted(GPU_TABLES))
def test_tables_are_drawn_with_and_without_rows(device, name):
    assert report.block(name, [device])
    assert report.block(name, [])


def test_tables_of_other_machines_do_not_see_gpu_rows(device):
    with pytest.raises(KeyError):
        report.replaced("<!-- benchmark:gpu-x -->\n<!-- /benchmark:gpu-x -->", [device])
    assert report.block("select", [device]) == ""
