"""A primal-dual step against float64: bounds for what is rounded, equality for all the rest."""

import math
from itertools import product

import numpy as np
import pytest
from cases import RUNNABLE_ISAS, core, read_only
from hypothesis import given
from hypothesis import strategies as st
from reference import dual_ascent as reference

from ally_fast.ops.dual_ascent import dual_ascent, dual_ascent_gradient, dual_ascent_losses

UNIT = 2.0**-24  # half a unit in the last place of float32
# Half a unit in the last place, and half the smallest subnormal.
ROUNDING = {
    "float32": (UNIT, 2.0**-150),
    "float16": (2.0**-11, 2.0**-25),
    "bf16": (2.0**-8, 2.0**-134),
}
LARGEST = {"float32": 3e38, "float16": 65000.0, "bf16": 3e38}
LOSSES = ("cross_entropy", "squared_error")


def stored(values, dtype):
    """Return values as they are stored, and what is stored in float64."""
    values = np.asarray(values, np.float32)
    if dtype != "bf16":
        with np.errstate(over="ignore"):
            kept = values.astype(dtype)
        return kept, kept.astype(np.float64)
    bits = (values.view(np.uint32) >> 16).astype(np.uint16)
    return bits, widened(bits)


def widened(array):
    """Return float64 numbers; uint16 are bits of bfloat16."""
    if array.dtype == np.uint16:
        array = (array.astype(np.uint32) << 16).view(np.float32)
    return array.astype(np.float64)


def rows_apart(array):
    """Return an equal view whose rows lie apart."""
    store = np.zeros((len(array), array.shape[1] + 3), array.dtype)
    store[:, : array.shape[1]] = array
    return store[:, : array.shape[1]]


def batch(rng, m, c, loss, dtype="float32", scale=3.0, n=None):
    """Return (outputs, targets, ids, multipliers, what outputs hold, what targets hold)."""
    outputs, held = stored(scale * rng.normal(size=(m, c)), dtype)
    n = n or 2 * m + 1
    ids = rng.permutation(n)[:m]
    multipliers = rng.exponential(size=n).astype(np.float32) * (rng.random(n) < 0.7)
    if loss == "cross_entropy":
        targets = held_targets = rng.integers(0, c, size=m)
    else:
        targets, held_targets = stored(scale * rng.normal(size=(m, c)), dtype)
    return outputs, targets, ids, multipliers.astype(np.float32), held, held_targets


def check(step, outputs, targets, ids, before, after, *, loss, epsilon, lr, scale, dtype):
    """Check a step against float64; `outputs` and `targets` are what was stored."""
    if loss == "cross_entropy":
        losses, log_sum_exp, gradient = reference.cross_entropy(outputs, targets)
        # A sum of sixteen float32 in a lane, each with the error of exp, then one rounding.
        loss_bound = 20 * UNIT * losses
        with np.errstate(invalid="ignore"):
            distance = np.abs(outputs - log_sum_exp[:, None])
        factor = np.where(gradient == 0, 1.0, 2 * distance + 26)
    else:
        losses, gradient = reference.squared_error(outputs, targets)
        loss_bound, factor = 1.01 * UNIT * losses, 3.01
    assert (np.abs(step.losses - losses) <= loss_bound + 2.0**-149).all()
    expected = reference.ascend(step.losses, step.losses, ids, before, epsilon, lr)
    np.testing.assert_array_equal(step.slacks, expected.slacks)
    np.testing.assert_array_equal(step.before, expected.before)
    np.testing.assert_array_equal(after, expected.multipliers)
    assert step.lagrangian == expected.lagrangian
    assert (step.nonfinite, step.first_nonfinite) == (expected.nonfinite, expected.first_nonfinite)
    if scale is None:
        assert step.gradient is None
        return
    coefficient = scale / max(1, len(losses)) * (1 + step.before.astype(np.float64))[:, None]
    truth = coefficient * gradient
    half_unit, half_smallest = ROUNDING[dtype]
    bound = np.abs(truth) * (factor * UNIT + half_unit) * 1.01 + half_smallest
    # A probability below the normal numbers of float32 has fewer digits.
    bound += 2.0**-149 * (1 + np.abs(coefficient))
    within = np.abs(truth) < LARGEST[dtype]
    assert (np.abs(widened(step.gradient) - truth)[within] <= bound[within]).all()
    assert (widened(step.gradient)[~within] * np.sign(truth)[~within] >= LARGEST[dtype]).all()


