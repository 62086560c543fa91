"""The results page is drawn from recorded rows, and says what they say."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

pytest.importorskip("scipy")

from ally_fast.experiments.round_rows import RoundFile, RoundRow
from benchmarks import experiments


@pytest.fixture
def recorded(tmp_path):
    """Record a run of two arms, three seeds and two rounds."""
    run = tmp_path / "run"
    (run / "rows").mkdir(parents=True)
    header = {
        "commands": [
            *("ally-fast experiment x --seeds 2 -o x", "ally-fast experiment y"),
            *("ally-fast experiment x --seeds 3 -o x", "ally-fast experiment x -o x"),
        ],
        "data": "made",
        "versions": {"torch": "2"},
        "machine": "some",
        "commit": "abc",
        "jobs": 2,
        "threads": 1,
    }
    (run / "experiment.json").write_text(json.dumps(header))
    arms = {"ally": 0.1, "ally:scores=random": 0.04, "badge": 0.3, "random": 0.0}
    for arm, lead in arms.items():
        for seed in range(3):
            for number in range(2):
                more = {} if number else {"batch": [1, 2], "batch_loss": 2.0, "pool_loss": 0.5}
                of_ally = {"active_share": 0.5, "multiplier_quantiles": [0.0] * 11}
                row = RoundRow(
                    arm=arm,
                    seed=seed,
                    round=number,
                    labeled=10 + number,
                    accuracy=0.5 + lead * number + 0.01 * seed,
                    epochs=4,
                    kept_epoch=3,
                    train_seconds=1.0,
                    threads=1,
                    mean_multiplier=0.25 if arm == "ally" else None,
                    max_multiplier=0.5 if arm == "ally" else None,
                    **(of_ally if arm == "ally" else {}),
                    **more,
                )
                RoundFile(run / "rows", arm, seed).append(row)
    begun = RoundRow(
        **{"arm": "random", "seed": 3, "round": 0, "labeled": 10, "accuracy": 0.9},
        **{"epochs": 4, "kept_epoch": 3, "train_seconds": 1.0, "threads": 1},
    )
    RoundFile(run / "rows", "random", 3).append(begun)
    for name in ("made", "again"):
        experiments.collect(run, name, tmp_path / "recorded")
    return tmp_path / "recorded"


def test_a_command_with_more_seeds_replaces_that_with_fewer(recorded):
    assert experiments.load("made", recorded).header["commands"] == [
        *("ally-fast experiment x --seeds 3 -o x", "ally-fast experiment y"),
        "ally-fast experiment x -o x",
    ]


def test_rows_are_taken_over_without_batches(recorded):
    """And without the seed that is under way."""
    found = experiments.load("made", recorded)
    assert len(found.rows) == 4 * 3 * 2
    assert found.header["arms"] == ["random", "ally", "ally:scores=random", "badge"]
    assert all(row.batch is None for row in found.rows)
    assert [row.accuracy for row in found.rows[:2]] == [0.5, 0.5]


@pytest.mark.parametrize(
    ("name", "line"),
    [
        (
            "claimant",
            "| random | 3 | +10.00 (+10.00 to +10.00) | +10.00 (+10.00 to +10.00) | better |",
        ),
        (
            "claimant",
            "| badge | 3 | -20.00 (-20.00 to -20.00) | -20.00 (-20.00 to -20.00) | worse |",
        ),
        (
            "growth",
            "| 11 | +10.00 (+10.00 to +10.00) | +4.00 (+4.00 to +4.00) | +6.00 (+6.00 to +6.00) |",
        ),
        ("batches", "| ally | 4.0 |"),
        ("multipliers", "| 10 | 3 / 4 | 50% | 0.250 | 0.000 | 0.000 | 0.50 |"),
        ("conditions", "made. some, 2 processes of 1 thread each; torch 2; commit abc."),
        ("conditions", "    ally-fast experiment x"),
    ],
)
def test_tables(name, line, recorded):
    text = f"a\n<!-- experiment:made:{name} -->\nold\n<!-- /experiment:made:{name} -->\nz\n"
    drawn = experiments.replaced(text, recorded)
    assert line in drawn
    assert "old" not in drawn
    assert drawn.startswith("a\n")
    assert drawn.endswith(f"<!-- /experiment:made:{name} -->\nz\n")


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("attribution", "| margins | `badge` less `random` | +30.00 (+30.00 to +30.00) |"),
        ("beside", "| arm | made: 10 labels | made: 11 labels | made: 11 labels | again: 10"),
        ("beside", "| ally | 51.0 ± 0.8 | 61.0 ± 0.8 | 61.0 ± 0.8 | 51.0 ± 0.8 |"),
    ],
)
def test_experiments_side_by_side(name, line, recorded, monkeypatch):
    monkeypatch.setattr(
        experiments, "STEPS", (("margins", "random", "badge"), ("none", "random", "absent"))
    )
    marker = f"experiment:made+again:{name}"
    drawn = experiments.replaced(f"<!-- {marker} -->\n<!-- /{marker} -->\n", recorded)
    assert line in drawn
    assert "absent" not in drawn


def test_a_table_nobody_draws_is_an_error(recorded):
    with pytest.raises(KeyError, match="nothing"):
        experiments.replaced(
            "<!-- experiment:made:nothing -->\n<!-- /experiment:made:nothing -->", recorded
        )


def test_pictures(recorded, tmp_path):
    """Arms with other k are in a picture of their own, beside random and ALLY."""
    made = experiments.load("made", recorded)
    of_k = [replace(row, arm="ally:k=3") for row in made.rows if row.arm == "badge"]
    experiments.draw_figures(made, tmp_path)
    experiments.draw_figures(replace(made, name="more", rows=[*made.rows, *of_k]), tmp_path)
    found = sorted(path.name for path in tmp_path.glob("*.png"))
    assert found == ["results_made.png", "results_more-k.png", "results_more.png"]


def test_the_page_is_drawn_from_the_rows():
    assert experiments.main(["--check"]) == 0
