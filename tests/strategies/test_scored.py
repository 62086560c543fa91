"""Strategies that rank rows by a score: the contract, the formulas, the order of ties."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategy_contract import StrategyContract, softmax, world

from ally_fast.strategies import (
    BALD,
    Context,
    EntropySampling,
    LearningLoss,
    MarginSampling,
)


class ScoredContract(StrategyContract):
    """Strategies that take the rows of highest score."""

    def score_of(self, piece, row):
        """Compute one row's score in plain Python."""
        raise NotImplementedError

    def constant(self, n):
        """Return a piece in which all rows are alike."""
        (piece,) = self.pieces
        return np.repeat(world(1)[piece], n, axis=1 if piece == "mc_probabilities" else 0)

    @pytest.mark.parametrize("b", [1, 5, 60], ids="b={}".format)
    def test_takes_the_highest_scores(self, b):
        (piece,) = self.pieces
        values = self.given()[piece]
        scores = [self.score_of(values, row) for row in range(60)]
        order = sorted(range(60), key=lambda row: (-scores[row], row))
        assert self.ask(self.given(), b).tolist() == order[:b]

    @pytest.mark.parametrize("chunk_rows", [3, None], ids="chunk_rows={}".format)
    def test_equal_scores_in_order_of_index(self, chunk_rows):
        (piece,) = self.pieces
        given = {piece: self.constant(60)}
        picks = self.ask(given, 20, exclude=[0, 4], chunk_rows=chunk_rows)
        assert picks.tolist() == [row for row in range(60) if row not in (0, 4)][:20]

    def test_prefixes_are_smaller_batches(self):
        whole = self.ask(self.given(), 60)
        for b in (0, 1, 30):
            np.testing.assert_array_equal(self.ask(self.given(), b), whole[:b])

    @pytest.mark.parametrize("value", [np.nan, np.inf], ids=str)
    def test_values_that_are_not_finite(self, value):
        (piece,) = self.pieces
        given = self.given()
        np.moveaxis(given[piece], 1 if piece == "mc_probabilities" else 0, 0)[[31, 45]] = value
        with pytest.raises(ValueError, match=rf"{piece}: 2 of rows 0 to 59 .*first is row 31"):
            self.ask(given, 5)
        with pytest.raises(ValueError, match=rf"{piece}: 1 of rows 30 to 39 .*first is row 31"):
            self.ask(given, 5, chunk_rows=10)

    def test_whole_chunks_of_excluded_rows_are_not_asked_for(self):
        (piece,) = self.pieces
        asked = []

        def part(lo, hi):
            asked.append((lo, hi))
            values = self.given()[piece]
            return values[:, lo:hi] if piece == "mc_probabilities" else values[lo:hi]

        self.ask({piece: part}, 5, chunk_rows=20, exclude=np.arange(20, 41))
        assert asked == [(0, 20), (40, 60)]

    def test_a_part_of_another_length(self):
        (piece,) = self.pieces
        values = self.given()[piece]

        def part(lo, hi):
            return values[:, lo : hi - 1] if piece == "mc_probabilities" else values[lo : hi - 1]

        with pytest.raises(ValueError, match=rf"{piece}: got .*59.* for 60 rows"):
            self.ask({piece: part}, 5)


class OfProbabilities:
    """Errors of what should be class probabilities."""

    def with_rows(self, rows):
        (piece,) = self.pieces
        values = np.asarray(rows, np.float64)
        return {piece: np.stack([values] * 3) if piece == "mc_probabilities" else values}

    @pytest.mark.parametrize(
        "row", [[0.5, 0.6, 0.2], [-0.2, 0.6, 0.6], [3.0, -1.0, 0.5], [0.0, 0.0, 0.0]], ids=str
    )
    def test_logits_are_not_probabilities(self, row):
        given = self.with_rows([[0.5, 0.25, 0.25], row])
        with pytest.raises(ValueError, match=r"1 of rows 0 to 1 are not probabilities .* row 1"):
            self.ask(given, 1, n=2)

    def test_one_class(self):
        with pytest.raises(ValueError, match=r"got shape \(4, 1\) .* at least 2 classes"):
            self.ask(self.with_rows(np.ones((4, 1))), 1, n=4)

    def test_regression(self):
        targets = np.linspace(0, 1, 8)
        message = rf"{self.make().name}: got labeled_targets of float64, a regression task"
        with pytest.raises(ValueError, match=message):
            self.ask(self.given(), 5, labeled_targets=targets)
        self.ask(self.given(), 5, labeled_targets=np.arange(8))
        self.ask(self.given(), 5, labeled_targets=[0, 1, 1])

    def test_certain_rows_come_last(self):
        given = self.with_rows([[1, 0, 0], [0.5, 0.5, 0], [0, 0, 1], [0.25, 0.5, 0.25]])
        if isinstance(self.make(), BALD):
            given["mc_probabilities"][0, [1, 3]] = [[1, 0, 0], [0, 1, 0]]
        assert sorted(self.ask(given, 2, n=4).tolist()) == [1, 3]
        assert self.ask(given, 4, n=4).tolist()[2:] == [0, 2]

    def test_half_precision(self):
        (piece,) = self.pieces
        values = self.given()[piece].astype(np.float16)
        same = self.ask({piece: values.astype(np.float64)}, 15)
        np.testing.assert_array_equal(self.ask({piece: values}, 15), same)


