"""Herding: the contract, the picks of an oracle, and what is drawn or left out."""

import numpy as np
import pytest
import reference
from strategy_contract import StrategyContract, softmax, world

from ally_fast import _cpu
from ally_fast.ops.sample_rows import sample_rows
from ally_fast.strategies import (
    ALLYHerding,
    Context,
    MaxHerding,
    UncertaintyHerding,
    WeakHeadWarning,
    coverage,
    herding,
    near_points,
)
from ally_fast.strategies.temperature import at_temperature, best_temperature


def clouds(n=300, d=7, seed=0, dtype=np.float32):
    rng = np.random.default_rng(seed)
    centres = 2 * rng.normal(size=(12, d))
    rows = rng.normal(size=(n, d)) + centres[rng.integers(12, size=n)]
    return rows.astype(dtype)


def smallest(points):
    """Return the smallest distance above 0, pair by pair."""
    squares = reference.squared_distance(points, points)
    return float(np.sqrt(squares[squares > 0].min()))


def margins(probabilities):
    best = np.sort(np.asarray(probabilities, np.float64), axis=1)
    return best[:, -1] - best[:, -2]


class HerdingContract(StrategyContract):
    follows_seed = True  # of the targets

    def weights(self, given):
        """Return what all rows weigh."""
        raise NotImplementedError

    @pytest.mark.parametrize("b", [1, 9, 60], ids="b={}".format)
    @pytest.mark.parametrize("width", [None, 0.5, 4.0], ids="width={}".format)
    def test_is_the_reference(self, b, width):
        given = self.given()
        rows, labeled = given["embeddings"], given["labeled_embeddings"]
        strategy = type(self.make())(width=width)
        found = strategy.query(Context(**given), b)
        expected = reference.herding(
            rows, rows, self.weights(given), labeled, width or smallest(labeled), b
        )
        np.testing.assert_array_equal(found, expected)

    def test_is_the_reference_for_targets_drawn_among_eligible_rows(self):
        given = self.given()
        left = np.delete(np.arange(60), [4, 5, 40])
        drawn = np.sort(sample_rows(60, 20, 3, np.isin(np.arange(60), left)))
        rows, labeled = given["embeddings"], given["labeled_embeddings"]
        expected = reference.herding(
            rows[left], rows[drawn], self.weights(given)[drawn], labeled, smallest(labeled), 12
        )
        found = self.ask(given, 12, seed=3, exclude=[4, 5, 40])
        np.testing.assert_array_equal(found, left[expected])

    def test_prefixes_are_smaller_batches(self):
        np.testing.assert_array_equal(self.ask(self.given(), 7), self.ask(self.given(), 50)[:7])

    @pytest.mark.parametrize("isa", ["portable", "avx2", "avx512"])
    @pytest.mark.parametrize("threads", ["1", "3"])
    def test_threads_and_instruction_sets_change_nothing(self, isa, threads, monkeypatch):
        if isa not in _cpu.isas():
            pytest.skip(f"this machine has no {isa}")
        expected = self.ask(self.given(), 20)
        monkeypatch.setenv("ALLY_FAST_ISA", isa)
        monkeypatch.setenv("ALLY_FAST_THREADS", threads)
        np.testing.assert_array_equal(self.ask(self.given(), 20), expected)

    def test_blocks_change_nothing(self, monkeypatch):
        expected = self.ask(self.given(), 30)
        for block, front, batch in ((1, 1, 1), (50, 7, 3), (1 << 20, 60, 100)):
            monkeypatch.setattr(near_points, "_BLOCK", block)
            monkeypatch.setattr(coverage, "_FRONT", front)
            monkeypatch.setattr(coverage, "_BATCH", batch)
            np.testing.assert_array_equal(self.ask(self.given(), 30), expected)

    def test_a_gpu_is_refused(self):
        with pytest.raises(RuntimeError, match="cuda"):
            self.ask(self.given(), 5, device="cuda:0")


class TestMaxHerding(HerdingContract):
    pieces = ("embeddings", "labeled_embeddings")

    def make(self):
        return MaxHerding(targets=20)

    def weights(self, given):
        return np.ones(60)