@given(
    seed=st.integers(0, 2**32 - 1),
    m=st.sampled_from([0, 1, 2, 17, 255, 256, 257, 700]),
    c=st.sampled_from([1, 2, 3, 10, 15, 16, 17, 32, 33, 100, 255, 256, 257, 700]),
    loss=st.sampled_from(LOSSES),
    dtype=st.sampled_from(sorted(ROUNDING)),
    spread=st.sampled_from([1e-3, 1.0, 10.0, 300.0]),
    per_sample=st.booleans(),
    lr=st.sampled_from([0.0, 0.05, 3.0]),
    scale=st.sampled_from([None, 1.0, 65536.0, -0.3]),
    apart=st.booleans(),
    isa=st.sampled_from(RUNNABLE_ISAS),
    threads=st.sampled_from([1, 3]),
)
def test_against_float64(
    seed, m, c, loss, dtype, spread, per_sample, lr, scale, apart, isa, threads
):
    rng = np.random.default_rng(seed)
    outputs, targets, ids, multipliers, held, held_targets = batch(rng, m, c, loss, dtype, spread)
    epsilon = rng.random(len(multipliers), dtype=np.float32) if per_sample else 0.2
    after = multipliers.copy()
    if apart:
        outputs = rows_apart(outputs)
        targets = targets if targets.ndim == 1 else rows_apart(targets)
    with core(isa=isa, threads=threads):
        step = dual_ascent(
            read_only(outputs) if not apart else outputs,
            targets,
            ids,
            after,
            loss=loss,
            epsilon=epsilon,
            lr=lr,
            gradient_scale=scale,
            bf16=dtype == "bf16",
        )
        if scale is not None:
            later = dual_ascent_gradient(
                outputs, targets, step.before, scale, loss=loss, bf16=dtype == "bf16"
            )
            np.testing.assert_array_equal(later, step.gradient)
    check(
        step,
        held,
        held_targets,
        ids,
        multipliers,
        after,
        loss=loss,
        epsilon=epsilon,
        lr=lr,
        scale=scale,
        dtype=dtype,
    )


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("dtype", sorted(ROUNDING))
@pytest.mark.parametrize(("m", "c"), [(9000, 10), (1500, 300)])
def test_one_answer(m, c, dtype, loss, rng):
    outputs, targets, ids, multipliers, *_ = batch(rng, m, c, loss, dtype)
    answers = []
    for isa in RUNNABLE_ISAS:
        for threads in (1, 2, 5):
            after = multipliers.copy()
            with core(isa=isa, threads=threads):
                step = dual_ascent(
                    outputs,
                    targets,
                    ids,
                    after,
                    loss=loss,
                    epsilon=0.2,
                    lr=0.1,
                    gradient_scale=8.0,
                    bf16=dtype == "bf16",
                )
            answers.append((after, step))
    after, first = answers[0]
    for other_after, other in answers[1:]:
        np.testing.assert_array_equal(other_after, after)
        for name, value in vars(first).items():
            np.testing.assert_array_equal(getattr(other, name), value)


@given(
    seed=st.integers(0, 2**32 - 1),
    m=st.sampled_from([0, 1, 255, 256, 257, 1000]),
    isa=st.sampled_from(RUNNABLE_ISAS),
    threads=st.sampled_from([1, 3]),
)
def test_given_losses_are_the_reference(seed, m, isa, threads):
    check_given_losses(seed, m, [isa], [threads])


