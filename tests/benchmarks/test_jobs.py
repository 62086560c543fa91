"""A job asks a process of its own, and its rows hold what the process answers."""

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks import rows, run
from benchmarks.job import Job
from benchmarks.plan import Shape

SHAPE = Shape("small", 20, 4, 2, 3, limit=20)
BOTH = [("ally_fast", "fast"), ("rival", "slow")]
STUB = """
import os, sys, time
def measure(spec):
    act = spec["act"]
    if act == "crash":
        print("last words", flush=True)
        os._exit(9)
    if act == "hang":
        time.sleep(60)
    if act == "raise":
        raise ValueError("two\\nlines")
    if act == "import":
        import no_such_rival
    times = {"seconds": [0.5], "other_cores": [None], "peak_exact": True}
    isa, threads = os.environ["ALLY_FAST_ISA"], os.environ["OMP_NUM_THREADS"]
    extra = {"isa": isa, "threads": threads, "told": [spec["n"], spec["limit"], spec["dataset"]]}
    bytes_ = {"peak_bytes": 7, "extra_bytes": spec["extra_bytes"]}
    return {name: {**times, **bytes_, "extra": extra} for name in spec["names"]}
"""


@pytest.fixture
def job(tmp_path, monkeypatch):
    """Return what makes a job that a stub measures."""
    (tmp_path / "stub_of_a_benchmark.py").write_text(STUB)
    known = os.environ.get("PYTHONPATH", "")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), known]))

    def make(act, **how):
        spec = {"act": act, "threads": 3, "extra_bytes": 5}
        return Job.of("select", SHAPE, BOTH, spec=spec, module="stub_of_a_benchmark", **how)

    return make


def test_what_is_measured_goes_into_the_rows(job):
    made = job("measure", isa="avx2")
    made.run(60.0)
    made.spec["extra_bytes"] = 4
    made.run(60.0)
    for row, name in zip(made.rows, ("ally_fast:fast", "rival:slow"), strict=True):
        assert row.name == f"select/small-20x4/k2/{name}"
        assert (row.ok, row.seconds, row.peak_exact) == (True, [0.5, 0.5], True)
        assert (row.peak_bytes, row.extra_bytes) == (7, 5)  # the largest of the repeats
        assert row.extra == {"isa": "avx2", "threads": "3", "told": [20, 20, "small"]}


@pytest.mark.parametrize(
    ("act", "seconds", "status", "reason"),
    [
        ("crash", 60.0, "failed", "exit status 9: last words"),
        ("raise", 60.0, "failed", "ValueError: two lines"),
        ("import", 60.0, "skipped", "no_such_rival is not installed"),
        ("hang", 1.0, "skipped", "not finished after 1 s"),
    ],
)
def test_without_an_answer_the_rows_say_why(job, act, seconds, status, reason):
    made = job(act)
    made.run(seconds)
    assert {(row.status, row.reason) for row in made.rows} == {(status, reason)}


def test_who_sits_out_is_not_asked(job):
    made = job("measure", reasons={"rival": "too slow"})
    made.run(60.0)
    assert [row.status for row in made.rows] == ["ok", "skipped"]
    assert made.rows[1].reason == "too slow"


def test_a_stopped_run_goes_on_where_it_was(job, tmp_path, monkeypatch):
    """Rows of the same configuration are kept; without the core its rows are skipped."""

    class Bench:
        @staticmethod
        def jobs(isas, args):
            return [job("measure", slow=False)]

    monkeypatch.setattr(run, "BENCHES", [Bench])
    monkeypatch.setattr(run, "_isas", lambda: [])
    words = ["--out", str(tmp_path / "out"), "--no-report", "--repeats", "2", "--patience", "0"]
    for _ in range(2):
        assert run.main(words) == 0
        ours, rival = sorted(rows.load(tmp_path / "out"), key=lambda row: row.engine)
        assert (ours.status, ours.reason) == ("skipped", "the native core is not built")
        assert rival.seconds == [0.5, 0.5]
    assert run.main([*words, "--only", "nobody"]) == 0


def test_every_measurement_of_the_plan_has_a_name_of_its_own():
    jobs = run._jobs(run.parser().parse_args([]))
    kinds = [(row.name, row.b, row.dtype) for made in jobs for row in made.rows]
    assert len(kinds) > 500
    assert len(set(kinds)) == len(kinds)
    assert {row.threads for made in jobs for row in made.rows} == {jobs[0].spec["threads"]}
