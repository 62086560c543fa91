"""Rows of a GPU machine: crashes, resume, rates, quality, gates, tables. No GPU is needed."""

import dataclasses
import importlib
import json
import os
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks import gates, process, quality, report, rows, tail, verdicts
from benchmarks.gpu import bench, rates, recorder, slices
from benchmarks.gpu.race import Contestant
from benchmarks.gpu.recorder import FILE, Recorder
from benchmarks.gpu.slices import Group
from benchmarks.gpu.summary import FAILED, PASSED, STOPPED
from benchmarks.process import Ended
from benchmarks.rows import Row
from benchmarks.tables import GPU_TABLES

HARDWARE = {"gpu": "NVIDIA H200", "cores": 16, "driver": "580", "cuda": "13.0"}
STAMP = {"hardware": HARDWARE, "build": "abc", "command": "a command", "date": "2026-01-01"}


def row(bench_, engine, setting, seconds=None, **fields):
    shape = {"dataset": "mixture", "n": verdicts.N, "d": 128, "k": 1000, "b": 0, "dtype": "float16"}
    made = Row(bench_, engine, setting, **{**shape, **STAMP, **fields})
    if seconds is not None:
        made.seconds, made.other_cores = [seconds], [None]
    return made


@pytest.fixture
def keeper(tmp_path):
    return Recorder(tmp_path / "out", tmp_path / "marker", STAMP, [], 60.0)


def test_a_measurement_that_fails_is_a_row_and_the_others_go_on(keeper, tmp_path):
    first, second = (keeper.row("gpu_assign", "ally_fast", name) for name in ("a", "b"))
    with keeper.attempt(first):
        assert json.loads((tmp_path / "marker").read_text())["setting"] == "a"
        raise RuntimeError("illegal memory access")
    with keeper.attempt(second):
        second.seconds.append(0.5)
        keeper.keep(second)
    kept = rows.stored(tmp_path / "out")
    assert [(r.setting, r.status) for r in kept] == [("a", "failed"), ("b", "ok")]
    assert kept[0].reason == "RuntimeError: illegal memory access"
    assert not (tmp_path / "marker").exists()
    assert not keeper.wanted(first)


def test_what_is_not_installed_is_skipped(keeper, tmp_path):
    wanted = keeper.row("gpu_assign", "flashlib", "default")
    with keeper.attempt(wanted):
        import no_such_rival  # noqa: F401
    assert (wanted.status, wanted.reason) == ("skipped", "no_such_rival is not installed")


def test_rows_of_a_run_are_one_file_and_dtypes_are_kept_apart(tmp_path):
    for dtype in ("float16", "float32", "float16"):
        rows.store(tmp_path, row("gpu_assign", "ally_fast", "a", 1.0, dtype=dtype), FILE)
    rows.store(tmp_path, row("gpu_ops", "ally_fast", "a", 1.0), FILE)
    assert [path.name for path in tmp_path.iterdir()] == ["gpu.jsonl"]
    assert len(rows.load(tmp_path)) == 3


def test_resume_keeps_ours_of_this_source_and_rivals_of_any(tmp_path):
    ours, rival = row("gpu_assign", "ally_fast", "a", 1.0), row("gpu_assign", "flashlib", "d", 1.0)
    lost = row("gpu_assign", "flashlib", "e")
    lost.status = "failed"
    for made in (ours, rival, lost):
        rows.store(tmp_path, made, FILE)
    now = Recorder(tmp_path, tmp_path / "marker", {**STAMP, "build": "def"}, [], 60.0)
    same = Recorder(tmp_path, tmp_path / "marker", STAMP, [], 60.0)
    again = [dataclasses.replace(made, build="def") for made in (ours, rival, lost)]
    assert [now.wanted(made) for made in again] == [True, False, True]
    assert not same.wanted(ours)


def test_nothing_is_started_without_time(tmp_path):
    late = Recorder(tmp_path, tmp_path / "marker", STAMP, [], -1.0)
    assert not late.wanted(late.row("gpu_assign", "ally_fast", "a"))