def test_the_losses_of_a_large_batch():
    """Threads share out multipliers, and the answer is that of one."""
    check_given_losses(5, 300_000, RUNNABLE_ISAS, [1, 2, 5])


def check_given_losses(seed, m, isas, thread_counts):
    rng = np.random.default_rng(seed)
    values = np.array([0, 1e-30, 0.2, 3, 1e30, 3e38, np.inf, -np.inf, np.nan], np.float32)
    losses, dual_losses = rng.exponential(size=(2, m)).astype(np.float32)
    for array in (losses, dual_losses):
        odd = rng.random(m) < 0.05
        array[odd] = rng.choice(values, odd.sum())
    multipliers = rng.exponential(size=m + 9).astype(np.float32)
    multipliers[rng.random(m + 9) < 0.3] = 0
    epsilon = rng.normal(size=m + 9).astype(np.float32)
    ids = rng.permutation(m + 9)[:m]
    expected = reference.ascend(losses, dual_losses, ids, multipliers, epsilon, 0.7)
    for isa, threads in product(isas, thread_counts):
        after = multipliers.copy()
        with core(isa=isa, threads=threads):
            step = dual_ascent_losses(losses, dual_losses, ids, after, epsilon=epsilon, lr=0.7)
        np.testing.assert_array_equal(after, expected.multipliers)
        np.testing.assert_array_equal(step.before, multipliers[ids])
        np.testing.assert_array_equal(step.slacks, expected.slacks)
        np.testing.assert_array_equal(step.lagrangian, expected.lagrangian)
        assert step.nonfinite == expected.nonfinite
        assert step.first_nonfinite == expected.first_nonfinite
        assert (after >= 0).all()


@pytest.mark.parametrize("loss", LOSSES)
def test_the_references_gradient_is_a_derivative(loss, rng):
    outputs, targets, *_ = batch(rng, 4, 5, loss)
    function = getattr(reference, loss)
    analytic, h = function(outputs, targets)[-1], 1e-6
    for j in range(5):
        step = np.zeros(5)
        step[j] = h
        up = function(outputs + step, targets)[0]
        down = function(outputs - step, targets)[0]
        np.testing.assert_allclose((up - down) / (2 * h), analytic[:, j], rtol=1e-6, atol=1e-8)


# What must hold whatever the numbers


@pytest.mark.parametrize("loss", LOSSES)
def test_a_batch_in_two_halves_moves_the_same_multipliers(loss, rng):
    outputs, targets, ids, whole, *_ = batch(rng, 600, 20, loss)
    halves = whole.copy()
    options = {"loss": loss, "epsilon": 1.0, "lr": 0.5}
    losses = dual_ascent(outputs, targets, ids, whole, **options).losses
    parts = [
        dual_ascent(outputs[part], targets[part], ids[part], halves, **options).losses
        for part in (slice(0, 250), slice(250, 600))
    ]
    np.testing.assert_array_equal(np.concatenate(parts), losses)
    np.testing.assert_array_equal(halves, whole)


def test_multipliers_of_others_stay(rng):
    outputs, targets, ids, after, *_ = batch(rng, 50, 8, "cross_entropy", n=200)
    before = after.copy()
    dual_ascent(outputs, targets, ids, after, loss="cross_entropy", epsilon=0.2, lr=1.0)
    others = np.setdiff1d(np.arange(200), ids)
    np.testing.assert_array_equal(after[others], before[others])
    assert (after[ids] != before[ids]).any()
    assert (after >= 0).all()


def test_gradients_of_a_row_add_up_to_zero(rng):
    outputs, targets, ids, after, *_ = batch(rng, 64, 1000, "cross_entropy")
    step = dual_ascent(
        outputs,
        targets,
        ids,
        after,
        loss="cross_entropy",
        epsilon=0.2,
        lr=0.1,
        gradient_scale=64.0,
    )
    sums = step.gradient.astype(np.float64).sum(axis=1)
    assert (np.abs(sums) <= step.weights * 50 * UNIT).all()


