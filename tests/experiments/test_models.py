import numpy as np
import pytest

torch = pytest.importorskip("torch")

from ally_fast.experiments.datasets import Dataset
from ally_fast.experiments.joint_model import JointModel, joint_loss
from ally_fast.experiments.models import MLP, ResNet18, build_model
from ally_fast.strategies.loss_module import ranking_loss


def dataset(inputs, classes=10):
    targets = np.arange(len(inputs)) % (classes or 1)
    targets = targets if classes else targets.astype(np.float32)
    return Dataset("made", inputs, targets, inputs, targets, classes, "made")


def bytes_of(*shape):
    return np.random.default_rng(0).integers(256, size=shape, dtype=np.uint8)


def test_images_of_bytes_are_standardised():
    images = bytes_of(500, 3, 8, 8)
    images[:, 1] //= 2
    model = build_model(dataset(images), 0)
    assert isinstance(model, ResNet18)
    given = model.standardize(torch.from_numpy(images))
    assert given.mean((0, 2, 3)).numpy() == pytest.approx([0, 0, 0], abs=1e-4)
    assert given.std((0, 2, 3)).numpy() == pytest.approx([1, 1, 1], abs=1e-3)


def test_features_pass():
    rows = np.random.default_rng(0).normal(3, size=(20, 5)).astype(np.float32)
    model = build_model(dataset(rows), 0)
    assert isinstance(model, MLP)
    assert torch.equal(model.standardize(torch.from_numpy(rows)), torch.from_numpy(rows))


def test_a_pool_of_one_colour():
    model = build_model(dataset(np.full((20, 16), 7, np.uint8)), 0)
    outputs, _ = model(torch.full((2, 16), 7, dtype=torch.uint8))
    assert torch.isfinite(outputs).all()


@pytest.mark.parametrize(
    ("inputs", "classes", "width", "parameters"),
    [
        # 784 * 256 + 256, 256 * 256 + 256, 256 * 10 + 10
        (bytes_of(4, 784), 10, 256, 269_322),
        (bytes_of(4, 20), None, 256, 71_425),
        # A sixteenth of the usual ResNet-18, and its heads.
        (bytes_of(4, 3, 32, 32), 10, 128, 701_466),
    ],
    ids=["mnist", "regression", "cifar"],
)
def test_the_models_of_the_paper(inputs, classes, width, parameters):
    model = build_model(dataset(inputs, classes), 0)
    outputs, embeddings = model(torch.from_numpy(inputs))
    assert outputs.shape == (4, classes or 1)
    assert embeddings.shape == (4, width)
    assert sum(p.numel() for p in model.parameters()) == parameters
    # The last layer reads the embedding: what BADGE takes for granted.
    assert torch.equal(model.last(embeddings), outputs)


def test_weights_by_seed_and_the_random_state_is_left():
    rows = dataset(bytes_of(4, 20))
    state = torch.get_rng_state()
    first, again, other = (build_model(rows, seed).first.weight for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize("shape", [(784,), (3, 32, 32)], ids=["mlp", "resnet"])
def test_the_joint_model_appends_a_predicted_loss(shape):
    inputs = bytes_of(6, *shape)
    model = build_model(dataset(inputs), 0)
    joint = JointModel(model, 0).eval()
    x = torch.from_numpy(inputs)
    outputs, embeddings = joint(x)
    own, same = model(x)
    assert torch.equal(outputs[:, :-1], own)
    assert torch.equal(embeddings, same)
    assert torch.equal(outputs[:, -1], joint.loss_module(model.features(x)))


def test_the_joint_loss():
    outputs = torch.randn(6, 4, generator=torch.Generator().manual_seed(0), requires_grad=True)
    targets = torch.tensor([0, 1, 2, 0, 1, 2])
    own = torch.nn.functional.cross_entropy(outputs[:, :3], targets, reduction="none")
    loss = joint_loss("cross_entropy", 0.5)
    expected = own.mean() + 0.5 * ranking_loss(outputs[:, 3], own)
    assert loss(outputs, targets).mean().item() == pytest.approx(expected.item())
    with torch.no_grad():
        assert torch.equal(loss(outputs, targets), own)
    assert loss(outputs[:1], targets[:1]).item() == pytest.approx(own[0].item())
