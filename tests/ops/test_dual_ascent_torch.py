"""The error of a primal-dual step against float64 is no larger than that of eager torch."""

import numpy as np
import pytest
from reference import dual_ascent as reference

from ally_fast.arrays import as_array
from ally_fast.ops.dual_ascent import dual_ascent

torch = pytest.importorskip("torch")
functional = torch.nn.functional

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
EPSILON = 0.2


def eager(outputs, targets, multipliers, scale, *, loss, upcast):
    """Return (losses, lagrangian, gradient) as a user of torch would write them."""
    outputs = outputs.clone().requires_grad_()
    values = outputs.float() if upcast else outputs
    if loss == "cross_entropy":
        losses = functional.cross_entropy(values, targets, reduction="none")
    else:
        targets = targets.float() if upcast else targets
        losses = functional.mse_loss(values, targets, reduction="none").mean(1)
    lagrangian = (losses + multipliers * (losses - EPSILON)).mean()
    (lagrangian * scale).backward()
    return losses.detach().double(), lagrangian.detach().double(), outputs.grad.double()


def truth_of(outputs, targets, multipliers, scale, loss):
    """Return the same in float64."""
    arrays = [array.double().numpy() for array in (outputs, targets)]
    losses, *_, gradient = getattr(reference, loss)(*arrays)
    weights = 1 + multipliers.double().numpy()
    lagrangian = (losses + (weights - 1) * (losses - float(np.float32(EPSILON)))).mean()
    return losses, lagrangian, scale / len(losses) * weights[:, None] * gradient


# autocast computes losses of bfloat16 and float16 in float32: the harder rival.
@pytest.mark.parametrize("upcast", [False, True], ids=["as_stored", "upcast"])
@pytest.mark.parametrize("offset", [0.0, 500.0], ids="offset={}".format)
@pytest.mark.parametrize("c", [2, 10, 100, 1000, 5000], ids="C={}".format)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("loss", ["cross_entropy", "squared_error"])
def test_no_worse_than_eager_torch(loss, dtype, c, offset, upcast):
    generator = torch.Generator().manual_seed(c)
    m, scale = 200, 1024.0
    normal = 4 * torch.randn((m, c), generator=generator) + offset
    outputs = normal.to(DTYPES[dtype])
    multipliers = 3 * torch.rand(m, generator=generator)
    if loss == "cross_entropy":
        targets = torch.randint(c, (m,), generator=generator)
        targets[: m // 2] = outputs[: m // 2].argmax(1)
    else:
        targets = (outputs.float() + torch.randn((m, c), generator=generator)).to(DTYPES[dtype])
    truth = truth_of(outputs, targets, multipliers, scale, loss)
    theirs = eager(outputs, targets, multipliers, scale, loss=loss, upcast=upcast)
    view = as_array(outputs, "outputs")
    step = dual_ascent(
        view.array,
        as_array(targets, "targets").array,
        np.arange(m),
        multipliers.numpy().copy(),
        loss=loss,
        epsilon=EPSILON,
        lr=0.1,
        gradient_scale=scale,
        bf16=view.bf16,
    )
    gradient = torch.from_numpy(step.gradient.view(np.int16) if view.bf16 else step.gradient)
    gradient = gradient.view(DTYPES[dtype]).double().numpy()
    ours = (step.losses.astype(np.float64), step.lagrangian, gradient)
    for name, exact, mine, other in zip(
        ("losses", "lagrangian", "gradient"), truth, ours, theirs, strict=True
    ):
        error = np.abs(mine - exact)
        rival = np.abs(other.numpy() - exact)
        # Where both are the truth rounded once, float32 rounding before it decides ties; and the
        # one number that the Lagrangian is may be right by luck.
        tie = 2.0**-24 * np.abs(exact).max()
        assert error.max() <= rival.max() + tie, name
        if exact.ndim:
            assert np.sqrt((error**2).mean()) <= np.sqrt((rival**2).mean()) + tie / 16, name
