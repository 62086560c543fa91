"""Rows survive their file, tables are drawn from them, gates judge them."""

import dataclasses
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks import gates, labels, report, rows, tail, verdicts
from benchmarks.plan import MAIN
from benchmarks.rows import Row
from benchmarks.tables import TABLES, markdown, operations, runs, selections

HARDWARE = {"cpu": "Some CPU", "family": "6/1/1", "cores": 2, "flags": ["avx512f"]}


def row(engine, setting, seconds, inertia=1.0, isa=None, **changes):
    shape = (MAIN.dataset, MAIN.n, MAIN.d, MAIN.k, MAIN.b)
    made = Row("select", engine, setting, *shape, "float32", isa=isa, threads=2)
    filled = dataclasses.replace(
        made, seconds=[seconds], inertia=inertia, picks=MAIN.b, n_iter=10, train_rows=256_000,
        peak_bytes=2, extra_bytes=1, peak_exact=True, date="2024-01-01T00:00:00+00:00",
        hardware={**HARDWARE, "memory_bytes": 2**34},
    )  # fmt: skip
    return dataclasses.replace(filled, **changes)


@pytest.fixture
def device():
    return [
        row("ally_fast", "default", 0.5, isa="avx512"),
        row("faiss_cpu", "recipe", 4.0, 1.01),
        row("superkmeans", "default", 0.4, 1.03),
        row("sklearn_kmeans", "default", 200.0, 0.98),
        row("published_loop", "default", 30.0, 1.02),
    ]


def test_rows_survive_their_file(device, tmp_path):
    for measured in device:
        rows.store(tmp_path, measured)
    assert rows.load(tmp_path) == device


def test_a_row_takes_the_place_of_the_one_of_its_name(device, tmp_path):
    rows.store(tmp_path, device[0])
    rows.store(tmp_path, dataclasses.replace(device[0], seconds=[0.25]))
    assert [kept.seconds for kept in rows.load(tmp_path)] == [[0.25]]


def test_configuration_knows_build_and_commit(device):
    ours, rival = device[:2]
    assert ours.config() != dataclasses.replace(ours, build="other").config()
    assert rival.config() == dataclasses.replace(rival, build="other").config()
    moved = dataclasses.replace(rival, commit="other")
    assert rival.config() != moved.config()
    assert rival.config(any_commit=True) == moved.config(any_commit=True)


@pytest.mark.parametrize(
    ("gate", "verdict", "says"),
    [
        ("sklearn, AMX", verdicts.UNMEASURED, "no AMX on this machine"),
        ("sklearn, AVX-512", verdicts.MISSED, "400"),  # 2 % worse inertia than it may be
        ("published loop", verdicts.REACHED, "60"),
        ("faiss, AVX-512", verdicts.REACHED, "8.0"),
        ("superkmeans, AVX-512", verdicts.MISSED, "0.80"),
        ("every shape", verdicts.MISSED, "superkmeans"),
        ("certified", verdicts.UNMEASURED, "no rows"),
        ("memory", verdicts.REACHED, "of the bound"),
    ],
)
def test_gates_judge_the_rows(device, gate, verdict, says):
    found = {made.name: judged for made, judged in gates.judge(device)}[gate]
    assert found.verdict == verdict
    assert says in found.measured


def test_pages_are_drawn_between_markers_only(device, tmp_path):
    page = tmp_path / "README.md"
    page.write_text("a\n<!-- benchmark:select -->\nold\n<!-- /benchmark:select -->\nz\n")
    for measured in device:
        rows.store(tmp_path / "rows", measured)
    arguments = [str(tmp_path / "rows"), "--root", str(tmp_path)]
    assert report.main([*arguments, "--check"]) == 1
    text = report.replaced(page.read_text(), [device])
    assert text.startswith("a\n<!-- benchmark:select -->\n| engine")
    assert text.endswith("<!-- /benchmark:select -->\nz\n")
    assert "old" not in text
    page.write_text(text)
    assert report.main([*arguments, "--check"]) == 0


