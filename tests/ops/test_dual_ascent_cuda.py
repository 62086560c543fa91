"""A primal-dual step on the GPU: within bounds of float64, and all else equal to the CPU."""

import numpy as np
import pytest
from reference import dual_ascent as reference

from ally_fast.ops.dual_ascent import DualAscent, check_report, dual_ascent_losses

pytestmark = pytest.mark.gpu

UNIT = 2.0**-24  # half a unit in the last place of float32
ROUNDING = {"float32": UNIT, "float16": 2.0**-11, "bf16": 2.0**-8}
LOSSES = ("cross_entropy", "squared_error")
# Eight lanes, a warp, a block; held in registers or not; whole vectors or not.
COLUMNS = (1, 3, 10, 64, 65, 100, 257, 512, 1000, 1024, 1032, 2051, 4100, 8192, 9001)


class Device:
    """The op's functions on host arrays."""

    def __init__(self, stream):
        from ally_fast import _cuda

        self.cuda, self.stream = _cuda, stream

    def put(self, array):
        return self.cuda.DeviceArray.from_host(np.ascontiguousarray(array), self.stream)

    def empty(self, shape, dtype):
        return self.cuda.DeviceArray.empty(shape, dtype, self.stream)

    def epsilon(self, epsilon):
        return self.put(epsilon) if isinstance(epsilon, np.ndarray) else epsilon

    def report(self):
        return self.empty((1,), np.float64), self.empty((5,), np.int64)

    def dual_ascent(
        self,
        outputs,
        targets,
        ids,
        multipliers,
        *,
        loss,
        epsilon,
        lr,
        gradient_scale=None,
        apart=None,
    ):
        """Return (step, multipliers after it, gradient by the second way)."""
        m, bf16 = len(outputs), outputs.dtype == np.uint16
        held, wanted = self.rows(outputs, apart), self.put(targets)
        after = self.put(multipliers)
        arrays = [self.empty((m,), np.float32) for _ in range(3)]
        entropy = self.empty((m,), np.float64) if loss == "cross_entropy" else None
        wants = gradient_scale is not None
        now, later = (self.empty(outputs.shape, outputs.dtype) if wants else None for _ in "ab")
        lagrangian, report = self.report()
        self.cuda.dual_ascent(
            held,
            wanted,
            self.put(ids),
            after,
            self.epsilon(epsilon),
            lr,
            *arrays,
            entropy,
            now,
            lagrangian,
            report,
            loss=loss,
            gradient_scale=gradient_scale if wants else 1.0,
            bf16=bf16,
        )
        if wants:
            losses, _, before = arrays
            self.cuda.dual_ascent_gradient(
                held, wanted, losses, entropy, before, later, gradient_scale, loss=loss, bf16=bf16
            )
        counts = check_report(report.to_host())
        step = DualAscent(
            *(array.to_host() for array in arrays),
            lagrangian.to_host()[0],
            *counts,
            now.to_host() if wants else None,
        )
        return step, after.to_host(), later.to_host() if wants else None

    def rows(self, outputs, apart):
        """Put rows with so many bytes (before, after) each of them."""
        if not apart:
            return self.put(outputs)
        before, after = (bytes_ // outputs.itemsize for bytes_ in apart)
        store = np.pad(outputs, ((0, 0), (before, after)), constant_values=7)
        whole = self.put(store)
        return self.cuda.DeviceArray.foreign(
            whole.pointer + apart[0],
            outputs.shape,
            store.strides,
            outputs.dtype,
            self.stream,
            whole,
        )

    def dual_ascent_losses(self, losses, dual_losses, ids, multipliers, *, epsilon, lr):
        after, m = self.put(multipliers), len(losses)
        slacks, before = (self.empty((m,), np.float32) for _ in range(2))
        lagrangian, report = self.report()
        self.cuda.dual_ascent_losses(
            self.put(losses),
            self.put(dual_losses),
            self.put(ids),
            after,
            self.epsilon(epsilon),
            lr,
            slacks,
            before,
            lagrangian,
            report,
        )
        numbers = lagrangian.to_host()[0], *check_report(report.to_host())
        return DualAscent(losses, slacks.to_host(), before.to_host(), *numbers), after.to_host()


@pytest.fixture
def device(stream):
    return Device(stream)


def stored(values, dtype):
    """Return values as they are stored, and what is stored in float64."""
    values = np.asarray(values, np.float32)
    if dtype == "bf16":
        bits = (values.view(np.uint32) >> 16).astype(np.uint16)
        return bits, widened(bits)
    return values.astype(dtype), values.astype(dtype).astype(np.float64)


def widened(array):
    if array.dtype == np.uint16:
        array = (array.astype(np.uint32) << 16).view(np.float32)
    return array.astype(np.float64)


def check(device, outputs, targets, held, wanted, rng, dtype, loss, *, scale=16.0, apart=None):
    """Run a step on fresh multipliers and check all it answers; return it."""
    m = len(outputs)
    ids, n = rng.permutation(3 * m)[:m], 3 * m
    multipliers = rng.exponential(size=n).astype(np.float32)
    multipliers[rng.random(n) < 0.3] = 0
    epsilon = rng.random(n, dtype=np.float32) if m % 2 else 0.2
    step, after, later = device.dual_ascent(
        outputs,
        targets,
        ids,
        multipliers,
        loss=loss,
        epsilon=epsilon,
        lr=0.3,
        gradient_scale=scale,
        apart=apart,
    )
    expected = reference.ascend(step.losses, step.losses, ids, multipliers, epsilon, 0.3)
    np.testing.assert_array_equal(step.slacks, expected.slacks)
    np.testing.assert_array_equal(step.before, expected.before)
    np.testing.assert_array_equal(after, expected.multipliers)
    np.testing.assert_array_equal(step.lagrangian, expected.lagrangian)
    assert (step.nonfinite, step.first_nonfinite) == (expected.nonfinite, expected.first_nonfinite)
    np.testing.assert_array_equal(later, step.gradient)

    if loss == "cross_entropy":
        losses, log_sum_exp, gradient = reference.cross_entropy(held, wanted)
        with np.errstate(invalid="ignore"):
            distance = np.abs(held - log_sum_exp[:, None])
        factor = np.where(gradient == 0, 1.0, 2 * distance + 60)
    else:
        losses, gradient = reference.squared_error(held, wanted)
        factor = 4.0
    finite = np.isfinite(losses)
    # Up to 32 numbers in a row in float32, each the exponential with its own error; and a tiny loss
    # is itself the exponential of its logarithm in float32.
    units = 45 + np.abs(np.log(np.clip(losses[finite], 1e-45, 1)))
    error = np.abs(step.losses[finite] - losses[finite])
    assert (error <= units * UNIT * losses[finite] + 2.0**-149).all()
    coefficient = scale / m * (1 + step.before.astype(np.float64))[:, None]
    truth = (coefficient * gradient)[finite]
    bound = np.abs(truth) * (factor[finite] if loss == "cross_entropy" else factor) * UNIT
    bound += np.abs(truth) * ROUNDING[dtype] * 1.01
    bound += 2.0**-25 if dtype == "float16" else 2.0**-126  # subnormal numbers
    assert (np.abs(widened(step.gradient)[finite] - truth) <= bound).all()
    return step


@pytest.mark.parametrize("c", COLUMNS, ids="C={}".format)
@pytest.mark.parametrize("dtype", sorted(ROUNDING))
@pytest.mark.parametrize("loss", LOSSES)
def test_against_float64(loss, dtype, c, device, rng):
    m = 37 if c <= 1024 else 3
    outputs, held = stored(3 * rng.normal(size=(m, c)), dtype)
    if loss == "cross_entropy":
        targets = wanted = rng.integers(0, c, size=m)
    else:
        targets, wanted = stored(3 * rng.normal(size=(m, c)), dtype)
    check(device, outputs, targets, held, wanted, rng, dtype, loss)


# By 16 bytes; rows too close for that; the first row in between.
@pytest.mark.parametrize("apart", [(16, 16), (0, 4), (4, 12)], ids=str)
@pytest.mark.parametrize("c", [16, 128, 2048])
@pytest.mark.parametrize("dtype", sorted(ROUNDING))
def test_rows_that_lie_apart(dtype, c, apart, device, rng):
    outputs, held = stored(rng.normal(size=(5, c)), dtype)
    targets = rng.integers(0, c, size=5)
    check(device, outputs, targets, held, targets, rng, dtype, "cross_entropy", apart=apart)


@pytest.mark.parametrize("c", [7, 96, 1500])
def test_bfloat16_outputs_with_float32_values(c, device, rng):
    outputs, held = stored(rng.normal(size=(4, c)), "bf16")
    values = rng.normal(size=(4, c)).astype(np.float32)
    check(device, outputs, values, held, values, rng, "bf16", "squared_error")


@pytest.mark.parametrize("c", [5, 300, 2000])
def test_large_outputs_masked_classes_and_tiny_losses(c, device, rng):
    outputs = 1e4 + rng.integers(-8, 8, size=(12, c)).astype(np.float32)
    targets = rng.integers(0, c, size=12)
    outputs[:4][rng.random((4, c)) < 0.9] = -np.inf
    outputs[0], outputs[1] = -np.inf, 0
    outputs[np.arange(4), targets[:4]] = [3.0, 60.0, 1.0, 2.0]
    outputs[4, :], outputs[4, targets[4]] = -1e4, 1e4
    step = check(
        device, outputs, targets, outputs.astype(np.float64), targets, rng, "float32", LOSSES[0]
    )
    assert step.losses[0] == 0
    assert 0 < step.losses[1] < 1e-20
    assert step.nonfinite == 0
    assert (step.gradient[:4][np.isneginf(outputs[:4])] == 0).all()


@pytest.mark.parametrize("c", [5, 300, 2000])
@pytest.mark.parametrize("odd", [np.nan, np.inf, "target"])
def test_rows_that_are_not_finite_are_told(odd, c, device, rng):
    outputs = rng.normal(size=(20, c)).astype(np.float32)
    targets = rng.integers(0, c - 1, size=20)
    rows = [4, 5, 19]
    if odd == "target":
        outputs[rows, targets[rows]] = -np.inf
    else:
        outputs[rows, c - 1] = odd
    held = outputs.astype(np.float64)
    held[rows] = -np.inf  # their losses are not compared
    step = check(device, outputs, targets, held, targets, rng, "float32", "cross_entropy")
    assert step.nonfinite == 3


def test_nan_among_masked_classes_is_not_lost(device):
    outputs = np.full((1, 600), -np.inf, np.float32)
    outputs[0, 599], outputs[0, 3] = 1.0, np.nan
    step, *_ = device.dual_ascent(
        outputs,
        np.array([599]),
        np.array([0]),
        np.ones(1, np.float32),
        loss="cross_entropy",
        epsilon=0.0,
        lr=1.0,
    )
    assert np.isnan(step.losses[0])
    assert step.gradient is None


@pytest.mark.parametrize("m", [0, 1, 255, 256, 257, 1000])
def test_given_losses_are_the_cpu(m, device, rng):
    values = np.array([0, 1e-30, 1e30, 3e38, np.inf, -np.inf, np.nan], np.float32)
    losses, dual_losses = rng.exponential(size=(2, m)).astype(np.float32)
    for array in (losses, dual_losses):
        odd = rng.random(m) < 0.05
        array[odd] = rng.choice(values, odd.sum())
    multipliers = rng.exponential(size=m + 9).astype(np.float32)
    epsilon = rng.normal(size=m + 9).astype(np.float32)
    ids = rng.permutation(m + 9)[:m]
    options = {"epsilon": epsilon, "lr": 0.7}
    found, after = device.dual_ascent_losses(losses, dual_losses, ids, multipliers, **options)
    expected = dual_ascent_losses(losses, dual_losses, ids, multipliers, **options)
    np.testing.assert_array_equal(after, multipliers)
    for name, value in vars(expected).items():
        np.testing.assert_array_equal(getattr(found, name), value, err_msg=name)


def test_the_lagrangian_is_added_up_in_order(device, rng):
    m = 70_000  # more blocks of rows than one block of threads
    losses = rng.exponential(size=m).astype(np.float32) * np.float32(10) ** rng.integers(-8, 8, m)
    losses = losses.astype(np.float32)
    multipliers, ids = np.ones(m, np.float32), np.arange(m)
    options = {"epsilon": 0.3, "lr": 0.1}
    found, _ = device.dual_ascent_losses(losses, losses, ids, multipliers, **options)
    expected = dual_ascent_losses(losses, losses, ids, multipliers.copy(), **options)
    assert found.lagrangian == expected.lagrangian


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ids": [3, 9, 4, 9, 3]}, "ids: got 3 again"),
        ({"ids": [3, 9, 10, 0, 12]}, "ids: got 10 in row 2"),
        ({"ids": [3, -1, 10, 0, 3]}, "ids: got -1 in row 1"),
        ({"targets": [0, 3, 1, -100, 2]}, "targets: got 3 in row 1"),
        ({"targets": [0, 1, 1, -100, 2]}, "targets: got -100 in row 3"),
        ({"multipliers": -1.0}, "multipliers: that of sample 3"),
        ({"multipliers": np.nan}, "multipliers: that of sample 3"),
        ({"epsilon": np.inf}, "epsilon: that of sample 3"),
    ],
)
def test_errors_change_nothing(change, message, device):
    ids = np.array(change.get("ids", [0, 3, 5, 7, 9]))
    targets = np.array(change.get("targets", [0, 1, 2, 0, 1]))
    multipliers, epsilon = np.ones(10, np.float32), np.zeros(10, np.float32)
    multipliers[3], epsilon[3] = change.get("multipliers", 1), change.get("epsilon", 0)
    held = device.put(multipliers)
    lagrangian, report = device.report()
    zeros = [device.put(np.zeros(5, np.float32)) for _ in range(3)]
    gradient = device.put(np.zeros((5, 3), np.float32))
    device.cuda.dual_ascent(
        device.put(np.zeros((5, 3), np.float32)),
        device.put(targets),
        device.put(ids),
        held,
        device.put(epsilon),
        1.0,
        *zeros,
        device.put(np.zeros(5)),
        gradient,
        lagrangian,
        report,
        loss="cross_entropy",
    )
    with pytest.raises(ValueError, match=message):
        check_report(report.to_host())
    assert np.isnan(lagrangian.to_host()[0])
    np.testing.assert_array_equal(held.to_host(), multipliers)
    for array in (*zeros, gradient):
        assert not array.to_host().any()