class TestUncertaintyHerding(HerdingContract):
    pieces = ("embeddings", "labeled_embeddings", "probabilities")

    def make(self):
        return UncertaintyHerding(targets=20)

    def weights(self, given):
        return 1 - margins(given["probabilities"])

    def test_regression_is_refused(self):
        with pytest.raises(ValueError, match=r"UncertaintyHerding: .*a regression task"):
            self.ask(self.given(), 5, labeled_targets=np.zeros(8, np.float32))

    def test_a_model_sure_of_all_rows(self):
        """All weigh the same, then."""
        given = self.given()
        given["probabilities"] = np.eye(3)[np.arange(60) % 3]
        plain = {piece: given[piece] for piece in TestMaxHerding.pieces}
        expected = MaxHerding().query(Context(**plain), 9)
        np.testing.assert_array_equal(UncertaintyHerding().query(Context(**given), 9), expected)

    def test_a_temperature(self):
        given = self.given()
        rows, labeled = given["embeddings"], given["labeled_embeddings"]
        flat = at_temperature(given["probabilities"].astype(np.float64), 4.0)
        weights, width = 1 - margins(flat), smallest(labeled)
        expected = reference.herding(rows, rows, weights, labeled, width, 9)
        found = UncertaintyHerding(4.0).query(Context(**given), 9)
        np.testing.assert_array_equal(found, expected)

    def test_the_temperature_of_labeled_rows(self):
        """Three in four are right, at a probability of nearly 1: flattened, they are 3/4."""
        targets = np.arange(200) % 2
        predicted = np.where(np.arange(200) % 8 < 2, 1 - targets, targets)
        sure = np.where(np.eye(2)[predicted] > 0, 0.999, 0.001)
        temperature = best_temperature(sure, targets)
        assert at_temperature(sure, temperature).max() == pytest.approx(0.75, abs=0.06)
        given = {**self.given(), "labeled_probabilities": sure, "labeled_targets": targets}
        expected = UncertaintyHerding(temperature).query(Context(**self.given()), 9)
        np.testing.assert_array_equal(UncertaintyHerding().query(Context(**given), 9), expected)

    def test_a_model_near_chance_is_warned_of(self):
        given = {**self.given(), "labeled_targets": np.arange(60) % 2}
        given["labeled_probabilities"] = np.tile([0.6, 0.4], (60, 1))
        with pytest.warns(WeakHeadWarning, match="UncertaintyHerding: the model has") as caught:
            UncertaintyHerding().query(Context(**given), 9)
        assert caught[0].filename == __file__

    @pytest.mark.parametrize("temperature", [0, -1.0, np.inf, "1"], ids=repr)
    def test_temperatures_that_cannot_be_used(self, temperature):
        with pytest.raises((ValueError, TypeError), match=r"^temperature: got "):
            UncertaintyHerding(temperature)


class TestALLYHerding(HerdingContract):
    pieces = ("embeddings", "labeled_embeddings", "dual_scores")

    def make(self):
        return ALLYHerding(targets=20)

    def weights(self, given):
        return np.maximum(given["dual_scores"], 0)

    def test_scores_below_0_count_as_0(self):
        given = self.given()
        given["dual_scores"] -= 1.0
        clamped = {**given, "dual_scores": np.maximum(given["dual_scores"], 0)}
        found = ALLYHerding().query(Context(**given), 9)
        np.testing.assert_array_equal(found, ALLYHerding().query(Context(**clamped), 9))
        assert found.tolist() != MaxHerding().query(Context(**self.plain(given)), 9).tolist()

    @staticmethod
    def plain(given):
        return {piece: given[piece] for piece in TestMaxHerding.pieces}


class FirstFeature:
    """Scores by the first feature, and remembers how many rows it scored."""

    def fit(self, embeddings, multipliers):
        self.fitted = embeddings, multipliers
        return self

    def score(self, embeddings):
        self.scored = len(embeddings)
        return embeddings[:, 0]


class TestALLYHerdingWithAHead(StrategyContract):
    pieces = ("embeddings", "labeled_embeddings", "multipliers")
    follows_seed = True

    def make(self):
        return ALLYHerding(FirstFeature(), targets=20)

    def test_targets_alone_are_scored(self):
        head, given = FirstFeature(), self.given()
        found = ALLYHerding(head, targets=20).query(Context(**given), 9)
        assert head.scored == 20
        np.testing.assert_array_equal(head.fitted[0], given["labeled_embeddings"])
        np.testing.assert_array_equal(head.fitted[1], given["multipliers"])
        del given["multipliers"]
        given["dual_scores"] = given["embeddings"][:, 0]
        np.testing.assert_array_equal(ALLYHerding(targets=20).query(Context(**given), 9), found)

    def test_a_dual_head(self):
        pytest.importorskip("torch")
        from ally_fast.primal_dual import DualHead

        labeled = world(300)["embeddings"]
        given = {"labeled_embeddings": labeled, "multipliers": np.maximum(labeled[:, 0], 0)}
        embeddings = self.given()["embeddings"]
        found = ALLYHerding().query(Context(embeddings=embeddings, seed=3, **given), 20)
        scores = DualHead(seed=3).fit(labeled, given["multipliers"]).score(embeddings)
        same = Context(
            embeddings=embeddings, labeled_embeddings=labeled, dual_scores=scores, seed=3
        )
        np.testing.assert_array_equal(found, ALLYHerding().query(same, 20))

    @pytest.mark.parametrize("head", [3, "DualHead"], ids=str)
    def test_a_head_that_is_none(self, head):
        with pytest.raises(TypeError, match=r"head: got .*, needs an object with fit and score"):
            ALLYHerding(head)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int16])
@pytest.mark.parametrize("offset", [0, 1000])
def test_dtypes_and_offsets(dtype, offset):
    rows = (100 * clouds(dtype=np.float64)).round().astype(dtype) + dtype(offset)
    labeled = rows[::40]
    expected = reference.herding(rows, rows, np.ones(300), labeled, smallest(labeled), 25)
    found = MaxHerding().query(Context(embeddings=rows, labeled_embeddings=labeled), 25)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("scale", [1.0, 4.0, 1e-30, 1e30])
