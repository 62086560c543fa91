"""The GPU's step beside the CPU's: on CUDA tensors, or on host memory where a GPU is emulated."""

from types import SimpleNamespace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs torch")

from ally_fast.primal_dual import NonFiniteLossError, cuda_step, host_step

M, C, N = 300, 10, 400
DTYPES = ("float32", "bfloat16", "float16")


@pytest.fixture
def device(monkeypatch):
    """Return where tensors have to be for the CUDA module."""
    cuda = pytest.importorskip("ally_fast._cuda", reason="built without CUDA")
    if not hasattr(cuda, "dual_ascent"):
        pytest.skip("this CUDA module has no dual_ascent")
    if torch.cuda.is_available():
        return torch.device("cuda")
    stream = cuda.Stream(0)

    def waiting(operation):
        def call(*args, **kwargs):
            operation(*args, **kwargs)
            stream.synchronize()  # torch reads at once what is host memory to it

        return call

    names = ("dual_ascent", "dual_ascent_losses", "dual_ascent_gradient")
    emulated = SimpleNamespace(**{name: waiting(getattr(cuda, name)) for name in names})
    emulated.DeviceArray = cuda.DeviceArray
    monkeypatch.setattr(cuda_step, "_module", lambda tensor: emulated)
    monkeypatch.setattr(cuda_step, "_current_stream", lambda module, tensor: stream)
    return torch.device("cpu")


def arguments(loss, dtype, per_sample=True):
    generator = torch.Generator().manual_seed(11)
    outputs = 3 * torch.randn((M, C + 2), generator=generator)
    targets = torch.randn((M, C), generator=generator)
    if loss == "cross_entropy":
        targets = torch.randint(C, (M,), generator=generator)
    return [
        outputs.to(getattr(torch, dtype))[:, :C],
        targets,
        torch.randperm(N, generator=generator)[:M],
        torch.rand(N, generator=generator),
        torch.zeros(5, dtype=torch.int64),
        torch.rand(N, generator=generator) if per_sample else torch.tensor(0.2),
    ]


def on(device, tensors):
    """Return copies there; numbers stay on the CPU."""
    return [x.clone() if x.dim() == 0 else x.to(device, copy=device.type == "cpu") for x in tensors]


@pytest.mark.gpu
@pytest.mark.parametrize("per_sample", [True, False])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("loss", ["cross_entropy", "squared_error"])
def test_step_and_gradient(loss, dtype, per_sample, device):
    given = arguments(loss, dtype, per_sample)
    host, there = on(torch.device("cpu"), given), on(device, given)
    expected = host_step.step(*host, 0.5, loss)
    done = cuda_step.step(*there, 0.5, loss)
    tolerance = {"rtol": 1e-5, "atol": 1e-6}
    log_sum_exp = torch.logsumexp(host[0].double(), 1)[: M if loss == "cross_entropy" else 0]
    known = [*expected[:4], log_sum_exp, host[3]]
    for ours, theirs in zip([*done, there[3]], known, strict=True):
        assert ours.dtype == theirs.dtype
        np.testing.assert_allclose(ours.cpu(), theirs, **tolerance)
    cuda_step.raise_report(there[4])  # nothing
    scale = torch.tensor(256.0)
    gradient = cuda_step.gradient(*there[:2], done[1], done[3], done[4], scale.to(device), loss)
    wanted = host_step.gradient(*host[:2], expected[1], expected[3], expected[4], scale, loss)
    assert gradient.dtype == wanted.dtype
    rounding = {"float32": 1e-5, "bfloat16": 2.0**-7, "float16": 2.0**-9}[dtype]
    np.testing.assert_allclose(gradient.cpu().float(), wanted.float(), rtol=rounding, atol=1e-6)


@pytest.mark.gpu
def test_step_of_losses(device):
    _, _, ids, *rest = arguments("cross_entropy", "float32")
    losses, dual_losses = torch.rand(M), torch.rand(M)
    host = on(torch.device("cpu"), [losses, dual_losses, ids, *rest])
    there = on(device, [losses, dual_losses, ids, *rest])
    expected, done = host_step.step_of_losses(*host, 0.5), cuda_step.step_of_losses(*there, 0.5)
    for ours, theirs in zip([*done, there[3]], [*expected, host[3]], strict=True):
        np.testing.assert_array_equal(ours.cpu(), theirs)


@pytest.mark.gpu
def test_the_first_trouble_is_kept_until_asked(device):
    there = on(device, arguments("cross_entropy", "float32"))
    there[0][7, 2] = float("nan")
    cuda_step.step(*there, 0.5, "cross_entropy")
    there[1][3] = C
    cuda_step.step(*there, 0.5, "cross_entropy")
    with pytest.raises(NonFiniteLossError, match=rf"sample {int(there[2][7])}$"):
        cuda_step.raise_report(there[4])
    cuda_step.raise_report(there[4])
    cuda_step.step(*there, 0.5, "cross_entropy")
    with pytest.raises(ValueError, match=r"targets\[3\]: got 10"):
        cuda_step.raise_report(there[4])


@pytest.mark.gpu
@pytest.mark.parametrize(
    ("place", "name"),
    [*enumerate(["outputs", "targets", "ids", "multipliers", "report", "epsilon"])],
)
def test_tensors_of_two_devices_are_refused(place, name, device):
    given = on(device, arguments("cross_entropy", "float32"))
    given[place] = given[place].to("meta")  # a device as good as any
    what = "(found|outputs|targets)" if name in ("report", "outputs") else name
    with pytest.raises(ValueError, match=rf"^{what}: on \w+(:0)?, but outputs are on \w+(:0)?$"):
        cuda_step.step(*given, 0.5, "cross_entropy")


@pytest.mark.parametrize(
    ("report", "error", "message"),
    [
        ([0, -1, 0, -1, 0], None, ""),
        ([2, 31, 0, -1, 0], NonFiniteLossError, r"sample 31$"),
        ([0, -1, 1, 4, 99], ValueError, r"ids\[4\]: got 99"),
        ([0, -1, 5, -1, 3], ValueError, "sample 3 is given more than once"),
    ],
)
def test_reports(report, error, message):
    tensor = torch.tensor(report)
    if error:
        with pytest.raises(error, match=message):
            cuda_step.raise_report(tensor)
    assert cuda_step.raise_report(torch.zeros(5, dtype=torch.int64)) is None
    assert error is None or not tensor.any()


def test_without_a_gpu_or_without_the_operation(monkeypatch):
    outputs = torch.zeros(2, 3)
    missing = RuntimeError("this installation of ally-fast was built without CUDA")

    def raises():
        raise missing

    monkeypatch.setattr(cuda_step, "cuda_module", raises)
    with pytest.raises(RuntimeError, match=r"outputs: on cpu, but .* built without CUDA"):
        cuda_step._module(outputs)
    monkeypatch.setattr(cuda_step, "cuda_module", object)
    with pytest.raises(RuntimeError, match=r"has no dual_ascent; .* outputs\.cpu\(\)"):
        cuda_step._module(outputs)
