"""The head: what it learns, that no scale matters, and that it says when it has learned nothing."""

import pickle
import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs torch")

from hypothesis import given, settings
from hypothesis import strategies as st

from ally_fast.primal_dual import DualHead, DualHeadWarning, dual_head, rank_correlation


@pytest.fixture
def rows(rng):
    return rng.normal(size=(300, 5)).astype(np.float32)


def multipliers_of(rows):
    return np.maximum(0, rows[:, 0] + 0.5 * rows[:, 1] ** 2 - 0.5).astype(np.float32)


def quick(**settings):
    return DualHead(**{"max_epochs": 25, **settings})


@pytest.mark.parametrize("transform", ["standardize", "log1p"])
def test_it_learns(rows, transform, rng):
    head = quick(transform=transform).fit(rows, multipliers_of(rows))
    fresh = rng.normal(size=(500, 5)).astype(np.float32)
    scores = head.score(fresh)
    assert scores.shape == (500,)
    assert scores.dtype == np.float32
    assert scores.min() >= 0
    assert rank_correlation(scores, multipliers_of(fresh)) > 0.85
    report = head.fit_report
    assert report.error < 0.3 * report.error_of_mean
    assert report.rank_correlation > 0.85
    assert (report.trained_rows, report.held_out_rows) == (240, 60)


def test_a_refit_learns_the_rows_held_out_for_as_many_epochs(rows):
    targets = multipliers_of(rows)
    first, again = (quick(refit=refit).fit(rows, targets) for refit in (False, True))
    assert again.fit_report == first.fit_report
    assert again.fingerprint != first.fingerprint
    assert again.fingerprint == quick(refit=True).fit(rows, targets).fingerprint
    held_out = dual_head.permutation(300, 0, dual_head.SPLIT)[:60]
    errors = [
        np.square(head.score(rows[held_out]) - targets[held_out]).mean() for head in (first, again)
    ]
    assert errors[1] < errors[0]


@pytest.mark.parametrize("transform", ["standardize", "log1p"])
@pytest.mark.parametrize("factor", [2.0**-60, 2.0**40])
def test_no_scale_matters(rows, transform, factor):
    """By a power of two, to the bit: small multipliers are no reason to collapse."""
    few = quick(transform=transform, max_epochs=5).fit(rows, multipliers_of(rows))
    scaled = quick(transform=transform, max_epochs=5).fit(rows * 8, multipliers_of(rows) * factor)
    np.testing.assert_array_equal(few.score(rows) * np.float32(factor), scaled.score(rows * 8))


def test_seeds_and_random_state(rows):
    before = torch.random.get_rng_state()
    one, again, other = (
        quick(seed=seed, max_epochs=3).fit(rows, multipliers_of(rows)).score(rows)
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()
    assert torch.equal(before, torch.random.get_rng_state())


def test_the_best_epoch_is_kept(rows):
    """Early stopping: as many epochs as were kept give the same head."""
    head = quick(patience=2, lr=0.05).fit(rows, multipliers_of(rows))
    assert 1 <= head.fit_report.epochs < 25
    until = quick(max_epochs=head.fit_report.epochs, lr=0.05).fit(rows, multipliers_of(rows))
    np.testing.assert_array_equal(head.score(rows), until.score(rows))


def test_all_zero(rows):
    with pytest.warns(DualHeadWarning, match="all multipliers are zero: every score will be 0"):
        head = quick().fit(rows, np.zeros(300))
    assert not head.score(rows).any()
    assert head.fit_report.epochs == 0


def test_all_equal(rows):
    with pytest.warns(
        DualHeadWarning, match=r"all multipliers are 0\.7: every score will be the same"
    ):
        head = quick(transform="log1p").fit(rows, np.full(300, 0.7))
    np.testing.assert_allclose(head.score(rows), 0.7, rtol=1e-6)


@pytest.mark.parametrize("embeddings", ["of nothing", "of others"])
def test_a_fit_no_better_than_the_mean(rows, rng, embeddings):
    multipliers = rng.permutation(multipliers_of(rows))
    rows = np.ones_like(rows) if embeddings == "of nothing" else rows
    with pytest.warns(
        DualHeadWarning,
        match=r"no better than the mean of the multipliers \(rank correlation -?\d\.\d\d\)",
    ):
        quick(max_epochs=8).fit(rows, multipliers)


def test_chunks_and_kinds(rows, monkeypatch, tmp_path):
    head = quick(max_epochs=3).fit(torch.from_numpy(rows), torch.from_numpy(multipliers_of(rows)))
    expected = head.score(rows)
    monkeypatch.setattr(dual_head, "_SCORED_AT_A_TIME", 64)
    np.testing.assert_allclose(head.score(rows), expected, rtol=1e-5, atol=1e-7)
    np.save(tmp_path / "rows.npy", rows)
    mapped = np.load(tmp_path / "rows.npy", mmap_mode="r")
    np.testing.assert_allclose(head.score(mapped), expected, rtol=1e-5, atol=1e-7)
    of_tensor = head.score(torch.from_numpy(rows))
    assert isinstance(of_tensor, torch.Tensor)
    np.testing.assert_allclose(of_tensor, expected, rtol=1e-5, atol=1e-7)
    half = head.score(torch.from_numpy(rows).to(torch.bfloat16))
    assert rank_correlation(half.numpy(), expected) > 0.99
    assert len(head.score(rows[:0])) == 0


def test_predictions_are_differentiable(rows):
    head = quick(max_epochs=5).fit(rows, multipliers_of(rows))
    inputs = torch.from_numpy(rows[:9]).requires_grad_(True)
    predicted = head.predict(inputs)
    np.testing.assert_allclose(predicted.detach().clamp(min=0), head.score(rows[:9]), rtol=1e-5)
    (gradient,) = torch.autograd.grad(predicted.sum(), inputs)
    assert gradient.abs().sum(1).all()


@given(n=st.integers(4, 9), d=st.integers(1, 3), seed=st.integers(0, 99))
@settings(max_examples=15)
def test_few_rows_and_constant_columns(n, d, seed):
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(n, d))
    rows[:, 0] = 0.1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DualHeadWarning)
        head = quick(max_epochs=2).fit(rows, rng.exponential(size=n))
    scores = head.score(rows)
    assert np.isfinite(scores).all()
    assert (scores >= 0).all()
    assert head.fit_report.trained_rows + head.fit_report.held_out_rows == n


