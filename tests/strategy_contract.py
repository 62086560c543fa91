"""What holds for every strategy: a suite that their tests inherit."""

import random

import numpy as np
import pytest
from cases import OwnRows

from ally_fast.strategies import Context, Strategy

D, CLASSES, PASSES, LABELED = 5, 3, 4, 8
BY_CHUNK = ("probabilities", "mc_probabilities", "predicted_losses")
OF_POOL = ("embeddings", "dual_scores", *BY_CHUNK)


def softmax(logits):
    values = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return values / values.sum(axis=-1, keepdims=True)


def world(n, seed=7):
    """Return every piece of a context, for a pool of `n` rows."""
    rng = np.random.default_rng(seed)
    labeled = rng.normal(size=(LABELED, D)).astype(np.float32)
    return {
        "embeddings": rng.normal(size=(n, D)).astype(np.float32),
        "labeled_embeddings": labeled,
        "labeled_targets": np.arange(LABELED) % CLASSES,
        "probabilities": softmax(2 * rng.normal(size=(n, CLASSES))).astype(np.float32),
        "mc_probabilities": softmax(2 * rng.normal(size=(PASSES, n, CLASSES))).astype(np.float32),
        "predicted_losses": rng.normal(size=n).astype(np.float32),
        "multipliers": np.maximum(labeled[:, 0], 0),
        "dual_scores": rng.exponential(size=n),
    }


def on_axis(piece):
    return 1 if piece == "mc_probabilities" else 0


def rows_of(piece, array, rows):
    return np.take(array, rows, axis=on_axis(piece))


def random_states():
    legacy = np.random.get_state()  # noqa: NPY002
    states = [random.getstate(), legacy[1].tobytes(), legacy[2]]
    try:
        import torch
    except ImportError:
        return states
    return [*states, torch.get_rng_state().numpy().tobytes()]