def test_the_loss_moves_with_a_common_shift_of_the_outputs_no_more_than_rounding(rng):
    outputs = rng.integers(-40, 40, size=(90, 30)).astype(np.float32)
    targets, ids = rng.integers(0, 30, size=90), np.arange(90)
    here, there = (
        dual_ascent(
            outputs + np.float32(shift),
            targets,
            ids,
            np.ones(90, np.float32),
            loss="cross_entropy",
            epsilon=0.0,
            lr=0.1,
            gradient_scale=1.0,
        )
        for shift in (0, 2**20)
    )
    np.testing.assert_array_equal(here.losses, there.losses)
    np.testing.assert_allclose(here.gradient, there.gradient, rtol=1e-5, atol=1e-12)


def test_weights_are_those_of_the_lagrangian(rng):
    outputs, targets, ids, after, *_ = batch(rng, 30, 4, "cross_entropy")
    before = after[ids].copy()
    step = dual_ascent(outputs, targets, ids, after, loss="cross_entropy", epsilon=0.2, lr=9.0)
    np.testing.assert_array_equal(step.weights, 1 + before)


# Traps


def cross_entropy_of(outputs, targets, **options):
    """Return a step with its own fresh multipliers, all 1."""
    outputs = np.asarray(outputs, options.pop("dtype", np.float32))
    m = len(outputs)
    return dual_ascent(
        outputs,
        np.asarray(targets, np.int64),
        np.arange(m),
        options.pop("multipliers", np.ones(m, np.float32)),
        loss="cross_entropy",
        epsilon=0.0,
        lr=1.0,
        gradient_scale=options.pop("scale", 1.0),
        **options,
    )


def test_one_class():
    step = cross_entropy_of([[3.0], [-1e4], [65504.0]], [0, 0, 0])
    assert step.losses.tolist() == [0, 0, 0]
    assert step.gradient.tolist() == [[0], [0], [0]]


def test_equal_outputs():
    step = cross_entropy_of(np.full((3, 1024), 7.0), [0, 500, 1023])
    np.testing.assert_allclose(step.losses, math.log(1024), rtol=UNIT)
    np.testing.assert_allclose(step.gradient[0, 1:], 2 / 3 / 1024, rtol=4 * UNIT)


@pytest.mark.parametrize("c", [2, 40, 300])
@pytest.mark.parametrize("peak", [1e4, 3e38], ids="peak={}".format)
def test_huge_outputs_do_not_overflow(peak, c):
    outputs = np.full((2, c), -peak, np.float32)
    outputs[:, 1] = peak
    step = cross_entropy_of(outputs, [1, 0])
    assert step.losses[0] == 0
    assert step.losses[1] == (2 * peak if peak < 1e38 else np.inf)
    assert step.nonfinite == int(peak > 1e38)
    assert step.gradient[0].tolist() == [0] * c
    assert step.gradient[1, :2].tolist() == [-1, 1]


@pytest.mark.parametrize("size", [1e4, 1e6])
def test_digits_survive_large_outputs(size, rng):
    outputs = (size + rng.integers(-8, 8, size=(40, 50))).astype(np.float32)
    targets = rng.integers(0, 50, size=40)
    step = cross_entropy_of(outputs, targets)
    losses, _, gradient = reference.cross_entropy(outputs, targets)
    np.testing.assert_allclose(step.losses, losses, rtol=20 * UNIT)
    np.testing.assert_allclose(step.gradient, gradient * 2 / 40, rtol=60 * UNIT)


@pytest.mark.parametrize("margin", [10.0, 20.0, 40.0, 69.0])
def test_tiny_losses_keep_their_digits(margin):
    outputs = np.zeros((1, 300), np.float32)
    outputs[0, 123] = margin
    step = cross_entropy_of(outputs, [123])
    loss = math.log1p(299 * math.exp(-margin))
    np.testing.assert_allclose(step.losses, loss, rtol=20 * UNIT)
    np.testing.assert_allclose(step.gradient[0, 123], 2 * math.expm1(-loss), rtol=20 * UNIT)