def with_value(array, index, value):
    changed = array.copy()
    changed[index] = value
    return changed


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (
            lambda r, m: (r, m[:-1]),
            ValueError,
            "multipliers: got 299, needs one for each of 300 rows",
        ),
        (lambda r, m: (r[:3], m[:3]), ValueError, "needs at least 4 rows"),
        (lambda r, m: (r[:, :0], m), ValueError, "1 column"),
        (lambda r, m: (r[:, 0], m), ValueError, "embeddings must be 2-dimensional"),
        (lambda r, m: (with_value(r, (7, 1), np.nan), m), ValueError, "embeddings: 1 rows .* is 7"),
        (lambda r, m: (r, with_value(m, 5, np.inf)), ValueError, "multipliers: 1 rows .* is 5"),
        (lambda r, m: (r, with_value(m, 5, -1)), ValueError, r"multipliers\[5\]: got -1"),
        (lambda r, m: (r.astype("U"), m), TypeError, "embeddings must hold real numbers"),
    ],
)
def test_bad_input(rows, change, error, message):
    with pytest.raises(error, match=message):
        quick().fit(*change(rows, multipliers_of(rows)))


def test_bad_scoring(rows, monkeypatch):
    with pytest.raises(RuntimeError, match="call fit"):
        quick().score(rows)
    head = quick(max_epochs=2).fit(rows, multipliers_of(rows))
    with pytest.raises(ValueError, match="got 4 columns, needs 5, as fit got"):
        head.score(rows[:, :4])
    monkeypatch.setattr(dual_head, "_SCORED_AT_A_TIME", 64)
    with pytest.raises(ValueError, match="the first is 200"):
        head.score(with_value(rows, (200, 0), np.nan))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"transform": "sqrt"}, "transform: got 'sqrt', needs one of"),
        ({"held_out": 1.0}, "held_out: got 1.0, needs a share"),
        ({"lr": 0}, "lr: got 0, needs more than 0"),
        ({"patience": 0}, "patience: got 0"),
    ],
)
def test_settings_that_make_no_sense(settings, message):
    with pytest.raises(ValueError, match=message):
        DualHead(**settings)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=2, max_size=40))
def test_rank_correlation(pairs):
    stats = pytest.importorskip("scipy.stats", reason="needs scipy")
    a, b = np.array(pairs).T
    if len(set(a)) == 1 or len(set(b)) == 1:
        assert rank_correlation(a, b) == 0
    else:
        assert rank_correlation(a, b) == pytest.approx(stats.spearmanr(a, b).statistic)


def test_its_fingerprint_is_that_of_what_it_learned(rows):
    head, again, other = (quick(seed=seed).fit(rows, multipliers_of(rows)) for seed in (1, 1, 2))
    assert head.fingerprint == again.fingerprint != other.fingerprint
    assert pickle.loads(pickle.dumps(head)).fingerprint == head.fingerprint
    shifted = quick(seed=1).fit(rows + np.float32(1), multipliers_of(rows))
    assert shifted.fingerprint != head.fingerprint
    with pytest.warns(DualHeadWarning):
        constant = [quick().fit(rows, np.full(len(rows), value)) for value in (1.0, 1.0, 2.0)]
    assert constant[0].fingerprint == constant[1].fingerprint != constant[2].fingerprint
    with pytest.raises(RuntimeError, match="call fit"):
        _ = quick().fingerprint


def test_calling_it_is_scoring(rows):
    head = quick().fit(rows, multipliers_of(rows))
    np.testing.assert_array_equal(head(rows), head.score(rows))