def test_cosine_is_the_reference_of_unit_rows(scale):
    rows = clouds()
    units = reference.normalize_rows(rows)
    expected = reference.herding(units, units, np.ones(300), units[:6], smallest(units[:6]), 9)
    context = Context(
        embeddings=rows * np.float32(scale), labeled_embeddings=rows[:6] * np.float32(scale)
    )
    np.testing.assert_array_equal(MaxHerding(metric="cosine").query(context, 9), expected)


@pytest.mark.parametrize("scale", [1e-100, 1e100])
def test_rows_far_beyond_float32(scale):
    rows = clouds(dtype=np.float64)
    near, far = (
        MaxHerding().query(Context(embeddings=x, labeled_embeddings=x[:6]), 25)
        for x in (rows, rows * scale)
    )
    np.testing.assert_array_equal(far, near)


@pytest.mark.parametrize("labeled", [0, 1, 2], ids="{} alike".format)
def test_without_two_labeled_rows_the_first_targets_tell_the_width(labeled):
    rows = clouds()
    points = np.repeat(rows[:1], labeled, axis=0)
    drawn = sample_rows(300, 300, 5)[:50]
    expected = reference.herding(rows, rows, np.ones(300), points, smallest(rows[drawn]), 9)
    context = Context(embeddings=rows, labeled_embeddings=points, seed=5)
    np.testing.assert_array_equal(MaxHerding().query(context, 9), expected)


def test_candidates_are_bounded_by_their_pairs(monkeypatch):
    """Without a label every pair counts: 300 x 300 of them."""
    rows = clouds()
    monkeypatch.setattr(herding, "_PILOT", 64)
    context = Context(embeddings=rows, labeled_embeddings=np.empty((0, 7)), seed=2)
    whole = MaxHerding(width=9.0).query(context, 9)
    monkeypatch.setattr(herding, "_MOST_PAIRS", 300 * 300)
    np.testing.assert_array_equal(MaxHerding(width=9.0).query(context, 9), whole)
    monkeypatch.setattr(herding, "_MOST_PAIRS", 40 * 300)
    candidates = np.sort(sample_rows(300, 40, 2))
    expected = reference.herding(rows[candidates], rows, np.ones(300), np.empty((0, 7)), 9.0, 40)
    found = MaxHerding(width=9.0).query(context, 40)
    np.testing.assert_array_equal(found, candidates[expected])
    more = MaxHerding(width=9.0).query(context, 300)
    assert sorted(more.tolist()) == list(range(300))


def test_labeled_rows_leave_room_for_all_candidates(monkeypatch):
    rows = clouds()
    context = Context(embeddings=rows, labeled_embeddings=rows[::3])
    expected = MaxHerding().query(context, 30)
    monkeypatch.setattr(herding, "_MOST_PAIRS", 300 * 300 // 30)
    np.testing.assert_array_equal(MaxHerding().query(context, 30), expected)


def test_more_targets_for_larger_batches():
    assert MaxHerding()._target_count(50) == 4096
    assert MaxHerding()._target_count(2000) == 8000
    assert MaxHerding()._target_count(10**6) == 65536
    assert MaxHerding(targets=7)._target_count(2000) == 7


@pytest.mark.parametrize(
    "arguments",
    [{"width": 0.0}, {"width": np.inf}, {"targets": 0}, {"targets": 70_000}, {"metric": "dot"}],
    ids=repr,
)
@pytest.mark.parametrize("make", [MaxHerding, UncertaintyHerding, ALLYHerding])
def test_arguments_that_cannot_be_used(make, arguments):
    (name,) = arguments
    with pytest.raises(ValueError, match=rf"^{name}: got "):
        make(**arguments)


def test_a_streamed_pool(tmp_path):
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    from ally_fast.pools import open_pool

    rows = clouds()
    for shard in range(4):
        part = list(rows[shard * 75 : shard * 75 + 75])
        parquet.write_table(
            arrow.table({"x": part}), tmp_path / f"{shard}.parquet", row_group_size=10
        )
    rest = {"labeled_embeddings": rows[:5], "seed": 3}
    expected = MaxHerding(targets=50).query(Context(embeddings=rows, **rest), 20)
    pool = open_pool(tmp_path, column="x")
    found = MaxHerding(targets=50).query(Context(embeddings=pool, chunk_rows=7, **rest), 20)
    np.testing.assert_array_equal(found, expected)


def test_softmax_of_a_temperature():
    logits = np.random.default_rng(0).normal(size=(20, 4))
    expected = softmax(logits / 3)
    np.testing.assert_allclose(at_temperature(softmax(logits), 3.0), expected, rtol=1e-12)
    ends = at_temperature(np.array([[1.0, 0.0, 0.0]]), 0.125)
    assert ends.tolist() == [[1.0, 0.0, 0.0]]