class StrategyContract:
    """Inherit from it, name the pieces, and make the strategy."""

    pieces = ()
    follows_seed = False  # another seed gives another batch

    def make(self):
        raise NotImplementedError

    def given(self, n=60):
        everything = world(n)
        return {piece: everything[piece] for piece in self.pieces}

    def ask(self, given, b, n=60, **more):
        return self.make().query(Context(n=n, **{**given, **more}), b)

    def test_is_a_strategy(self):
        strategy = self.make()
        assert isinstance(strategy, Strategy)
        assert strategy.name == type(strategy).__name__

    @pytest.mark.parametrize("b", [0, 1, 2, 7, 59, 60], ids="b={}".format)
    def test_exactly_b_distinct_rows(self, b):
        picks = self.ask(self.given(), b)
        assert isinstance(picks, np.ndarray)
        assert (picks.dtype, picks.shape) == (np.int64, (b,))
        assert len(set(picks.tolist())) == b
        assert ((picks >= 0) & (picks < 60)).all()

    def test_one_row(self):
        assert self.ask(self.given(1), 1, n=1).tolist() == [0]

    def test_no_rows(self):
        assert self.ask(self.given(0), 0, n=0).tolist() == []

    def test_reproducible(self):
        first = self.ask(self.given(), 12, seed=3)
        np.testing.assert_array_equal(self.ask(self.given(), 12, seed=3), first)
        strategy = self.make()
        for _ in range(2):
            again = strategy.query(Context(n=60, **self.given(), seed=3), 12)
            np.testing.assert_array_equal(again, first)

    def test_the_seed_decides_where_something_is_random(self):
        batches = {tuple(self.ask(self.given(), 12, seed=seed).tolist()) for seed in range(4)}
        if self.follows_seed:
            assert len(batches) > 1
        else:
            assert len(batches) == 1

    def test_random_states_are_left_alone(self):
        before = random_states()
        self.ask(self.given(), 12, seed=1)
        assert random_states() == before

    def test_pieces_are_left_alone(self):
        given = self.given()
        copies = {piece: array.copy() for piece, array in given.items()}
        for array in given.values():
            array.setflags(write=False)
        self.ask(given, 12)
        for piece, array in given.items():
            np.testing.assert_array_equal(array, copies[piece])

    def test_more_rows_than_there_are(self):
        with pytest.raises(ValueError, match=r"b: got 61, needs at most the 60 eligible rows"):
            self.ask(self.given(), 61)

    @pytest.mark.parametrize("b", [-1, 2.0, True, None], ids=repr)
    def test_b_is_a_number_of_rows(self, b):
        with pytest.raises((ValueError, TypeError), match=f"b: got {b}"):
            self.ask(self.given(), b)

    def test_excluded_rows(self):
        mask = np.zeros(60, bool)
        mask[[0, 3, 17, 58]] = True
        picks = self.ask(self.given(), 30, exclude=mask)
        assert not set(picks.tolist()) & {0, 3, 17, 58}
        by_index = self.ask(self.given(), 30, exclude=[58, 17, 3, 0, 3])
        np.testing.assert_array_equal(by_index, picks)
        everyone_left = self.ask(self.given(), 56, exclude=mask)
        assert sorted(everyone_left.tolist()) == np.flatnonzero(~mask).tolist()
        with pytest.raises(
            ValueError, match=r"b: got 57, needs at most the 56 eligible rows of 60"
        ):
            self.ask(self.given(), 57, exclude=mask)
        with pytest.raises(ValueError, match="exclude: got index 60"):
            self.ask(self.given(), 1, exclude=[60])

    def test_excluded_rows_may_hold_anything(self):
        given = self.given()
        clean = self.ask(given, 20, exclude=[2, 40])
        for piece in set(given) & set(OF_POOL):
            np.moveaxis(given[piece], on_axis(piece), 0)[[2, 40]] = np.nan
        np.testing.assert_array_equal(self.ask(given, 20, exclude=[2, 40]), clean)

    def test_no_row_left(self):
        assert self.ask(self.given(), 0, exclude=np.ones(60, bool)).tolist() == []

    def test_copies_of_one_row(self):
        given = {
            piece: rows_of(piece, array, np.zeros(60, int)) if piece in OF_POOL else array
            for piece, array in self.given().items()
        }
        for b in (1, 25, 60):
            assert len(set(self.ask(given, b).tolist())) == b

    @pytest.mark.parametrize("chunk_rows", [1, 7, 59, 1000], ids="chunk_rows={}".format)
    def test_chunks_change_nothing(self, chunk_rows):
        expected = self.ask(self.given(), 15)
        np.testing.assert_array_equal(self.ask(self.given(), 15, chunk_rows=chunk_rows), expected)

    def test_pieces_by_chunk(self):
        given = self.given()
        whole = self.ask(given, 15)
        parts = {
            "probabilities": lambda lo, hi: given["probabilities"][lo:hi],
            "mc_probabilities": lambda lo, hi: iter(given["mc_probabilities"][:, lo:hi]),
            "predicted_losses": lambda lo, hi: given["predicted_losses"][lo:hi],
        }
        by_chunk = {piece: parts.get(piece, array) for piece, array in given.items()}
        np.testing.assert_array_equal(self.ask(by_chunk, 15, chunk_rows=11), whole)

    def test_memory_maps(self, tmp_path):
        given = self.given()
        mapped = {}
        for piece, array in given.items():
            np.save(tmp_path / f"{piece}.npy", array)
            mapped[piece] = np.load(tmp_path / f"{piece}.npy", mmap_mode="r")
        np.testing.assert_array_equal(self.ask(mapped, 15), self.ask(given, 15))

    def test_rows_of_ones_own(self):
        given = self.given()
        own = {
            piece: OwnRows(array) if piece == "embeddings" else array
            for piece, array in given.items()
        }
        np.testing.assert_array_equal(self.ask(own, 15), self.ask(given, 15))

    def test_tensors(self):
        torch = pytest.importorskip("torch")
        given = self.given()
        tensors = {piece: torch.from_numpy(array) for piece, array in given.items()}
        picks = self.ask(tensors, 15)
        assert isinstance(picks, np.ndarray)
        np.testing.assert_array_equal(picks, self.ask(given, 15))

    def test_layouts_and_wider_types(self):
        given = self.given()
        wide = {
            piece: np.asfortranarray(array, np.float64) if array.dtype == np.float32 else array
            for piece, array in given.items()
        }
        np.testing.assert_array_equal(self.ask(wide, 15), self.ask(given, 15))

    def test_missing_pieces_are_named(self):
        name = self.make().name
        for piece in self.pieces:
            rest = {other: array for other, array in self.given().items() if other != piece}
            with pytest.raises(ValueError, match=rf"{name}: the context lacks .*{piece}"):
                self.ask(rest, 5)

    def test_pieces_of_different_lengths(self):
        given = self.given(60)
        if not set(given) & set(OF_POOL):
            pytest.skip("needs the number of rows only")
        with pytest.raises(
            ValueError, match=r"pieces of the context differ in their number of rows \(n: 59, "
        ):
            self.ask(given, 5, n=59)

    def test_the_number_of_rows_is_told_by_arrays(self):
        given = self.given(60)
        if not set(given) & set(OF_POOL):
            with pytest.raises(ValueError, match="does not say how many rows there are; needs n"):
                self.ask(given, 5, n=None)
        else:
            np.testing.assert_array_equal(self.ask(given, 5, n=None), self.ask(given, 5))
