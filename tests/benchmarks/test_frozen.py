"""The recommended strategy follows from recorded rows, by the rule that the docs state."""

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

pytest.importorskip("scipy")

from ally_fast.experiments.round_rows import RoundRow
from benchmarks import frozen

ASKED_FOR = frozen.SEEDS
SETS = ("minilm", "imdb", "mnist", "kdd")
HEADER = {
    **{"commands": ["ally-fast experiment x"], "data": "made", "versions": {"torch": "2"}},
    **{"machine": "some", "commit": "abc", "jobs": 2, "threads": 1},
}


def record(folder, leads, sets=SETS):
    """Record arms whose accuracy and recall lie above random's by some points in each set.

    A lead is a number, or one for each set; seeds scatter by a point about it.
    """
    leads = {"random": 0.0, **leads}
    for place, name in enumerate(sets):
        path = folder / f"frozen-{name}"
        path.mkdir()
        (path / "experiment.json").write_text(json.dumps({**HEADER, "arms": list(leads)}))
        rows = []
        for arm, lead in leads.items():
            points = lead[place] if isinstance(lead, tuple) else lead
            for seed in range(3):
                for number in range(2):
                    value = 0.5 + 0.01 * (points + (seed - 1) * (arm != "random")) * number
                    rows.append(
                        RoundRow(
                            **{"arm": arm, "seed": seed, "round": number, "labeled": 10 + number},
                            **{"accuracy": value, "macro_recall": value - 0.1, "threads": 1},
                            **{"epochs": 1, "kept_epoch": 1, "train_seconds": 1.0},
                        )
                    )
        (path / "rows.jsonl").write_text("".join(row.to_json() + "\n" for row in rows))
    return folder


@pytest.fixture(autouse=True)
def few_seeds(monkeypatch):
    monkeypatch.setattr(frozen, "SEEDS", 3)


def rule(tmp_path, leads, **more):
    return frozen.recommended(frozen.measured(record(tmp_path, leads, **more)))


def test_the_lowest_mean_rank_wins(tmp_path):
    # badge is far ahead in one set, cluster_margin ahead of it in the others.
    leads = {"margin": 5, "cluster_margin": 7, "badge": (6, 6, 6, 30)}
    assert rule(tmp_path, leads).strategy == "cluster_margin"


def test_an_arm_that_is_below_random_anywhere_is_out(tmp_path):
    leads = {"margin": 5, "cluster_margin": (30, 30, -8, 30)}
    assert rule(tmp_path, leads).strategy == "margin"


def test_not_told_apart_from_random_is_not_out(tmp_path):
    assert rule(tmp_path, {"cluster_margin": (30, 30, -1, 30)}).strategy == "cluster_margin"


def test_random_remains(tmp_path):
    assert rule(tmp_path, {"margin": -9}) == frozen.Recommended("random", "random")


@pytest.mark.parametrize(
    ("typical", "start"),
    [((5, 5, 5, 12), "typical"), ((5, 5, 5, 5), "random"), ((12, 5, -12, 12), "random")],
    ids=["better in one", "the same", "worse in one"],
)
def test_the_start(typical, start, tmp_path):
    """Scatter is the same for both: differences have none, so "the same" is no difference."""
    leads = {"margin": 5, "margin:start=typical": typical}
    assert rule(tmp_path, leads) == frozen.Recommended("margin", start)


def test_a_typical_start_is_no_strategy(tmp_path):
    leads = {"margin": 5, "badge": 4, "badge:start=typical": 50}
    assert rule(tmp_path, leads).strategy == "margin"


def test_nothing_is_recommended_before_all_is_measured(tmp_path):
    assert rule(tmp_path, {"margin": 5}, sets=SETS[:3]) is None


def test_nothing_is_recommended_with_few_seeds(tmp_path, monkeypatch):
    monkeypatch.setattr(frozen, "SEEDS", 4)
    assert rule(tmp_path, {"margin": 5}) is None