def test_the_headline_is_the_machine_measured_last(device):
    gpu = [dataclasses.replace(device[0], bench="gpu_select")]
    assert report.headline([device[:1], device, device[:2], gpu]) == [device, gpu]
    later = [dataclasses.replace(device[0], date="2024-02-01T00:00:00+00:00")]
    assert report.headline([device[:1], later, device, gpu]) == [later, gpu]


def test_a_marker_nobody_draws_is_an_error(device):
    text = "<!-- benchmark:nothing -->\n<!-- /benchmark:nothing -->"
    with pytest.raises(KeyError, match="nothing"):
        report.replaced(text, [device])


OF_OTHER_ROWS = {
    "assign",
    "ops",
    "dual_ascent",
    "interrupt",
    "occupancy",
    "pools",
    "ray",
    "strategies",
    "training",
}


@pytest.mark.parametrize("name", sorted(set(TABLES) - OF_OTHER_ROWS))
def test_every_table_is_drawn_from_few_rows(device, name):
    assert TABLES[name](device)


@pytest.mark.parametrize("name", sorted(OF_OTHER_ROWS))
def test_a_table_without_its_rows_is_empty(device, name):
    assert TABLES[name](device) == ""


def test_the_brief_table_has_usual_settings_fastest_first_and_says_on_what(device):
    later = dataclasses.replace(device[1], date="2024-01-03T00:00:00+00:00")
    forced = row("ally_fast", "avx2", 0.1, isa="avx2")
    lines = selections.brief_table([device[0], later, device[2], forced]).splitlines()
    assert lines[2:5] == [
        "| SuperKMeans | 0.4 | +3.00 % | 10,000 |",
        "| **ally_fast** | 0.5 | +0.00 % | 10,000 |",
        "| FAISS, 10 it. | 4 | +1.00 % | 10,000 |",
    ]
    assert lines[6:] == [
        "Some CPU, 2 cores, 2 threads for each engine, ally_fast on avx512; "
        "2024-01-01 to 2024-01-03."
    ]
    assert selections.brief_table([]) == ""


def test_the_table_of_occupancy(device):
    def occupancy(engine, setting, seconds):
        return dataclasses.replace(
            device[0], bench="occupancy", engine=engine, setting=setting, seconds=[seconds]
        )

    found = [
        occupancy("ally_fast", "certified", 0.1),
        occupancy("ally_fast", "uncertified", 0.08),
        occupancy("amx", "products", 0.04),
    ]
    line = operations.occupancy_table(found).splitlines()[2]
    assert line.endswith(f"| 100 | {labels.times(1.25)} | 40 | 40 % |")
    assert operations.occupancy_table(found[:2]) == ""


def test_the_table_of_interruptions(device):
    row = dataclasses.replace(device[0], bench="interrupt", k=10_000, seconds=[0.2, 0.3])
    assert runs.interrupt_table([row]).splitlines()[2].endswith("| 10 k | 0.3 |")


def test_the_table_of_strategies(device):
    shape = {"bench": "strategies", "n": 1_000_000, "d": 64, "seconds": [2.0, 2.2]}
    ours = dataclasses.replace(device[0], setting="MaxHerding", extra_bytes=7_000_000, **shape)
    peer = {"engine": "skactiveml", "status": "skipped", "reason": "about 9 s and 3 GB"}
    lines = runs.strategies_table([dataclasses.replace(ours, **peer), ours]).splitlines()
    assert lines[2].endswith("| MaxHerding | 2.1 | 7 |")
    assert lines[3].endswith("| MaxHerding (scikit-activeml) | skipped: about 9 s and 3 GB |  |")


def test_the_table_of_training(device):
    rows = [
        dataclasses.replace(device[0], bench="training", engine=engine, setting=setting,
                            seconds=[seconds], inertia=inertia, n=1000, train_rows=200, n_iter=5,
                            extra={"rows_assigned_in_training": assigned})
        for engine, setting, seconds, inertia, assigned in [
            ("ally_fast", "seed 0", 1.0, 90.0, 3000),
            ("ally_fast", "seed 1", 3.0, 110.0, 4000),
            ("before", "seed 0", 8.0, 101.0, None),
            ("faiss_cpu", "recipe", 4.0, 99.0, None),
        ]
    ]  # fmt: skip
    cells = selections.training_table(rows).splitlines()[2].split(" | ")[1:]
    none = markdown.NOTHING
    assert cells[:6] == ["2 · 3.5", "8 · +1.00 %", none, none, none, "4 · -1.00 % · 1"]


