"""Inputs on their way up: the predicted multiplier of a row never falls."""

import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from ally_fast.generate import generate
from ally_fast.primal_dual import DualHead, embed
from ally_fast.primal_dual.dual_head import DualHeadWarning

rng = np.random.default_rng(0)
INPUTS = rng.uniform(size=(300, 6)).astype(np.float32)


@pytest.fixture(autouse=True)
def one_thread():
    """Run torch on one thread: little is computed here."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class Pair(torch.nn.Module):
    """A deep model with dropout and batch statistics, that gives (outputs, embeddings)."""

    def __init__(self, seed=0, scale=1.0):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            layers = []
            for inputs, outputs in ((6, 32), (32, 32), (32, 32), (32, 8)):
                layers += [torch.nn.Linear(inputs, outputs), torch.nn.Tanh()]
            self.body = torch.nn.Sequential(*layers, torch.nn.BatchNorm1d(8), torch.nn.Dropout(0.5))
            self.last = torch.nn.Linear(8, 3)
        with torch.no_grad():
            for layer in self.body[:8:2]:
                layer.weight *= scale

    def forward(self, x):
        embeddings = self.body(x)
        return self.last(embeddings), embeddings


def fitted(model, inputs=INPUTS, **options):
    head = DualHead(max_epochs=40, **options)
    return head.fit(embed(model, inputs), np.maximum(0, np.sin(3 * inputs).sum(1)))


@pytest.fixture(scope="module")
def climb():
    model = Pair()
    return model, fitted(model)


@pytest.fixture(scope="module")
def rough():
    """Return a model so curved that plain ascent falls."""
    model = Pair(scale=6.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DualHeadWarning)
        return model, fitted(model)


def predicted(model, head, rows, layer=None):
    embeddings = embed(model, np.ascontiguousarray(rows), embedding_layer=layer)
    with torch.no_grad():
        return head.predict(torch.from_numpy(embeddings)).numpy()


def plain_ascent(model, head, rows, steps, lr):
    """Return the heights along steps of full length, whether they rise or not."""
    model.eval()
    x, heights = torch.from_numpy(rows.copy()), []
    for _ in range(steps + 1):
        x.requires_grad_(True)
        height = head.predict(model(x)[1])
        heights.append(height.detach().numpy())
        (slope,) = torch.autograd.grad(height.sum(), x)
        size = slope.square().mean(1, keepdim=True).sqrt()
        x = (x + lr * slope / size).detach()
    return np.array(heights)


def test_the_multiplier_rises(climb):
    found = generate(*climb, INPUTS[:40], steps=30, lr=0.05)
    assert found.frames.shape == (31, 40, 6)
    assert found.multipliers.shape == (31, 40)
    gains = np.diff(found.multipliers, axis=0)
    assert (gains >= 0).all()
    assert (gains[0] > 0).all()
    assert (found.multipliers[-1] > found.multipliers[0]).all()


def test_it_rises_where_plain_ascent_falls(rough):
    assert (np.diff(plain_ascent(*rough, INPUTS[:40], 20, 0.3), axis=0) < 0).any()
    found = generate(*rough, INPUTS[:40], steps=20, lr=0.3)
    assert (np.diff(found.multipliers, axis=0) >= 0).all()
    assert (found.multipliers[-1] > found.multipliers[0]).all()


@pytest.mark.parametrize("which", ["climb", "rough"])
def test_the_multipliers_are_those_of_the_frames(which, request):
    model, head = request.getfixturevalue(which)
    found = generate(model, head, INPUTS[:20], steps=8, lr=0.1)
    for frame, multipliers in zip(found.frames, found.multipliers, strict=True):
        # Not equal: products of other sizes round differently.
        assert predicted(model, head, frame) == pytest.approx(multipliers, rel=1e-3, abs=1e-4)


def test_the_first_frame_is_the_input(climb):
    assert np.array_equal(generate(*climb, INPUTS[:9], steps=1).frames[0], INPUTS[:9])


def test_a_step_has_the_length_asked_for(climb):
    found = generate(*climb, INPUTS[:40], steps=1, lr=1e-3)
    moved = np.sqrt(np.square(np.diff(found.frames, axis=0)[0]).mean(1))
    assert moved == pytest.approx(np.full(40, 1e-3), rel=1e-3)
    # It follows the gradient: plain ascent goes the same way.
    heights = plain_ascent(*climb, INPUTS[:40], 1, 1e-3)
    assert found.multipliers[1] == pytest.approx(heights[1], rel=1e-4, abs=1e-5)


def test_bounds_hold(climb):
    free = generate(*climb, INPUTS[:40], steps=40, lr=0.1)
    assert free.frames.max() > 1 or free.frames.min() < 0
    kept = generate(*climb, INPUTS[:40], steps=40, lr=0.1, bounds=(0, 1))
    assert kept.frames.min() >= 0
    assert kept.frames.max() <= 1
    assert (np.diff(kept.multipliers, axis=0) >= 0).all()
    assert (kept.multipliers[-1] > kept.multipliers[0]).all()


def test_rows_have_no_influence_on_one_another(climb):
    together = generate(*climb, INPUTS[:12], steps=10, lr=0.05)
    for size in (1, 5):
        apart = generate(*climb, INPUTS[:12], steps=10, lr=0.05, batch_size=size)
        assert apart.frames == pytest.approx(together.frames, abs=2e-3)


def test_everything_is_left_as_found(climb):
    model, head = climb
    model.train()
    model.body[0].eval()
    modes = [module.training for module in model.modules()]
    state = {name: value.clone() for name, value in model.state_dict().items()}
    random, inputs = torch.get_rng_state(), INPUTS[:10].copy()
    model.last.weight.requires_grad_(False)
    generate(model, head, inputs, steps=3)
    model.last.weight.requires_grad_(True)
    assert [module.training for module in model.modules()] == modes
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert torch.equal(torch.get_rng_state(), random)
    assert np.array_equal(inputs, INPUTS[:10])


def test_a_layer_of_images():
    images = rng.uniform(size=(200, 1, 1, 1)) * rng.uniform(size=(200, 3, 8, 8))
    images = images.astype(np.float32)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = torch.nn.Sequential(
            torch.nn.Conv2d(3, 4, 3), torch.nn.Tanh(), torch.nn.Flatten(), torch.nn.Linear(144, 2)
        )
    embeddings = embed(model, images, embedding_layer="2")
    head = DualHead(max_epochs=40).fit(embeddings, images[:, 0].mean((1, 2)))
    found = generate(model, head, images[:5], steps=4, embedding_layer="2", bounds=(0, 1))
    assert found.frames.shape == (5, 5, 3, 8, 8)
    assert (found.multipliers[-1] > found.multipliers[0]).all()
    assert found.multipliers[-1] == pytest.approx(
        predicted(model, head, found.frames[-1], "2"), rel=1e-3
    )


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_other_floats(dtype, climb):
    found = generate(*climb, INPUTS[:5].astype(dtype), steps=2)
    assert found.frames.dtype == np.float32
    assert np.array_equal(found.frames[0], INPUTS[:5].astype(dtype).astype(np.float32))


def test_tensors(climb):
    found = generate(*climb, torch.from_numpy(INPUTS[:5]), steps=2)
    assert np.array_equal(found.frames, generate(*climb, INPUTS[:5], steps=2).frames)


def test_a_flat_place_is_stayed_at():
    class Dead(torch.nn.Module):
        def forward(self, x):
            embeddings = torch.relu(x - 10 * (x[:, :1] < 0))
            return embeddings, embeddings

    rows = rng.uniform(size=(100, 4)).astype(np.float32)
    head = DualHead(max_epochs=40).fit(rows, rows[:, 1])
    start = np.vstack([rows[:1], [[-1, 0.5, 0.5, 0.5]]]).astype(np.float32)
    found = generate(Dead(), head, start, steps=3)
    assert found.multipliers[-1, 0] > found.multipliers[0, 0]
    assert np.array_equal(found.frames[:, 1], np.repeat(start[1:], 4, axis=0))


@pytest.mark.parametrize(
    ("inputs", "options", "error", "message"),
    [
        (np.zeros((2, 6), np.uint8), {}, TypeError, r"^inputs: got uint8, needs floats"),
        (np.zeros((0, 6)), {}, ValueError, r"^inputs: got shape \(0, 6\)"),
        (np.zeros(6), {}, ValueError, r"^inputs: got shape \(6,\)"),
        (np.full((2, 6), np.nan), {}, ValueError, r"^inputs\[0\] holds NaN"),
        (INPUTS[:2], {"steps": 0}, ValueError, r"^steps: got 0"),
        (INPUTS[:2], {"lr": 0}, ValueError, r"^lr: got 0, needs more than 0"),
        (INPUTS[:2], {"lr": float("inf")}, ValueError, r"^lr: got inf"),
        (INPUTS[:2], {"batch_size": 0}, ValueError, r"^batch_size: got 0"),
        (INPUTS[:2], {"bounds": (1, 0)}, ValueError, r"^bounds: got \(1, 0\), needs low < high"),
        (INPUTS[:2], {"bounds": (0, 0.1)}, ValueError, r"^inputs\[0\] is out of bounds"),
        (INPUTS[:2], {"embedding_layer": "no"}, ValueError, r"^embedding_layer: got 'no'"),
    ],
)
def test_what_is_wrong_is_named(inputs, options, error, message, climb):
    with pytest.raises(error, match=message):
        generate(*climb, inputs, **options)


def test_a_head_that_knows_no_up(climb):
    model, _ = climb
    with pytest.warns(DualHeadWarning):
        head = DualHead().fit(embed(model, INPUTS), np.zeros(300))
    with pytest.raises(ValueError, match=r"^head: the multipliers .* are all equal"):
        generate(model, head, INPUTS[:2])
    with pytest.raises(RuntimeError, match="fit"):
        generate(model, DualHead(), INPUTS[:2])


def test_a_prediction_that_is_not_finite(climb):
    class Cliff(Pair):
        def forward(self, x):
            outputs, embeddings = super().forward(x)
            return outputs, torch.where(x[:, :1] > 0.9, float("nan"), embeddings)

    rows = np.minimum(INPUTS[:5], 0.8)
    rows[3, 0] = 0.95
    with pytest.raises(ValueError, match=r"^inputs\[3\]: its predicted multiplier is not finite"):
        generate(Cliff(), climb[1], rows, batch_size=2)
