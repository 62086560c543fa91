"""Rows survive their file, tables are drawn from them, gates judge them."""

import dataclasses
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks import gates, report, rows, tables, tail
from benchmarks.plan import MAIN
from benchmarks.rows import Row

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
        ("sklearn, AMX", gates.UNMEASURED, "no AMX on this machine"),
        ("sklearn, AVX-512", gates.MISSED, "400"),  # 2 % worse inertia than it may be
        ("published loop", gates.REACHED, "60"),
        ("faiss, AVX-512", gates.REACHED, "8.0"),
        ("superkmeans, AVX-512", gates.MISSED, "0.80"),
        ("every shape", gates.MISSED, "superkmeans"),
        ("certified", gates.UNMEASURED, "no rows"),
        ("memory", gates.REACHED, "of the bound"),
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


def test_a_marker_nobody_draws_is_an_error(device):
    text = "<!-- benchmark:nothing -->\n<!-- /benchmark:nothing -->"
    with pytest.raises(KeyError, match="nothing"):
        report.replaced(text, [device])


@pytest.mark.parametrize("name", sorted(tables.TABLES))
def test_every_table_is_drawn_from_few_rows(device, name):
    assert tables.TABLES[name](device)


@pytest.mark.parametrize(
    ("n", "k", "b"), [(500, 7, 100), (500, 7, 499), (40, 40, 9), (300, 90, 300)]
)
def test_the_rivals_tail_is_even_and_takes_the_best(n, k, b):
    generator = np.random.default_rng(n + k)
    clusters, scores = generator.integers(0, k, n), generator.random(n)
    rank = [np.sum((clusters == clusters[i]) & (scores > scores[i])) for i in range(n)]
    expected = np.lexsort((-scores, rank))[:b]
    assert np.array_equal(tail.best_per_cluster(clusters, scores, b, k), expected)