def test_of_equals_the_first_by_name(tmp_path):
    assert rule(tmp_path, {"margin": 5, "badge": 5}).strategy == "badge"


def test_an_arm_that_lacks_a_set_is_no_candidate(tmp_path):
    record(tmp_path, {"margin": 5}, sets=SETS[3:])
    # Places in `leads` are by set, here of the first three.
    assert rule(tmp_path, {"margin": 5, "badge": 9}, sets=SETS[:3]).strategy == "margin"


def test_the_tables(tmp_path):
    page = "".join(
        f"<!-- frozen:{name} -->\nold\n<!-- /frozen:{name} -->\n" for name in frozen.TABLES
    )
    empty = frozen.replaced(page, tmp_path)
    assert empty.count("not measured yet") == 4
    assert "decides nothing yet: minilm has 0 of 3 seeds, imdb has 0 of 3 seeds, " in empty
    drawn = frozen.replaced(page, record(tmp_path, {"margin": 5}, sets=("kdd",)))
    assert "| strategy | first labels | kdd, accuracy | kdd, macro recall | mean rank |" in drawn
    assert "| `random` | random | 50.00 % | 40.00 % | 2.0 |" in drawn
    assert "| `margin` | random | +5.00 ± 2.48 | +5.00 ± 2.48 | 1.0 |" in drawn
    assert "made. some, 2 processes of 1 thread each; torch 2; commit abc." in drawn
    assert "old" not in drawn
    with pytest.raises(KeyError, match="nothing"):
        frozen.replaced("<!-- frozen:nothing -->\n<!-- /frozen:nothing -->", tmp_path)


def test_losses_and_typical_starts_in_the_table(tmp_path):
    leads = {"margin": 5, "badge": -9, "badge:start=typical": 1, "margin:start=typical": 6}
    drawn = frozen.draw_gains(record(tmp_path, leads))
    assert [line.split("|")[1:3] for line in drawn.splitlines()[3:]] == [
        [" `margin` ", " random "],
        [" `badge` ", " random "],
        [" `margin` ", " typical "],
        [" `badge` ", " typical "],
    ]
    assert "| **-9.00 ± 2.48** | out |" in drawn
    assert "| +1.00 ± 2.48 | \N{EN DASH} |" in drawn


def test_the_leader_against_others_and_by_budget(tmp_path):
    leads = {"margin": 5, "margin:start=typical": 6, "badge": 3, "badge:start=typical": 9}
    folder = record(tmp_path, {**leads, "entropy": -9})
    rivals = frozen.draw_rivals(folder).splitlines()
    assert rivals[0].startswith("| `margin` less | first labels of both | minilm, accuracy |")
    assert [line.split("|")[1:4] for line in rivals[2:]] == [
        [" `badge` ", " random ", " +2.00 ± 0.00 "],
        [" `random` ", " random ", " +5.00 ± 2.48 "],
        [" `badge` ", " typical ", " **-3.00 ± 0.00** "],
    ]
    budgets = frozen.draw_budgets(folder).splitlines()
    assert budgets[0].startswith("| labels, of `margin:start=typical` | minilm, accuracy |")
    assert budgets[2].startswith("| 10 | +0.00 ± 0.00 |")
    assert budgets[3].startswith("| 11 | +6.00 ± 2.48 |")


def test_few_seeds_are_told(tmp_path, monkeypatch):
    monkeypatch.setattr(frozen, "SEEDS", 4)
    folder = record(tmp_path, {"margin": 5})
    assert "kdd, macro recall (3 seeds)" in frozen.draw_gains(folder)
    assert "kdd has 3 of 4 seeds." in frozen.draw_default(folder)


def test_the_page_is_drawn_from_the_rows(monkeypatch):
    monkeypatch.setattr(frozen, "SEEDS", ASKED_FOR)
    assert frozen.main(["--check"]) == 0