class FakeWorker:
    """Stands in for the process of a group; `acts` say what each start of it does."""

    def __init__(self, out, acts):
        self.out, self.acts, self.skipped, self.dropped = out, list(acts), [], []

    def __call__(self, command, log, seconds, *, env, watch):
        spec = json.loads(Path(command[-1]).read_text())
        self.skipped.append(spec["skip"])
        self.dropped.append(spec["dropped"])
        act = self.acts.pop(0)
        log.write_text("Segmentation fault\n")
        if act in ("crash", "hang"):
            marker = Path(spec["marker"])
            marker.write_text(row("gpu_select", "faiss_gpu", "default").to_json())
            if act == "hang":
                old = time.time() - 100
                os.utime(marker, (old, old))
                return Ended(-9, 1.0, watch())
            return Ended(-11, 1.0)
        if act == "lost":
            return Ended(1, 1.0)
        if act == "broken":
            lost = row("gpu_assign", "ally_fast", "sm90a certified", isa="sm90a")
            lost.status, lost.reason = "failed", "illegal memory access"
            rows.store(self.out, lost, FILE)
            return Ended(recorder.BROKEN, 1.0)
        rows.store(self.out, row("gpu_select", "ally_fast", "portable", 1.0), FILE)
        Path(spec["answer"]).write_text("{}")
        return Ended(0, 1.0)


GROUP = Group("select", "select", {"n": 5}, 10.0, 30.0)


@pytest.mark.parametrize(
    ("act", "reason"),
    [("crash", "exit status -11: Segmentation fault"), ("hang", "not finished after 30 s")],
)
def test_a_rival_that_kills_the_process_is_left_out(monkeypatch, tmp_path, act, reason):
    worker = FakeWorker(tmp_path, [act, "fine"])
    monkeypatch.setattr(process, "run", worker)
    outcome = bench.bench(tmp_path, 100.0, [GROUP], "a command")
    broken, ours = rows.load(tmp_path)
    assert (broken.engine, broken.status, broken.reason) == ("faiss_gpu", "failed", reason)
    assert ours.ok
    assert worker.skipped == [[], [broken.key]]
    assert worker.dropped == [[], ["faiss_gpu"]]
    assert outcome.status == PASSED
    assert outcome.counts["failed"] == 1


def test_a_kernel_that_broke_the_device_is_dropped_for_the_whole_run(monkeypatch, tmp_path):
    worker = FakeWorker(tmp_path, ["broken", "fine", "fine"])
    monkeypatch.setattr(process, "run", worker)
    other = dataclasses.replace(GROUP, arguments={"n": 6})
    bench.bench(tmp_path, 100.0, [GROUP, other], "a command")
    assert worker.dropped == [[], ["ally_fast sm90a"], ["ally_fast sm90a"]]


def test_rows_of_a_dropped_kernel_say_so(tmp_path):
    marker = tmp_path / "marker"
    keeper = Recorder(tmp_path, marker, STAMP, [], 60.0, ["ally_fast sm90a"])
    rows_of_it = [
        keeper.row(bench_, "ally_fast", "x", isa="sm90a") for bench_ in ("gpu_assign", "gpu_select")
    ]
    assert not any(keeper.wanted(made) for made in rows_of_it)
    assert keeper.wanted(keeper.row("gpu_assign", "ally_fast", "y", isa="portable"))
    assert {made.reason for made in rows.load(tmp_path)} == {"ally_fast sm90a was stopped before"}


def test_a_worker_that_begins_no_row_is_stopped(monkeypatch, tmp_path):
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    marker = tmp_path / "marker"
    watch = bench._Watch(marker, 15.0)
    now[0] += 40
    assert watch() is None
    marker.write_text("")  # a row is measured
    now[0] += 40
    assert watch() is None
    os.utime(marker, (time.time() - 16,) * 2)
    assert watch() == "not finished after 15 s"
    marker.unlink()
    now[0] += 46
    assert watch() == "no row was begun for 45 s"


def test_the_portable_kernel_is_timed_before_the_hopper_one():
    from benchmarks.gpu.race import hopper_last

    made = [
        Contestant(row("gpu_assign", engine, setting, isa=isa), None, None)
        for engine, setting, isa in (
            ("ally_fast", "a", "portable"),
            ("ally_fast", "b", "sm90a"),
            ("flashlib", "c", None),
        )
    ]
    first, last = hopper_last(made)
    assert [entry.row.setting for entry in first] == ["a", "c"]
    assert [entry.row.setting for entry in last] == ["b"]
    assert hopper_last(made[:1]) == [made[:1]]


