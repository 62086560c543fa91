"""The operators are what torch expects of one: schema, gradients, fake kernels, one in a graph."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs torch")

from ally_fast.ops import dual_ascent as core
from ally_fast.primal_dual import DualVariables, NonFiniteLossError, torch_ops

M, C, N = 5, 3, 9
LOSSES = ("cross_entropy", "squared_error")
DTYPES = ("float32", "bfloat16", "float16")


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(7)


def step_arguments(generator, loss, dtype="float32", epsilon=None, requires_grad=True):
    outputs = torch.randn((M, C), generator=generator).to(getattr(torch, dtype))
    if loss == "cross_entropy":
        targets = torch.randint(C, (M,), generator=generator)
    else:
        targets = torch.randn((M, C), generator=generator)
    return (
        outputs.requires_grad_(requires_grad),
        targets,
        torch.randperm(N, generator=generator)[:M],
        torch.rand(N, generator=generator),
        torch.zeros(5, dtype=torch.int64),
        torch.tensor(0.2) if epsilon is None else epsilon,
        0.5,
        loss,
    )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("loss", LOSSES)
def test_opcheck_step(loss, dtype, generator):
    torch.library.opcheck(torch_ops.dual_ascent, step_arguments(generator, loss, dtype))


def test_opcheck_step_of_losses(generator):
    losses, dual_losses = (
        torch.rand(M, generator=generator).requires_grad_(True) for _ in range(2)
    )
    rest = step_arguments(generator, "cross_entropy", epsilon=torch.rand(N))[2:7]
    torch.library.opcheck(torch_ops.dual_ascent_losses, (losses, dual_losses, *rest))


def test_opcheck_gradient(generator):
    outputs, targets, *rest = step_arguments(generator, "cross_entropy", requires_grad=False)
    _, losses, _, before, sums = torch_ops.dual_ascent(outputs, targets, *rest)
    arguments = (outputs, targets, losses, before, sums, torch.tensor(2.0), "cross_entropy")
    torch.library.opcheck(torch_ops.dual_ascent_gradient, arguments)


@pytest.mark.parametrize("loss", [*LOSSES, "absolute"])
def test_gradcheck(loss, generator):
    """In float64 from outside; the core is float32, so steps are large and tolerances follow."""
    outputs, targets, ids, multipliers, *_ = step_arguments(
        generator, "squared_error" if loss == "absolute" else loss
    )
    function = loss
    if loss == "absolute":

        def function(outputs, targets):
            return (outputs - targets).abs().sum(1)

    def lagrangian(outputs):
        duals = DualVariables(N, 0.2, 0.5, loss=function)
        duals.load_state_dict({"multipliers": multipliers, "epsilon": 0.2, "lr": 0.5})
        return duals.lagrangian(outputs.float(), targets, ids).double()

    wide = outputs.detach().double().requires_grad_(True)
    assert torch.autograd.gradcheck(lagrangian, (wide,), eps=1e-2, atol=2e-4, rtol=1e-3)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("loss", LOSSES)
def test_the_cores_own_bits(loss, dtype, generator):
    """Tensors are viewed, not converted: what comes out is what the core gives."""
    outputs, targets, ids, multipliers, report, epsilon, lr, _ = step_arguments(
        generator, loss, dtype
    )
    again = multipliers.numpy().copy()
    bits = outputs.detach()
    if dtype == "bfloat16":
        bits = bits.view(torch.int16)
    rows = bits.numpy().view(np.uint16) if dtype == "bfloat16" else bits.numpy()
    scale = 3.0
    expected = core.dual_ascent(
        rows,
        targets.numpy(),
        ids.numpy(),
        again,
        loss=loss,
        epsilon=epsilon.numpy(),
        lr=lr,
        gradient_scale=scale,
        bf16=dtype == "bfloat16",
    )
    address = multipliers.data_ptr()
    done = torch_ops.dual_ascent(outputs, targets, ids, multipliers, report, epsilon, lr, loss)
    (done[0] * scale).backward()
    assert multipliers.data_ptr() == address
    np.testing.assert_array_equal(multipliers.numpy(), again)
    assert float(done[0].detach()) == np.float32(expected.lagrangian)
    np.testing.assert_array_equal(done[1].numpy(), expected.losses)
    np.testing.assert_array_equal(done[2].numpy(), expected.slacks)
    np.testing.assert_array_equal(done[3].numpy(), expected.before)
    gradient = torch.from_numpy(
        expected.gradient.view(np.int16) if dtype == "bfloat16" else expected.gradient
    )
    assert torch.equal(outputs.grad, gradient.view(outputs.dtype))
    assert outputs.grad.dtype == outputs.dtype


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("loss", LOSSES)
def test_a_gradient_is_the_same_however_often_it_is_asked_for(loss, dtype, generator):
    """The first comes with the forward pass, others are computed when they are asked for."""
    outputs, *rest = step_arguments(generator, loss, dtype)
    lagrangian = torch_ops.dual_ascent(outputs, *rest)[0]
    first, again = (
        torch.autograd.grad(lagrangian, outputs, retain_graph=True)[0] for _ in range(2)
    )
    assert torch.equal(first, again)
    first.zero_()  # belongs to whoever asked for it
    assert torch.equal(torch.autograd.grad(lagrangian, outputs, retain_graph=True)[0], again)
    (twice,) = torch.autograd.grad(2 * lagrangian, outputs)
    assert torch.equal(twice, 2 * again)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_training_step_compiles_to_one_operator(loss, generator):
    torch._dynamo.reset()
    graphs = []

    def backend(graph, inputs):
        graphs.append(graph.graph)
        return graph.forward

    outputs, targets, ids, *_ = step_arguments(generator, loss)
    eager, compiled = (DualVariables(N, 0.2, 0.5, loss=loss) for _ in range(2))

    def step(outputs):
        return compiled.lagrangian(2 * outputs, targets, ids)

    one = torch.compile(step, fullgraph=True, backend=backend)
    for _ in range(3):
        (gradient,) = torch.autograd.grad(one(outputs), outputs)
        (expected,) = torch.autograd.grad(eager.lagrangian(2 * outputs, targets, ids), outputs)
        assert torch.equal(gradient, expected)
        assert torch.equal(compiled.multipliers, eager.multipliers)
    assert compiled.multipliers.any()
    ours = [node for graph in graphs for node in graph.nodes if "ally_fast" in str(node.target)]
    assert [str(node.target) for node in ours] == ["ally_fast.dual_ascent.default"]


def test_a_compiled_step_raises_as_an_eager_one(generator):
    torch._dynamo.reset()
    duals = DualVariables(N, 0.2, 0.5)
    step = torch.compile(
        lambda outputs, targets, ids: duals.lagrangian(outputs, targets, ids),
        fullgraph=True,
        backend="aot_eager",
    )
    outputs, targets, ids, *_ = step_arguments(generator, "cross_entropy")
    with pytest.raises(ValueError, match="id"):
        step(outputs, targets, ids.clone().fill_(3))
    with torch.no_grad():
        outputs[2, :] = float("nan")
    with pytest.raises(NonFiniteLossError, match=f"sample {int(ids[2])}$"):
        step(outputs, targets, ids)


def test_no_gradient_wanted(generator):
    arguments = step_arguments(generator, "cross_entropy", requires_grad=False)
    assert torch_ops.dual_ascent(*arguments)[0].grad_fn is None
    with torch.no_grad():
        arguments = step_arguments(generator, "cross_entropy")
        assert torch_ops.dual_ascent(*arguments)[0].grad_fn is None


def test_a_device_without_a_kernel():
    duals = DualVariables(N, 0.2, 0.5, device="meta")
    with pytest.raises(ValueError, match="outputs: on cpu, but the multipliers are on meta"):
        duals.lagrangian(torch.zeros(1, C), [0], [0])
