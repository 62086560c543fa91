"""Multipliers: the update, the Lagrangian, what a user's loop sees, and what is refused."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs torch")

from hypothesis import given
from hypothesis import strategies as st
from reference import dual_ascent as reference

from ally_fast.primal_dual import DualVariables, NonFiniteLossError

functional = torch.nn.functional


def absolute(outputs, targets):
    return (outputs - targets).abs().mean(1)


@given(
    seed=st.integers(0, 2**32 - 1),
    m=st.integers(0, 20),
    c=st.integers(1, 7),
    loss=st.sampled_from(["cross_entropy", "squared_error"]),
    dual=st.sampled_from([None, "squared_error", "absolute"]),
    per_sample=st.booleans(),
    lr=st.sampled_from([0.0, 0.05, 4.0]),
    dtype=st.sampled_from([torch.float32, torch.float64]),
)
def test_against_the_reference(seed, m, c, loss, dual, per_sample, lr, dtype):
    rng = np.random.default_rng(seed)
    n = 2 * m + 1
    outputs = torch.from_numpy(3 * rng.normal(size=(m, c))).to(dtype).requires_grad_(True)
    values = torch.from_numpy(rng.normal(size=(m, c))).to(dtype)
    classes = torch.from_numpy(rng.integers(0, c, size=m))
    if loss == "cross_entropy" and dual is not None:
        # One targets argument for both: classes for the one, all zeros meant by the other.
        def dual_loss(outputs, targets):
            return outputs.square().mean(1)

        targets, wanted = classes, torch.zeros_like(values)
    else:
        targets = classes if loss == "cross_entropy" else values
        dual_loss, wanted = absolute if dual == "absolute" else dual, values
    epsilon = rng.random(n).astype(np.float32) if per_sample else 0.3
    duals = DualVariables(n, epsilon, lr, loss=loss, dual_loss=dual_loss)
    before = rng.exponential(size=n).astype(np.float32) * (rng.random(n) < 0.7)
    duals.load_state_dict({**duals.state_dict(), "multipliers": torch.from_numpy(before)})
    ids = rng.permutation(n)[:m]

    o, v = outputs.detach().double().numpy(), wanted.double().numpy()
    if loss == "cross_entropy":
        losses, _, slope = reference.cross_entropy(o, classes.numpy())
    else:
        losses, slope = reference.squared_error(o, v)
    dual_losses, dual_slope = losses, slope
    if dual_loss is absolute:
        dual_losses, dual_slope = np.abs(o - v).mean(1), np.sign(o - v) / c
    elif dual_loss is not None:
        dual_losses, dual_slope = reference.squared_error(o, v)
    single = [x.astype(np.float32) for x in (losses, dual_losses)]
    expected = reference.ascend(*single, ids, before, epsilon, lr)

    step = duals.step(outputs, targets, torch.from_numpy(ids))
    tolerance = {"rtol": 1e-5, "atol": 1e-5}
    np.testing.assert_allclose(step.losses, losses, **tolerance)
    np.testing.assert_allclose(step.slacks, expected.slacks, **tolerance)
    np.testing.assert_allclose(duals.multipliers, expected.multipliers, **tolerance)
    assert float(step.lagrangian.detach()) == pytest.approx(expected.lagrangian, rel=1e-5, abs=1e-5)
    step.lagrangian.backward()
    gradient = (slope + before[ids, None].astype(float) * dual_slope) / max(1, m)
    np.testing.assert_allclose(outputs.grad, gradient, **tolerance)


def test_three_lines_in_a_loop_of_ones_own():
    torch.manual_seed(0)
    inputs = torch.randn(40, 4)
    targets = (inputs[:, 0] > 0).long()
    model = torch.nn.Linear(4, 2)
    optimizer = torch.optim.SGD(model.parameters(), 0.5)
    duals = DualVariables(40, epsilon=0.6, lr=0.1)
    expected = torch.zeros(40)
    for _ in range(5):
        for ids in torch.randperm(40).split(16):
            losses = functional.cross_entropy(model(inputs[ids]), targets[ids], reduction="none")
            slacks = losses.detach() - 0.6
            lagrangian = duals.lagrangian(model(inputs[ids]), targets[ids], ids)
            assert float(lagrangian.detach()) == pytest.approx(
                float((losses + expected[ids] * (losses - 0.6)).mean().detach()), abs=1e-5
            )
            expected[ids] = (expected[ids] + 0.1 * slacks).clamp(min=0)
            optimizer.zero_grad()
            lagrangian.backward()
            optimizer.step()
    torch.testing.assert_close(duals.multipliers, expected)
    assert 0 < (duals.multipliers > 0).sum() < 40


def test_slacks_then_ascend_is_the_fused_update():
    outputs, targets = torch.randn(30, 3), torch.arange(30) % 3
    fused, pieces = (DualVariables(30, 0.9, 0.7) for _ in range(2))
    for _ in range(3):
        fused.lagrangian(outputs, targets, torch.arange(30))
        halves = [
            pieces.slacks(outputs[rows], targets[rows], rows) for rows in torch.arange(30).split(20)
        ]
        pieces.ascend(torch.cat(halves))
        assert torch.equal(fused.multipliers, pieces.multipliers)
    assert fused.multipliers.any()


def test_ascend_of_some():
    duals = DualVariables(4, 0.0, 0.5)
    duals.ascend([1.0, 3.0], [3, 1])
    duals.ascend([-9.0], [3])
    assert duals.multipliers.tolist() == [0, 1.5, 0, 0]


def test_update_false_holds_the_multipliers():
    duals = DualVariables(3, 0.1, 1.0)
    duals.lagrangian(torch.randn(3, 2), [0, 1, 0], [0, 1, 2], update=False)
    assert not duals.multipliers.any()


def test_losses_as_given():
    duals = DualVariables(5, 0.5, 1.0)
    losses = torch.tensor([1.0, 0.25], requires_grad=True)
    duals.step_of_losses(losses, [4, 0])
    step = duals.step_of_losses(losses, [4, 0], torch.tensor([2.0, 0.5]))
    assert duals.multipliers.tolist() == [0, 0, 0, 0, 2.0]
    step.lagrangian.backward()
    assert float(step.lagrangian.detach()) == (1 + 0.5 * 1.5 + 0.25) / 2
    assert losses.grad.tolist() == [0.5, 0.5]


@pytest.mark.parametrize("shape", [(6,), (6, 1), (6, 2, 3)])
def test_squared_error_of_any_shape(shape):
    """Outputs (m, 1) beside targets (m,) are no outer product."""
    outputs = torch.randn(shape)
    targets = torch.randn(6, 2, 3) if len(shape) == 3 else torch.randn(6)
    step = DualVariables(6, 0.0, 1.0, loss="squared_error").step(outputs, targets, range(6))
    expected = (outputs.reshape(6, -1) - targets.reshape(6, -1)).square().mean(1)
    torch.testing.assert_close(step.losses, expected)


def test_layouts_and_integer_kinds():
    outputs = torch.randn(4, 6)
    expected = DualVariables(6, 0.2, 1.0).step(
        outputs.T.contiguous(), torch.arange(6) % 4, range(6)
    )
    for laid_out in (outputs.T, torch.cat([outputs.T, outputs.T], 1)[:, :4]):
        for dtype in (torch.int32, torch.uint8):
            duals = DualVariables(6, 0.2, 1.0)
            step = duals.step(laid_out, (torch.arange(6) % 4).to(dtype), np.arange(6))
            assert torch.equal(step.losses, expected.losses)


def test_state_of_a_set():
    duals = DualVariables(4, [0.1, 0.2, 0.3, 0.4], 0.5)
    duals.ascend([1.0, 2.0, -1.0, 0.5])
    state = duals.state_dict()
    duals.ascend([1.0, 1.0, 1.0, 1.0])
    again = DualVariables(4, 0.9, 0.1)
    again.load_state_dict(state)
    assert again.multipliers.tolist() == [0.5, 1.0, 0, 0.25]
    assert again.lr == 0.5
    assert torch.equal(again.epsilon, duals.epsilon)
    with pytest.raises(
        ValueError, match=r"got shape \(4,\), needs \(5,\); .*warm_start=multipliers"
    ):
        DualVariables(5, 0.9, 0.1).load_state_dict(state)
    with pytest.raises(ValueError, match="at least 0"):
        again.load_state_dict({**state, "multipliers": torch.tensor([-1.0, 0, 0, 0])})


@pytest.mark.parametrize("name", ["multipliers", "epsilon", "lr"])
def test_a_state_without_a_part(name):
    state = DualVariables(2, 0.1, 0.5).state_dict()
    del state[name]
    with pytest.raises(ValueError, match=rf"^state: has no '{name}', needs what state_dict"):
        DualVariables(2, 0.1, 0.5).load_state_dict(state)


@pytest.mark.parametrize("kind", [list, np.array, torch.tensor])
def test_a_set_that_grew_begins_with_its_multipliers(kind):
    duals = DualVariables(5, 0.0, 1.0, warm_start=kind([0.5, 0.0, 2.0]))
    assert duals.multipliers.tolist() == [0.5, 0.0, 2.0, 0.0, 0.0]
    step = duals.step_of_losses(torch.tensor([1.0]), [2])
    assert float(step.lagrangian) == 1 + 2.0 * 1
    assert duals.multipliers.tolist() == [0.5, 0.0, 3.0, 0.0, 0.0]


def test_what_a_set_began_with_is_a_copy():
    before = DualVariables(2, 0.0, 1.0)
    after = DualVariables(3, 0.0, 1.0, warm_start=before.multipliers)
    after.ascend([1.0, 1.0, 1.0])
    assert not before.multipliers.any()


def test_the_rate_may_be_set():
    duals = DualVariables(2, 0.0, 1.0)
    duals.ascend([1.0, 0.0])
    duals.lr = 0.25
    assert duals.lr == 0.25
    duals.ascend([0.0, 1.0])
    duals.lagrangian(torch.zeros(1, 2), [0], [1])
    expected = 0.25 + 0.25 * np.log(2)
    assert duals.multipliers.tolist() == [1.0, pytest.approx(expected)]
    assert duals.state_dict()["lr"] == 0.25
    for value, error in ((-1.0, ValueError), (float("nan"), ValueError), ("fast", TypeError)):
        with pytest.raises(error, match=r"^lr: got "):
            duals.lr = value
    assert duals.lr == 0.25


def test_the_view_follows():
    duals = DualVariables(2, 0.0, 1.0)
    view = duals.multipliers
    duals.ascend([1.0, 2.0])
    assert view.tolist() == [1, 2]
    assert len(duals) == 2


def test_epsilon_is_a_copy():
    epsilon = torch.full((3,), 0.5)
    duals = DualVariables(3, epsilon, 1.0)
    epsilon.fill_(9)
    assert duals.epsilon.tolist() == [0.5, 0.5, 0.5]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"n": 0}, ValueError, "n: got 0, needs at least 1"),
        ({"n": 2.0}, TypeError, "n: got 2.0, needs an integer"),
        (
            {"epsilon": [0.1, 0.2]},
            ValueError,
            r"epsilon: got shape \(2,\), needs one number or one",
        ),
        ({"epsilon": [[0.1] * 3]}, ValueError, r"epsilon: got shape \(1, 3\)"),
        ({"epsilon": float("nan")}, ValueError, "epsilon: all numbers must be finite"),
        ({"epsilon": "much"}, TypeError, "epsilon: got 'much', needs numbers"),
        ({"epsilon": True}, TypeError, "epsilon: got torch.bool"),
        ({"lr": -1}, ValueError, "lr: got -1"),
        ({"lr": float("inf")}, ValueError, "lr: got inf"),
        (
            {"loss": "hinge"},
            ValueError,
            "loss: got 'hinge', needs 'cross_entropy', 'squared_error'",
        ),
        ({"dual_loss": 3}, ValueError, "dual_loss: got 3"),
        ({"warm_start": [0.0] * 4}, ValueError, "warm_start: got 4 multipliers, needs at most 3"),
        (
            {"warm_start": [[0.0]]},
            ValueError,
            r"warm_start: got shape \(1, 1\), needs one for each sample",
        ),
        ({"warm_start": [float("inf")]}, ValueError, "warm_start: all must be finite"),
        ({"device": "gpu"}, ValueError, "device: got 'gpu', needs a device of torch"),
    ],
)
def test_arguments_of_a_set(arguments, error, message):
    with pytest.raises(error, match=message):
        DualVariables(**{"n": 3, "epsilon": 0.1, "lr": 0.1, **arguments})


STEP = {"outputs": torch.zeros(2, 3), "targets": torch.tensor([0, 1]), "ids": [0, 1]}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])  # fused, and by torch
@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"ids": [1, 1]}, ValueError, "id"),
        ({"ids": [0, 5]}, ValueError, "id"),
        ({"ids": [0, -1]}, ValueError, "id"),
        ({"ids": [0.0, 1.0]}, TypeError, "ids: got torch.float32, needs integers"),
        ({"ids": [0]}, ValueError, "shape|rows|ids"),
        ({"targets": torch.tensor([0, 3])}, ValueError, "target"),
        ({"targets": torch.tensor([0, -100])}, ValueError, "target"),
        ({"targets": torch.tensor([0.0, 1.0])}, TypeError, "needs integer classes"),
        (
            {"targets": torch.tensor([[0], [1]])},
            ValueError,
            r"needs one class for each row, \(2,\)",
        ),
        ({"outputs": torch.zeros(2, 3, 4)}, ValueError, r"cross_entropy needs \(m, C\)"),
    ],
)
def test_bad_minibatches(arguments, error, message, dtype):
    duals = DualVariables(4, 0.1, 1.0)
    given = {**STEP, **arguments}
    given["outputs"] = given["outputs"].to(dtype)
    with pytest.raises(error, match=message):
        duals.lagrangian(**given)
    assert not duals.multipliers.any()


def test_a_loss_that_averages():
    duals = DualVariables(4, 0.1, 1.0, loss=functional.cross_entropy)
    with pytest.raises(ValueError, match=r"loss: returned shape \(\), .* reduction='none'"):
        duals.lagrangian(**STEP)


@pytest.mark.parametrize("loss", ["cross_entropy", lambda o, t: o[:, 0]])
def test_losses_that_are_not_finite_are_named(loss):
    duals = DualVariables(30, 0.1, 1.0, loss=loss)
    outputs = torch.zeros(20, 2)
    outputs[3:16] = float("nan")
    ids = torch.arange(20) + 7
    with pytest.raises(NonFiniteLossError, match=r"samples 10, 11, .*, 19 and 3 more") as caught:
        duals.lagrangian(outputs, torch.zeros(20, dtype=torch.int64), ids)
    assert caught.value.sample_ids == tuple(range(10, 23))
    assert not duals.multipliers[10:23].any()
    with pytest.raises(NonFiniteLossError, match="slack is not finite of sample 2"):
        duals.ascend([0.0, float("inf")], [1, 2])


def test_repeated_or_foreign_ids_in_ascend():
    duals = DualVariables(3, 0.1, 1.0)
    for ids in ([0, 0], [0, 3]):
        with pytest.raises(ValueError, match="ids"):
            duals.ascend([1.0, 1.0], ids)
    with pytest.raises(ValueError, match=r"got shape \(2,\), needs one for each sample, \(3,\)"):
        duals.ascend([1.0, 1.0])
    assert not duals.multipliers.any()