def test_a_gradient_after_a_refused_step_stays_in_its_rows(device):
    floats, gradient = device.put(np.ones(3, np.float32)), device.put(np.ones((3, 5), np.float32))
    device.cuda.dual_ascent_gradient(
        device.put(np.zeros((3, 5), np.float32)),
        device.put(np.array([5, -1, 2**40 + 77])),
        floats,
        device.put(np.full(3, np.log(5))),
        floats,
        gradient,
        3.0,
        loss="cross_entropy",
    )
    np.testing.assert_allclose(gradient.to_host(), 2 / 5, rtol=1e-6)


def test_errors_of_given_losses_change_nothing(device):
    multipliers = device.put(np.ones(4, np.float32))
    losses, places = device.put(np.full(3, 5, np.float32)), device.put(np.zeros(3, np.float32))
    lagrangian, report = device.report()
    ids = device.put(np.array([0, 1, 0]))
    device.cuda.dual_ascent_losses(
        losses, losses, ids, multipliers, 0.0, 1.0, places, places, lagrangian, report
    )
    with pytest.raises(ValueError, match="ids: got 0 again"):
        check_report(report.to_host())
    assert multipliers.to_host().tolist() == [1] * 4
    assert not places.to_host().any()


def test_shapes_are_checked_before_work(device):
    outputs, ids = device.put(np.zeros((3, 4), np.float32)), device.put(np.arange(3))
    multipliers = device.put(np.ones(5, np.float32))
    floats, doubles = device.put(np.zeros(3, np.float32)), device.put(np.zeros(3))
    good = {
        "outputs": outputs,
        "targets": ids,
        "ids": ids,
        "multipliers": multipliers,
        "epsilon": 0.2,
        "lr": 0.1,
        "losses": floats,
        "slacks": floats,
        "before": floats,
        "log_sum_exp": doubles,
        "gradient": None,
        "lagrangian": device.put(np.zeros(1)),
        "report": device.put(np.zeros(5, np.int64)),
        "loss": "cross_entropy",
    }
    for change, error, message in [
        ({"ids": device.put(np.arange(2))}, ValueError, "ids: got 2 of them"),
        ({"ids": device.put(np.arange(3, dtype=np.int32))}, TypeError, "ids: got int32"),
        ({"targets": doubles}, TypeError, "targets: got float64"),
        ({"loss": "hinge"}, ValueError, "loss: got 'hinge'"),
        ({"loss": "squared_error"}, ValueError, "targets: got shape"),
        ({"loss": "squared_error", "targets": device.put(np.zeros((3, 4)))}, TypeError, "targets"),
        ({"outputs": device.put(np.zeros((3, 4)))}, TypeError, "outputs: got float64"),
        ({"outputs": device.put(np.zeros((3, 0), np.float32))}, ValueError, "outputs"),
        ({"epsilon": floats}, ValueError, "epsilon: got 3 of them"),
        ({"epsilon": np.inf}, ValueError, "epsilon"),
        ({"lr": -1.0}, ValueError, "lr"),
        ({"log_sum_exp": None}, ValueError, "log_sum_exp"),
        ({"gradient": device.put(np.zeros((3, 4), np.float16))}, ValueError, "gradient: got"),
        ({"report": device.put(np.zeros(4, np.int64))}, ValueError, "report"),
        ({"losses": device.put(np.zeros(4, np.float32))}, ValueError, "losses: got 4"),
        ({"gradient_scale": np.nan}, ValueError, "scale"),
    ]:
        with pytest.raises(error, match=message):
            device.cuda.dual_ascent(**{**good, **change})