@pytest.mark.parametrize("c", [5, 16, 256, 257, 800])
def test_masked_classes(c, rng):
    outputs = rng.normal(size=(20, c)).astype(np.float32)
    targets = rng.integers(0, c, size=20)
    masked = rng.random((20, c)) < 0.9
    masked[0], masked[1, :-1] = True, True  # only the target; nearly all
    masked[np.arange(20), targets] = False
    outputs[masked] = -np.inf
    step = cross_entropy_of(outputs, targets)
    losses, _, gradient = reference.cross_entropy(outputs, targets)
    assert (step.gradient[masked] == 0).all()
    assert step.nonfinite == 0
    assert step.losses[0] == 0
    np.testing.assert_allclose(step.losses, losses, rtol=20 * UNIT)
    np.testing.assert_allclose(step.gradient, gradient / 10, rtol=60 * UNIT, atol=1e-30)


@pytest.mark.parametrize("c", [3, 300, 700])
@pytest.mark.parametrize("odd", [np.nan, np.inf, "target"])
def test_rows_that_are_not_finite_are_told(odd, c, rng):
    outputs = rng.normal(size=(600, c)).astype(np.float32)
    targets = rng.integers(0, c - 1, size=600)
    rows = [300, 301, 599]
    for row in rows:
        outputs[row, targets[row] if odd == "target" else c - 1] = (
            -np.inf if odd == "target" else odd
        )
    multipliers = np.full(600, 2, np.float32)
    step = cross_entropy_of(outputs, targets, multipliers=multipliers)
    assert (step.nonfinite, step.first_nonfinite) == (3, 300)
    assert not np.isfinite(step.losses[rows]).any()
    assert not np.isfinite(step.lagrangian)
    assert (multipliers[rows] == 2).all()
    assert (np.delete(multipliers, rows) > 2).all()


def test_nan_among_masked_classes_is_not_lost():
    outputs = np.full((1, 600), -np.inf, np.float32)
    outputs[0, 599], outputs[0, 3] = 1.0, np.nan
    assert np.isnan(cross_entropy_of(outputs, [599]).losses[0])


def test_half_overflow_is_told():
    outputs = np.array([[70000.0, 1.0], [2.0, 1.0]], np.float32)
    with np.errstate(over="ignore"):
        step = cross_entropy_of(outputs.astype(np.float16), [1, 1], dtype=np.float16)
    assert (step.nonfinite, step.first_nonfinite) == (1, 0)


def test_a_gradient_scale_saves_halves_from_underflow(rng):
    outputs = rng.normal(size=(4000, 10)).astype(np.float16)
    targets = rng.integers(0, 10, size=4000)
    plain = cross_entropy_of(outputs, targets, dtype=np.float16)
    scaled = cross_entropy_of(outputs, targets, dtype=np.float16, scale=2.0**22)
    truth = reference.cross_entropy(outputs, targets)[2] * 2 / 4000
    error = np.abs(plain.gradient - truth) / np.abs(truth)
    scaled_error = np.abs(scaled.gradient.astype(np.float64) / 2.0**22 - truth) / np.abs(truth)
    assert error.max() > 2.0**-10
    assert scaled_error.max() < 1.01 * 2.0**-11
    over = cross_entropy_of(outputs, targets, dtype=np.float16, scale=2.0**40)
    assert np.isinf(over.gradient).any()


def test_a_hundred_thousand_classes(rng):
    outputs, targets, ids, after, held, _ = batch(rng, 7, 100_000, "cross_entropy", "float16")
    before = after.copy()
    options = {"loss": "cross_entropy", "epsilon": 0.2, "lr": 0.1}
    step = dual_ascent(outputs, targets, ids, after, gradient_scale=1e4, **options)
    check(step, held, targets, ids, before, after, scale=1e4, dtype="float16", **options)


