"""DropQuery: the contract, which rows are candidates, and the rows nearest to centroids."""

import math

import numpy as np
import pytest
import reference
from strategy_contract import StrategyContract, softmax, world

import ally_fast
from ally_fast import _cpu
from ally_fast.strategies import BALD, Context, DropQuery, dropout_passes


def nearest(rows, candidates, b, seed, normalize=False):
    """Return the row nearest to each centroid, then the second nearest, and so on."""
    metric = "cosine" if normalize else "euclidean"
    taken = np.asarray(rows)[candidates]
    if normalize:
        taken = reference.normalize_rows(taken)
    # The draw goes by the row's place in the pool: the others are left out, not taken away.
    left = np.setdiff1d(np.arange(len(rows)), candidates)
    _, info = ally_fast.select(
        *(rows, np.zeros(len(rows)), b, b),
        **{"exclude": left, "seed": seed, "metric": metric, "return_info": True},
    )
    clusters = reference.assign(taken, info.centroids)
    exact = reference.paired_squared_distance(taken, info.centroids, clusters)
    mean = info.inertia / min(256 * b, len(candidates))
    step = 2.0 ** (math.floor(math.log2(mean)) - 11) if mean else 1.0
    squares = [round(square / step) for square in exact]
    offers = []
    for cluster in range(b):
        members = np.flatnonzero(clusters == cluster)
        ranked = sorted((squares[m], int(candidates[m])) for m in members)
        offers += [(rank, *entry) for rank, entry in enumerate(ranked)]
    return [row for _, _, row in sorted(offers)[:b]]


def changes(given):
    plain = given["probabilities"].argmax(axis=1)
    return (given["mc_probabilities"].argmax(axis=2) != plain).sum(axis=0)


class TestDropQuery(StrategyContract):
    pieces = ("embeddings", "probabilities", "mc_probabilities")
    follows_seed = True  # of k-means

    def make(self):
        return DropQuery(candidates=2)

    @pytest.mark.parametrize("metric", ["euclidean", "cosine"])
    @pytest.mark.parametrize(("b", "candidates"), [(1, 1), (5, 1), (5, 4), (12, 3), (60, 25)])
    def test_is_the_reference(self, b, candidates, metric):
        given = self.given()
        changed = changes(given)  # of four passes
        for least in (3, 2, 1, 0):
            if (changed >= least).sum() >= min(candidates * b, 60):
                break
        kept = np.flatnonzero(changed >= least)
        expected = nearest(given["embeddings"], kept, b, 7, metric == "cosine")
        strategy = DropQuery(candidates=candidates, metric=metric)
        assert strategy.query(Context(**given, seed=7), b).tolist() == expected

    def test_excluded_rows_are_no_candidates(self):
        given = self.given()
        changed = changes(given)
        changed[[3, 9]] = -1
        kept = np.flatnonzero(changed >= 3)
        assert len(kept) >= 5
        found = DropQuery(candidates=1).query(Context(**given, seed=1, exclude=[3, 9]), 5)
        assert found.tolist() == nearest(given["embeddings"], kept, 5, 1)

    @pytest.mark.parametrize("isa", ["portable", "avx2", "avx512"])
    @pytest.mark.parametrize("threads", ["1", "3"])
    def test_threads_and_instruction_sets_change_nothing(self, isa, threads, monkeypatch):
        if isa not in _cpu.isas():
            pytest.skip(f"this machine has no {isa}")
        expected = self.ask(self.given(), 10)
        monkeypatch.setenv("ALLY_FAST_ISA", isa)
        monkeypatch.setenv("ALLY_FAST_THREADS", threads)
        np.testing.assert_array_equal(self.ask(self.given(), 10), expected)

    def test_rows_of_a_cluster_of_two_are_equally_near(self):
        """The lower index, wherever the centroid is rounded to."""
        rng = np.random.default_rng(0)
        for dtype in (np.float32, np.float64):
            rows = np.repeat(100 * rng.normal(size=(1, 5)), 2, axis=0).astype(dtype)
            rows[1] += rng.normal(size=5)
            plain = np.tile([0.6, 0.4], (2, 1))
            given = {"probabilities": plain, "mc_probabilities": plain[None, :, ::-1]}
            assert DropQuery().query(Context(embeddings=rows, **given), 1).tolist() == [0]

    def test_rows_that_are_no_candidates_are_not_read(self):
        given = self.given()
        expected = DropQuery(candidates=1).query(Context(**given), 5)
        given["embeddings"][changes(given) < 3] = np.nan
        np.testing.assert_array_equal(DropQuery(candidates=1).query(Context(**given), 5), expected)

    def test_regression_is_refused(self):
        with pytest.raises(ValueError, match=r"DropQuery: .*a regression task"):
            self.ask(self.given(), 5, labeled_targets=np.zeros(8, np.float32))

    @pytest.mark.parametrize(
        ("passes", "message"),
        [
            (np.empty((0, 60, 3)), r"got 0 passes over rows 0 to 59, needs at least 1"),
            (softmax(np.zeros((3, 60, 4))), "pass 0 has 4 classes, probabilities have 3"),
        ],
        ids=["none", "classes"],
    )
    def test_passes_that_cannot_be_used(self, passes, message):
        with pytest.raises(ValueError, match=f"DropQuery: mc_probabilities: {message}"):
            self.ask({**self.given(), "mc_probabilities": passes}, 5)

    def test_as_many_passes_over_each_chunk(self):
        whole = self.given()["mc_probabilities"]
        given = {**self.given(), "mc_probabilities": lambda lo, hi: whole[: 2 + (lo > 0), lo:hi]}
        with pytest.raises(ValueError, match="got 3 passes over rows 20 to 39, needs 2"):
            self.ask(given, 5, chunk_rows=20)

    @pytest.mark.parametrize("arguments", [{"candidates": 0}, {"metric": "dot"}], ids=repr)
    def test_arguments_that_cannot_be_used(self, arguments):
        (name,) = arguments
        with pytest.raises(ValueError, match=rf"^{name}: got "):
            DropQuery(**arguments)

    def test_a_gpu_is_refused(self):
        with pytest.raises(RuntimeError, match="cuda"):
            self.ask(self.given(), 5, device="cuda:0")


