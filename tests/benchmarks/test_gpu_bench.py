"""Measuring on a GPU machine: crashes, hangs, resume, plans. No GPU is needed."""

import dataclasses
import importlib
import json
import os
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from gpu_rows import STAMP, row

from benchmarks import process, rows, verdicts
from benchmarks.gpu import assign, bench, recorder, slices
from benchmarks.gpu.race import Contestant, hopper_last
from benchmarks.gpu.recorder import Recorder
from benchmarks.gpu.slices import Group
from benchmarks.gpu.summary import FAILED, PASSED, STOPPED
from benchmarks.process import Ended


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
        rows.store(tmp_path, row("gpu_assign", "ally_fast", "a", 1.0, dtype=dtype))
    rows.store(tmp_path, row("gpu_ops", "ally_fast", "a", 1.0))
    assert [path.name for path in tmp_path.iterdir()] == ["gpu.jsonl"]
    assert len(rows.load(tmp_path)) == 3


def test_resume_keeps_ours_of_this_source_and_rivals_of_any(tmp_path):
    ours, rival = row("gpu_assign", "ally_fast", "a", 1.0), row("gpu_assign", "flashlib", "d", 1.0)
    lost = row("gpu_assign", "flashlib", "e")
    lost.status = "failed"
    for made in (ours, rival, lost):
        rows.store(tmp_path, made)
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
            rows.store(self.out, lost)
            return Ended(recorder.BROKEN, 1.0)
        rows.store(self.out, row("gpu_select", "ally_fast", "portable", 1.0))
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