def test_no_rows():
    multipliers = np.ones(3, np.float32)
    step = dual_ascent(
        np.zeros((0, 4), np.float32),
        np.zeros(0, np.int64),
        np.zeros(0, np.int64),
        multipliers,
        loss="cross_entropy",
        epsilon=0.2,
        lr=1.0,
        gradient_scale=1.0,
    )
    assert step.lagrangian == 0
    assert (step.nonfinite, step.first_nonfinite) == (0, -1)
    assert step.gradient.shape == (0, 4)
    assert multipliers.tolist() == [1, 1, 1]


def test_a_multiplier_that_would_overflow_stays(rng):
    multipliers = np.full(2, 3e38, np.float32)
    losses = np.array([3e38, 1.0], np.float32)
    step = dual_ascent_losses(losses, losses, np.arange(2), multipliers, epsilon=2.0, lr=1.0)
    assert (step.nonfinite, step.first_nonfinite) == (1, 0)
    assert multipliers[0] == np.float32(3e38)


def test_bfloat16_outputs_with_float32_values(rng):
    outputs, held = stored(rng.normal(size=(30, 7)), "bf16")
    values = rng.normal(size=(30, 7)).astype(np.float32)
    after, before = np.zeros(30, np.float32), np.zeros(30, np.float32)
    options = {"loss": "squared_error", "epsilon": 0.1, "lr": 0.5}
    step = dual_ascent(
        outputs, values, np.arange(30), after, gradient_scale=1.0, bf16=True, **options
    )
    check(step, held, values, np.arange(30), before, after, scale=1.0, dtype="bf16", **options)


# Errors come before work


GOOD = {
    "outputs": np.zeros((3, 4), np.float32),
    "targets": np.array([0, 1, 3]),
    "ids": np.array([4, 0, 2]),
    "loss": "cross_entropy",
    "epsilon": 0.2,
    "lr": 0.1,
}


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"ids": np.array([4, 2, 4])}, ValueError, "ids: got 4 again in row 2"),
        ({"ids": np.array([4, 5, 2])}, ValueError, r"ids: got 5 in row 1, .* \[0, 5\)"),
        ({"ids": np.array([4, 0, -1])}, ValueError, "ids: got -1 in row 2"),
        ({"ids": np.array([4, 0])}, ValueError, "ids: got 2 of them, needs 3"),
        ({"ids": np.array([4, 0, 2], np.int32)}, TypeError, "ids: got int32"),
        ({"targets": np.array([0, 4, 3])}, ValueError, r"targets: got 4 in row 1, .* \[0, 4\)"),
        ({"targets": np.array([0, 1, -100])}, ValueError, "targets: got -100 in row 2"),
        ({"targets": np.array([0, 1])}, ValueError, "targets: got 2 of them, needs 3"),
        ({"targets": np.zeros(3, np.float32)}, TypeError, "targets: got float32"),
        ({"loss": "hinge"}, ValueError, "loss: got 'hinge'"),
        ({"lr": -0.1}, ValueError, "lr: got -0.1"),
        ({"lr": math.nan}, ValueError, "lr: got nan"),
        ({"epsilon": np.zeros(4, np.float32)}, ValueError, "epsilon: got 4 of them, .* n = 5"),
        ({"epsilon": math.inf}, ValueError, "epsilon: got inf for sample 4"),
        ({"gradient_scale": math.nan}, ValueError, "scale"),
        ({"outputs": np.zeros((3, 4))}, TypeError, "outputs: got float64"),
        ({"outputs": np.zeros((3, 0), np.float32)}, ValueError, "outputs: .* one column"),
        ({"outputs": np.zeros((4, 3), np.float32).T}, ValueError, "outputs: got columns 12 bytes"),
        ({"outputs": np.zeros(3, np.float32)}, ValueError, "outputs: got shape"),
        ({"bf16": True}, TypeError, "outputs: got float32, needs uint16"),
        ({"loss": "squared_error"}, ValueError, "targets: got shape"),
        (
            {"loss": "squared_error", "targets": np.zeros((3, 5), np.float32)},
            ValueError,
            "targets: got shape",
        ),
        (
            {"loss": "squared_error", "targets": np.zeros((3, 4), np.float16)},
            TypeError,
            "targets: needs float32",
        ),
        ({"multipliers": np.full(5, -1, np.float32)}, ValueError, "multipliers: got -1"),
        ({"multipliers": np.full(5, np.nan, np.float32)}, ValueError, "multipliers: got nan"),
        ({"multipliers": np.ones(5)}, TypeError, "multipliers: got float64"),
        ({"multipliers": read_only(np.ones(5, np.float32))}, ValueError, "multipliers: .* written"),
    ],
)
def test_errors(change, error, message):
    multipliers = np.ones(5, np.float32)
    with pytest.raises(error, match=message):
        dual_ascent(**{**GOOD, "multipliers": multipliers, **change})
    assert multipliers.tolist() == [1] * 5


