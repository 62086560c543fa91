from dataclasses import replace

import numpy as np
import pytest

from ally_fast.experiments.comparison import curves, difference, interval
from ally_fast.experiments.curves_figure import draw_curves
from ally_fast.experiments.round_rows import RoundRow
from ally_fast.experiments.summary import signed, table, text

VALUES = {
    "random": [[0.5, 0.6, 0.7], [0.4, 0.5, 0.7], [0.5, 0.7, 0.8]],
    "ally": [[0.5, 0.7, 0.8], [0.4, 0.6, 0.8], [0.5, 0.8, 0.9]],
}


def rows(values=VALUES):
    return [
        RoundRow(
            arm=arm,
            seed=seed,
            round=number,
            labeled=100 + 200 * number,
            accuracy=value,
            epochs=1,
            kept_epoch=1,
            train_seconds=1.0 + number,
            query_seconds=None if number == 2 else 0.25,
            threads=1,
        )
        for arm, seeds in values.items()
        for seed, of_seed in enumerate(seeds)
        for number, value in enumerate(of_seed)
    ]


def test_curves():
    random, ally = curves(rows())
    assert (random.arm, ally.arm) == ("random", "ally")
    assert random.labeled.tolist() == [100, 300, 500]
    assert np.array_equal(ally.values, VALUES["ally"])
    assert ally.area == pytest.approx([0.75, 0.7, 0.85])


def test_a_seed_that_has_not_ended_shortens_the_curve():
    short = rows()[:-1]  # ally's last seed lacks a round
    ally = curves(short)[1]
    assert ally.values.shape == (3, 2)


def test_differences_are_paired():
    random, ally = curves(rows())
    gap = difference(ally, random)
    # 0.1 for each seed and round: no spread, although seeds differ much.
    assert (gap.mean, gap.low, gap.high) == pytest.approx((0.1, 0.1, 0.1))
    assert gap.verdict == "higher"
    assert difference(random, ally).verdict == "lower"
    assert difference(ally, random, at=0).mean == 0.0


def test_only_common_seeds_are_paired():
    random, ally = curves(rows({"random": VALUES["random"], "ally": VALUES["ally"][:2]}))
    assert difference(ally, random).seeds == 2


def test_the_interval_is_students():
    stats = pytest.importorskip("scipy.stats")
    values = np.array([0.3, -0.1, 0.4, 0.2, 0.1])
    low, high = stats.t.interval(0.95, 4, values.mean(), stats.sem(values))
    found = interval(values)
    assert (found.low, found.high) == pytest.approx((low, high))
    assert found.verdict == "not told apart"
    assert np.isnan(interval(values[:1]).low)


def test_the_table():
    head, random, ally = table(rows())
    assert head[3] == "accuracy, last round"
    assert random[:5] == ["random", "3", "500", "73.33 % ± 4.71 %", "66.67 %"]
    assert random[5] == ""
    assert ally[5] == "+10.00 (+10.00 to +10.00)"
    assert ally[6:] == ["2", "-", "0.25"]
    assert text([head, random, ally]).splitlines()[1].startswith("random  3      500")


def test_errors_are_not_percent():
    gap = interval(np.array([0.1, 0.1]))
    assert signed(gap, False) == "+0.100 (+0.100 to +0.100)"


def test_the_picture_shows_means_and_their_intervals():
    pytest.importorskip("matplotlib")
    pytest.importorskip("scipy")
    scattered = [[0.5, 0.6, 0.6], [0.4, 0.6, 0.8], [0.5, 0.7, 0.9]]
    found = curves(rows({**VALUES, "badge:start=typical": scattered}))
    left, middle, right = draw_curves(found, title="mine", metric="test accuracy").axes
    assert [text.get_text() for text in left.get_legend().get_texts()] == [c.arm for c in found]
    drawn = [line.get_ydata() for line in middle.get_lines()[:2]]
    np.testing.assert_allclose(drawn[0], (found[1].values - found[0].values).mean(axis=0))
    assert [label.get_text() for label in right.get_yticklabels()] == [
        "badge:start=typical",
        "ally",
    ]
    gap = difference(found[2], found[0])
    spans = [line.get_xdata() for line in right.get_lines() if len(line.get_xdata()) == 2]
    assert any(np.allclose(span, (gap.low, gap.high)) for span in spans)
    error = draw_curves(found, title="mine", metric="test error", lower_is_better=True)
    assert error.axes[0].get_ylabel() == "test error (lower is better)"
    assert [label.get_text() for label in error.axes[2].get_yticklabels()] == [
        "ally",
        "badge:start=typical",
    ]
    (alone,) = draw_curves(found[1:], title="mine", metric="test accuracy").axes
    assert len(alone.get_lines()) == 2


def test_macro_recall_stands_beside_accuracy():
    both = [replace(row, macro_recall=row.accuracy / 2) for row in rows()]
    head, random, ally = table(both)
    assert head[6:8] == ["macro recall, mean", "less random's (95 %)"]
    assert random[6:8] == ["33.33 %", ""]
    assert ally[6:8] == ["38.33 %", "+5.00 (+5.00 to +5.00)"]
    recall = curves(both, metric="macro_recall")[1]
    np.testing.assert_allclose(recall.values, np.array(VALUES["ally"]) / 2)