def test_the_table_of_ray(device):
    told = {"bytes_put": 2e5, "bytes_to_tasks": 4e8, "bytes_returned": 2e7, "tasks": 73}
    row = dataclasses.replace(
        device[0], bench="ray", setting="ray2", n=10**6, seconds=[3.0, 2.0], extra=told
    )
    row = dataclasses.replace(row, stages={"assign": 1.0}, extra_bytes=37 << 20)
    alone = dataclasses.replace(row, setting="process", extra={})
    lines = runs.ray_table([row, alone]).splitlines()
    assert lines[2].startswith(f"| Ray, 2 worker processes | 1 M {labels.TIMES} ")
    assert lines[2].endswith("| 2 | 1 | 0.2 | 400 | 20 | 73 | 39 |")
    assert lines[3].endswith("| 2 | 1 |  |  |  |  | 39 |")


def steps(engine, seconds, dtype="float32"):
    made = Row("dual_ascent", engine, "cross_entropy", "outputs", 1024, 10, 0, 0, dtype)
    errors = {"loss_error": 2e-7, "gradient_error": 3e-6}
    return dataclasses.replace(
        made, seconds=[seconds], extra=errors, hardware={**HARDWARE, "memory_bytes": 2**34}
    )


def test_the_table_of_dual_ascent():
    measured = [
        steps("ally_fast", 1e-4),
        steps("torch_eager", 3e-4),
        steps("ally_fast", 1e-4, "bfloat16"),
    ]
    lines = operations.dual_ascent_table(measured).splitlines()
    assert len(lines) == 4
    # 2 * 4 * 1024 * 10 bytes in 0.1 ms
    assert lines[2] == (
        "| cross entropy, 1.02 k \N{MULTIPLICATION SIGN} 10 | float32 | 0.1 | "
        "0.3 · 3.0\N{MULTIPLICATION SIGN} | \N{EN DASH} | 0.8 | 2e-07, 3e-06 | 2e-07, 3e-06 |"
    )
    assert "| 0.4 |" in lines[3]


def test_a_machine_without_rows_of_a_kind_has_no_table(device):
    other = [dataclasses.replace(steps("ally_fast", 1e-4), hardware={**HARDWARE, "cpu": "Other"})]
    drawn = report.block("dual_ascent", [device, other])
    assert drawn.startswith("On Other:\n\n| work")
    assert report.block("dual_ascent", [device]) == ""


def test_a_step_is_measured_against_eager_torch():
    pytest.importorskip("torch")
    from benchmarks import bench_dual_ascent

    for loss, c in (("cross_entropy", 10), ("squared_error", 1)):
        spec = {"loss": loss, "n": 64, "d": c, "dtype": "float32", "threads": 1}
        names = [f"ally_fast:{loss}", f"torch_eager:{loss}"]
        found = bench_dual_ascent.measure({**spec, "names": names})
        assert list(found) == names
        for result in found.values():
            assert min(result["seconds"]) > 0
            assert result["extra"]["loss_error"] < 1e-6
            assert result["extra"]["gradient_error"] < 1e-5


@pytest.mark.parametrize(
    ("n", "k", "b"), [(500, 7, 100), (500, 7, 499), (40, 40, 9), (300, 90, 300)]
)
def test_the_rivals_tail_is_even_and_takes_the_best(n, k, b):
    generator = np.random.default_rng(n + k)
    clusters, scores = generator.integers(0, k, n), generator.random(n)
    rank = [np.sum((clusters == clusters[i]) & (scores > scores[i])) for i in range(n)]
    expected = np.lexsort((-scores, rank))[:b]
    assert np.array_equal(tail.best_per_cluster(clusters, scores, b, k), expected)


def test_a_machine_without_git_has_no_commit(monkeypatch, tmp_path):
    from benchmarks import machine

    monkeypatch.setenv("PATH", str(tmp_path))
    found = machine.source()
    assert (found["commit"], found["dirty"]) == (None, True)