def test_few_ids_of_a_large_set():
    """Distinct or not is told without a bit for each sample, with the same answers."""
    n = 1_000_000
    losses, multipliers = np.ones(3, np.float32), np.zeros(n, np.float32)
    dual_ascent_losses(losses, losses, np.array([n - 1, 0, 7]), multipliers, epsilon=0.0, lr=2.0)
    assert multipliers[[n - 1, 0, 7]].tolist() == [2, 2, 2]
    assert multipliers.sum() == 6
    with pytest.raises(ValueError, match="ids: got 7 again in row 2, needs distinct ids"):
        dual_ascent_losses(losses, losses, np.array([7, 0, 7]), multipliers, epsilon=0.0, lr=2.0)
    assert multipliers.sum() == 6


def test_what_is_wrong_in_a_large_batch_is_named(threads):
    """Threads look at parts of their own; an id may come again in another's."""
    m = 300_000
    losses, ids = np.ones(m, np.float32), np.arange(m)[::-1].copy()
    multipliers = np.ones(m, np.float32)
    for row, wrong, message in (
        (m - 1, ids[5], f"ids: got {ids[5]} again in row {m - 1}"),
        (200_000, ids[0], f"ids: got {ids[0]} again in row 200000"),
        (200_000, m, f"ids: got {m} in row 200000"),
    ):
        changed = ids.copy()
        changed[row] = wrong
        with pytest.raises(ValueError, match=message):
            dual_ascent_losses(losses, losses, changed, multipliers, epsilon=0.0, lr=1.0)
    multipliers[ids[200_000]] = -2
    with pytest.raises(ValueError, match=f"multipliers: got -2.0+ for sample {ids[200_000]}"):
        dual_ascent_losses(losses, losses, ids, multipliers, epsilon=0.0, lr=1.0)
    multipliers[ids[200_000]] = 1
    assert (multipliers == 1).all()
    dual_ascent_losses(losses, losses, ids, multipliers, epsilon=0.0, lr=1.0)
    assert (multipliers == 2).all()


def test_errors_of_the_other_forms():
    ones, ids = np.ones(3, np.float32), np.arange(3)
    with pytest.raises(ValueError, match="dual_losses: got 2"):
        dual_ascent_losses(ones, ones[:2], ids, ones.copy(), epsilon=0.0, lr=1.0)
    with pytest.raises(ValueError, match="ids: got 0 again"):
        dual_ascent_losses(ones, ones, np.zeros(3, int), ones.copy(), epsilon=0.0, lr=1.0)
    outputs, targets = GOOD["outputs"], GOOD["targets"]
    with pytest.raises(ValueError, match="before: got 2"):
        dual_ascent_gradient(outputs, targets, ones[:2], 1.0, loss="cross_entropy")