def test_centroids_are_trained_inside_the_watchdog_of_the_first_row(tmp_path, monkeypatch):
    from benchmarks.gpu import assign

    keeper = Recorder(tmp_path, tmp_path / "marker", STAMP, [], 60.0)
    seen = []

    def train(*arguments):
        seen.append((tmp_path / "marker").exists())
        raise RuntimeError("seen enough")

    monkeypatch.setattr(assign, "_centroids", train)
    monkeypatch.setattr(assign, "pool", lambda *arguments: None)
    shape = {"n": 5, "d": 2, "ks": [3], "dtypes": ["float32"], "kernels": ["portable"], "peers": []}
    device = SimpleNamespace(held=1, synchronize=lambda: None)
    assign.measure(keeper, device, assign.Work(**shape))
    assert seen == [True, True]  # certified and not


def test_no_row_of_the_quick_plan_may_take_more_than_15_seconds():
    assert all(group.row_seconds <= 15 for group in slices.groups("quick"))


def test_a_group_that_dies_between_rows_is_a_failure_of_ours(monkeypatch, tmp_path):
    monkeypatch.setattr(process, "run", FakeWorker(tmp_path, ["lost"]))
    outcome = bench.bench(tmp_path, 100.0, [GROUP], "a command")
    assert outcome.status == FAILED
    assert "Segmentation fault" in outcome.detail


def test_groups_that_find_no_time_are_named(monkeypatch, tmp_path):
    monkeypatch.setattr(process, "run", FakeWorker(tmp_path, []))
    outcome = bench.bench(tmp_path, 5.0, [GROUP], "a command")
    assert outcome.status == STOPPED
    assert outcome.counts["left"] == ["select select 5"]


@pytest.mark.parametrize("name", ["quick", "full", "dry"])
def test_plans_name_what_they_measure(name):
    known = slices.groups(name)
    assert known[0].slice == "ceilings"
    assert len({group.name for group in known}) == len(known)
    assert all(group.seconds > 0 and group.row_seconds > 0 for group in known)
    for group in known:
        kind = importlib.import_module(f"benchmarks.gpu.{group.kind}")
        assert kind.Work(**json.loads(json.dumps(group.arguments)))


def test_the_plan_holds_the_gates_shapes():
    for name in ("quick", "full"):
        groups = slices.groups(name)
        assign = [g.arguments for g in groups if g.kind == "assign"]
        assert any(
            a["n"] == verdicts.N and a["d"] == 128 and {1000, 10_000} <= set(a["ks"])
            for a in assign
        )
        places = {g.arguments["place"] for g in groups if g.kind == "select"}
        assert places == {"device", "host"}
    assert sum(group.seconds for group in slices.groups("quick")) <= 260


def test_slices_are_chosen_by_name_ceilings_first():
    chosen = slices.chosen("full", ["assign"])
    assert {group.slice for group in chosen} == {
        "ceilings", "assign-1m", "assign-10m", "assign-100m"
    }  # fmt: skip
    assert [group.slice for group in slices.chosen("full", ["dual"])][:2] == ["ceilings", "dual"]


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
        rows.store(tmp_path, made, FILE)
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


@pytest.mark.gpu
@pytest.mark.slow
def test_the_whole_bench_runs_on_tiny_shapes(tmp_path, monkeypatch):
    from benchmarks.gpu import __main__ as runner

    monkeypatch.delenv("ALLY_FAST_GPU_PEERS", raising=False)

    runner.main(["--out", str(tmp_path), "--plan", "dry", "--parts", "bench", "--minutes", "5"])
    found = rows.load(tmp_path)
    ours = [made for made in found if made.engine == "ally_fast" and made.bench != "gpu_ops"]
    assert len(ours) == 4
    assert [made.reason for made in ours if not made.ok] == []
    assert all(made.inertia > 0 for made in ours)
    certified = next(made for made in ours if made.options.get("certify"))
    assert certified.extra["wrong_labels"] == 0
    written = json.loads((tmp_path / "summary.json").read_text())
    assert written["parts"][0]["status"] == PASSED
    assert {path.name for path in tmp_path.iterdir()} == {"bench.log", "gpu.jsonl", "summary.json"}