def entropy_of(row):
    return -sum(float(p) * math.log(float(p)) for p in row if p > 0)


class TestEntropySampling(ScoredContract, OfProbabilities):
    pieces = ("probabilities",)

    def make(self):
        return EntropySampling()

    def score_of(self, values, row):
        return entropy_of(values[row])


class TestMarginSampling(ScoredContract, OfProbabilities):
    pieces = ("probabilities",)

    def make(self):
        return MarginSampling()

    def score_of(self, values, row):
        second, first = sorted(float(p) for p in values[row])[-2:]
        return second - first


class TestBALD(ScoredContract, OfProbabilities):
    pieces = ("mc_probabilities",)

    def make(self):
        return BALD()

    def score_of(self, values, row):
        """Mean Kullback-Leibler divergence of the passes from their mean: the same, otherwise."""
        mean = [sum(map(float, column)) / len(values) for column in values[:, row].T]
        divergences = [
            sum(float(p) * math.log(float(p) / q) for p, q in zip(one, mean, strict=True))
            for one in values[:, row]
        ]
        return sum(divergences) / len(divergences)

    def test_passes_that_agree_score_zero(self):
        """Rounding must not rank rows of which every pass says the same."""
        same = np.repeat(world(60)["probabilities"][None], 7, axis=0)
        assert self.ask({"mc_probabilities": same}, 60).tolist() == list(range(60))

    def test_sure_but_different_is_the_most(self):
        passes = np.stack([np.eye(3)[[0, 0, 0]], np.eye(3)[[0, 1, 0]]])
        passes[:, 2] = 1 / 3
        assert self.ask({"mc_probabilities": passes}, 1, n=3).tolist() == [1]

    def test_one_pass(self):
        with pytest.raises(ValueError, match="got 1 stochastic passes, needs at least 2"):
            self.ask({"mc_probabilities": self.given()["mc_probabilities"][:1]}, 5)

    def test_passes_of_different_classes(self):
        def passes(lo, hi):
            yield np.full((hi - lo, 3), 1 / 3)
            yield np.full((hi - lo, 4), 1 / 4)

        with pytest.raises(ValueError, match="pass 1 has 4 classes, the first has 3"):
            self.ask({"mc_probabilities": passes}, 5)

    def test_one_pass_at_a_time(self):
        """The next pass is asked for only when the one before has been used."""
        alive = []

        def passes(lo, hi):
            for _ in range(6):
                alive.append(1)
                yield softmax(np.zeros((hi - lo, 3)))
                assert alive.pop() == 1
                assert not alive

        self.ask({"mc_probabilities": passes}, 5)


class TestLearningLoss(ScoredContract):
    pieces = ("predicted_losses",)

    def make(self):
        return LearningLoss()

    def score_of(self, values, row):
        return float(values[row])

    def test_regression_as_well(self):
        self.ask(self.given(), 5, labeled_targets=np.linspace(0, 1, 8))

    def test_zeros_are_equal(self):
        losses = np.array([-0.0, 0.0, -0.0, 0.0])
        assert self.ask({"predicted_losses": losses}, 4, n=4).tolist() == [0, 1, 2, 3]


@given(
    losses=st.lists(st.integers(-3, 3), min_size=1, max_size=40),
    chunk_rows=st.integers(1, 50),
    data=st.data(),
)
def test_ties_everywhere(losses, chunk_rows, data):
    n = len(losses)
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    b = data.draw(st.integers(0, int((~mask).sum())))
    context = Context(predicted_losses=np.array(losses, float), exclude=mask, chunk_rows=chunk_rows)
    order = sorted((-losses[i], i) for i in range(n) if not mask[i])
    assert LearningLoss().query(context, b).tolist() == [i for _, i in order[:b]]