def kept(rows, lo=0, hi=None, **more):
    given = dropout_passes(lambda part: part, rows, **more)
    return np.stack(list(given(lo, len(rows) if hi is None else hi)))


@pytest.mark.parametrize("d", [1, 16, 17, 40])
def test_features_left_out_do_not_depend_on_chunks(d):
    rows = np.ones((90, d), np.float32)
    whole = kept(rows, seed=5)
    assert whole.shape == (3, 90, d)
    for lo, hi in ((0, 1), (7, 33), (89, 90)):
        np.testing.assert_array_equal(kept(rows, lo, hi, seed=5), whole[:, lo:hi])


def test_three_quarters_are_left_out_and_the_rest_made_larger():
    rows = np.ones((4000, 24), np.float64)
    whole = kept(rows)
    assert whole.dtype == np.float64
    assert set(np.unique(whole)) == {0.0, 4.0}
    assert (whole == 0).mean() == pytest.approx(0.75, abs=0.005)
    assert kept(rows, rate=0.1).mean() == pytest.approx(1, abs=0.01)
    first, second, _ = whole
    assert (first == second).mean() == pytest.approx(0.75**2 + 0.25**2, abs=0.01)
    assert (kept(rows, seed=2**64 - 1) != whole).any()


def test_the_bits_are_the_same_everywhere():
    """Those of Philox4x64, three counts a row of 40 features."""
    rows = np.ones((3, 40), np.float32)
    given = np.random.Philox(key=np.array([9, 1], np.uint64), counter=[6, 0, 0, 0])
    words = [int(word) for word in given.random_raw(12)]
    shorts = [word >> shift & 0xFFFF for word in words for shift in (0, 16, 32, 48)]
    expected = [4.0 if short >= 0.75 * 2**16 else 0.0 for short in shorts[:40]]
    assert kept(rows, 2, 3, seed=9)[1, 0].tolist() == expected


def test_passes_of_a_head_serve_both_strategies():
    everything = world(60)
    rows = everything["embeddings"]
    weights = np.random.default_rng(1).normal(size=(5, 3))
    mc = dropout_passes(lambda part: softmax(part @ weights), rows, seed=4)
    given = {"embeddings": rows, "probabilities": softmax(rows @ weights), "mc_probabilities": mc}
    expected = DropQuery().query(Context(**given), 6)
    found = DropQuery().query(Context(**given, chunk_rows=7), 6)
    np.testing.assert_array_equal(found, expected)
    assert len(BALD().query(Context(n=60, mc_probabilities=mc), 6)) == 6


@pytest.mark.parametrize(
    "arguments", [{"rate": 0.0}, {"rate": 1.0}, {"passes": 0}, {"seed": -1}], ids=repr
)
def test_dropout_that_cannot_be(arguments):
    (name,) = arguments
    with pytest.raises(ValueError, match=rf"^{name}: got "):
        dropout_passes(lambda part: part, np.ones((3, 2)), **arguments)
    with pytest.raises(TypeError, match=r"^predict: got 3"):
        dropout_passes(3, np.ones((3, 2)))
