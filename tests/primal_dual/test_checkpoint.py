"""Checkpoints: continued by the run they are of, refused by any other, refused when damaged."""

import functools
import math

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs torch")

from ally_fast.primal_dual import PrimalDualTrainer
from ally_fast.primal_dual.checkpoint import Checkpoint

nn = torch.nn


def net(hidden=8, slope=0.01, classes=3, seed=0):
    """Return a model whose layer "1" computes the embeddings."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(
            nn.Linear(4, hidden), nn.LeakyReLU(slope), nn.Dropout(0.1), nn.Linear(hidden, classes)
        )


@pytest.fixture
def data():
    generator = torch.Generator().manual_seed(3)
    inputs = torch.randn((40, 4), generator=generator)
    return inputs, (inputs[:, 0] > 0).long() + (inputs[:, 1] > 1)


def fit(data, path, model=None, warm_start=None, **settings):
    defaults = {"epsilon": 0.4, "batch_size": 16, "max_epochs": 2, "embedding_layer": "1"}
    trainer = PrimalDualTrainer(**{**defaults, **settings})
    return trainer.fit(model or net(), data, checkpoint=path, warm_start=warm_start)


def assert_equal_results(a, b):
    assert (a.history, a.epoch, a.stopped) == (b.history, b.epoch, b.stopped)
    np.testing.assert_array_equal(a.multipliers, b.multipliers)
    for name, value in a.model_state.items():
        assert torch.equal(value, b.model_state[name]), name


def sgd(parameters):
    return torch.optim.SGD(parameters, 0.1)


def heavy_ball(parameters):
    return torch.optim.SGD(parameters, 0.1, momentum=0.9)


def two_groups(parameters):
    return torch.optim.SGD([{"params": parameters[:1]}, {"params": parameters[1:], "lr": 1.0}], 0.1)


def hinge(outputs, targets):
    return nn.functional.multi_margin_loss(outputs, targets, reduction="none")


def smooth(outputs, targets, smoothing):
    return nn.functional.cross_entropy(
        outputs, targets, reduction="none", label_smoothing=smoothing
    )


def fixed_layer():
    model = net()
    model[0].weight.requires_grad_(False)
    return model


def with_buffer():
    model = net()
    model.register_buffer("steps", torch.zeros(()))
    return model


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"seed": 1}, "seed is 0 there, 1 here"),
        ({"epsilon": 0.5}, "epsilon is 0.4 there, 0.5 here"),
        ({"epsilon": [0.4] * 40}, "epsilon is 0.4 there, '"),
        ({"dual_lr": 0.1}, "dual_lr of epoch 1 is 0.05 there, 0.1 here"),
        ({"primal_lr": 0.1}, "optimizer, group 0: lr is 0.005 there, 0.1 here"),
        ({"dual_update": "batch"}, "dual_update is 'epoch' there, 'batch' here"),
        ({"primal_steps": 2}, "primal_steps is 1 there, 2 here"),
        ({"batch_size": 20}, "batch_size is 16 there, 20 here"),
        ({"batch_size": None}, "batch_size is 16 there, None here"),
        ({"validation": 7}, "validation split is '"),
        ({"embedding_layer": "0"}, "embedding_layer is '1' there, '0' here"),
        ({"loss": hinge}, r"loss is 'cross_entropy' there, '\S*test_checkpoint.hinge' here"),
        ({"dual_loss": hinge}, r"dual_loss is 'cross_entropy' there, '\S*hinge' here"),
        (
            {"optimizer": sgd},
            r"optimizer is 'torch.optim.adam.Adam' there, 'torch.optim.sgd.SGD' here",
        ),
        ({"warm_start": np.ones(40)}, "digest of warm_start is '"),
        ({"model": net(hidden=9)}, r"model: 0 is '\S*Linear\(in_features=4, out_features=8"),
        ({"model": net(slope=0.2)}, r"model: 1 is '\S*LeakyReLU\(negative_slope=0.01\)' there"),
        ({"model": net().double()}, r"model: 0.weight is 'torch.float32 \(8, 4\)' there"),
        ({"model": fixed_layer()}, r"optimizer, group 0: params is 4 there, 3 here"),
        ({"model": with_buffer()}, r"model: steps is nothing there, 'torch.float32 \(\)' here"),
    ],
)
def test_another_run_is_refused(data, settings, message, tmp_path):
    path = tmp_path / "run.pt"
    fit(data, path)
    before = path.read_bytes()
    model = settings.pop("model", None) or net()
    weights = {name: value.clone() for name, value in model.state_dict().items()}
    if model[0].weight.dtype == torch.float64:
        data = (data[0].double(), data[1])
    match = rf"^checkpoint: \S*run.pt holds another run: {message}"
    with pytest.raises(ValueError, match=match) as caught:
        fit(data, path, model=model, **settings)
    assert len(str(caught.value)) - len(str(path)) < 250
    assert path.read_bytes() == before
    for name, value in model.state_dict().items():
        assert torch.equal(value, weights[name])


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        (sgd, None, "optimizer is 'torch.optim.sgd.SGD' there, 'torch.optim.adam.Adam' here"),
        (heavy_ball, sgd, "optimizer, group 0: momentum is 0.9 there, 0 here"),
        (sgd, two_groups, "optimizer, group 0: params is 4 there, 1 here"),
    ],
)
def test_another_optimizer_is_refused(data, first, second, message, tmp_path):
    fit(data, tmp_path / "run.pt", optimizer=first)
    with pytest.raises(ValueError, match=f"holds another run: {message}"):
        fit(data, tmp_path / "run.pt", optimizer=second, max_epochs=3)


def test_settings_of_a_partial_loss_count(data, tmp_path):
    some, more = (functools.partial(smooth, smoothing=value) for value in (0.1, 0.2))
    fit(data, tmp_path / "run.pt", loss=some)
    fit(data, tmp_path / "run.pt", loss=functools.partial(smooth, smoothing=0.1))
    with pytest.raises(ValueError, match=r"another run: loss is \['\S*smooth', \[\], \{'smoothi"):
        fit(data, tmp_path / "run.pt", loss=more)


def one_input(inputs, targets):
    inputs[17, 2] = torch.nextafter(inputs[17, 2], torch.tensor(9.0))
    return inputs, targets


def one_target(inputs, targets):
    targets[17] = (targets[17] + 1) % 3
    return inputs, targets


def other_order(inputs, targets):
    return inputs.flip(0), targets.flip(0)


class Rows(torch.utils.data.Dataset):
    """Samples that are computed when asked for."""

    def __init__(self, inputs, targets, change=lambda row: row):
        self.inputs, self.targets, self.change = inputs, targets, change

    def __len__(self):
        return len(self.inputs)

    def __getitem__(self, i):
        return self.change(self.inputs[i]), self.targets[i]


KINDS = {
    "tensors": lambda x, y: (x, y),
    "arrays": lambda x, y: (x.numpy(), y.numpy()),
    "tensor dataset": torch.utils.data.TensorDataset,
    "dataset": Rows,
    "loader": lambda x, y: torch.utils.data.DataLoader(Rows(x, y), batch_size=5),
    "mappings": lambda x, y: [{"input": a, "label": b} for a, b in zip(x, y, strict=True)],
}


class Keywords(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = net()

    def forward(self, input):
        return self.layers(input)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("change", "part"),
    [(one_input, "inputs"), (one_target, "targets"), (other_order, "inputs")],
)
def test_other_data_of_the_same_size_is_refused(data, kind, change, part, tmp_path):
    path, wrap = tmp_path / "run.pt", KINDS[kind]
    layer = "layers.1" if kind == "mappings" else "1"

    def model(seed=0):
        return Keywords() if kind == "mappings" else net(seed=seed)

    first = fit(wrap(*data), path, model(), embedding_layer=layer)
    again = fit(wrap(*(part.clone() for part in data)), path, model(9), embedding_layer=layer)
    assert_equal_results(first, again)
    other = change(*(part.clone() for part in data))
    with pytest.raises(ValueError, match=f"another run: digest of {part} is"):
        fit(wrap(*other), path, model(), embedding_layer=layer)


def test_a_large_dataset_is_sampled_to_its_ends(tmp_path):
    inputs = torch.arange(2000.0)[:, None].repeat(1, 4) / 1000
    targets = torch.arange(2000) % 3
    read = []

    def note(row):
        read.append(float(row[0]))
        return row

    fit(Rows(inputs, targets, note), tmp_path / "run.pt", max_epochs=1)
    read.clear()
    fit(Rows(inputs, targets, note), tmp_path / "run.pt", max_epochs=1)
    assert len(read) == 2 + 2 * 256  # the rehearsal, and two readings
    assert {min(read), max(read)} == {0.0, float(inputs[-1, 0])}
    with pytest.raises(ValueError, match="another run: digest of inputs"):
        fit(Rows(inputs + 1e-6, targets), tmp_path / "run.pt", max_epochs=1)


def noisy(row):
    return row + torch.randn(4)


@pytest.mark.parametrize("source", ["torch", "numpy"])
def test_samples_drawn_anew_each_time_do_not_bar_their_own_run(data, source, tmp_path):
    generator = np.random.default_rng(0)

    def drawn(row):
        return row + torch.from_numpy(generator.normal(size=4).astype(np.float32))

    change = noisy if source == "torch" else drawn
    path = tmp_path / "run.pt"
    fit(Rows(*data, change), path, max_epochs=1)
    assert len(fit(Rows(*data, change), path, max_epochs=2).history) == 2
    with pytest.raises(ValueError, match="another run: digest of targets"):
        fit(Rows(data[0], data[1].flip(0), change), path)
    if source == "torch":
        assert_equal_results(fit(Rows(*data, change), path), fit(Rows(*data, change), None))
        with pytest.raises(ValueError, match="another run: digest of inputs"):
            fit(Rows(data[0].flip(0), data[1], change), path)


def test_more_epochs_and_more_patience_may_be_asked_for(data, tmp_path):
    path, settings = tmp_path / "run.pt", {"primal_lr": 0.1, "validation": 12}
    short = fit(data, path, patience=2, max_epochs=50, **settings)
    assert short.stopped == "patience"
    longer = fit(data, path, patience=8, max_epochs=60, **settings)
    assert len(longer.history) > len(short.history)
    assert_equal_results(longer, fit(data, None, patience=8, max_epochs=60, **settings))
    assert_equal_results(longer, fit(data, path, patience=8, max_epochs=60, **settings))


def test_a_run_is_no_longer_than_its_settings_allow(data, tmp_path):
    path, settings = tmp_path / "run.pt", {"primal_lr": 0.1, "validation": 12}
    done = fit(data, path, patience=8, max_epochs=40, **settings)
    count = len(done.history)
    with pytest.raises(
        ValueError, match=rf"has {count} epochs, but with max_epochs=3 this run has only 3$"
    ):
        fit(data, path, patience=8, max_epochs=3, **settings)
    short = fit(data, None, patience=1, max_epochs=40, **settings)
    message = rf"has {count} epochs, but with patience=1 this run has only {len(short.history)}$"
    with pytest.raises(ValueError, match=message):
        fit(data, path, patience=1, max_epochs=40, **settings)


def test_schedules_are_compared_by_the_rates_of_the_epochs_done(data, tmp_path):
    path = tmp_path / "run.pt"
    halved = {"dual_lr": lambda epoch: 0.4 / epoch, "primal_lr": lambda epoch: 0.01 / epoch}
    fit(data, path, **halved)
    same_until_now = {**halved, "dual_lr": lambda epoch: 0.4 / epoch if epoch < 3 else 0.0}
    longer = fit(data, path, max_epochs=4, **same_until_now)
    assert_equal_results(longer, fit(data, None, max_epochs=4, **same_until_now))
    with pytest.raises(ValueError, match=r"dual_lr of epoch 3 is 0.0 there, 0.1\d* here"):
        fit(data, path, max_epochs=4, **halved)
    with pytest.raises(ValueError, match=r"primal_lr of epoch 2 is 0.005 there, 0.01 here"):
        fit(data, path, max_epochs=4, **{**same_until_now, "primal_lr": 0.01})


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Return the bytes of a finished run's checkpoint."""
    inputs = torch.arange(48.0).reshape(12, 4) / 48
    path = tmp_path_factory.mktemp("written") / "run.pt"
    trainer = PrimalDualTrainer(epsilon=0.1, max_epochs=1, embedding_layer="0")
    trainer.fit(nn.Sequential(nn.Linear(4, 3)), (inputs, torch.arange(12) % 3), checkpoint=path)
    return path.read_bytes()


def refused(content, path):
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"^checkpoint: \S*run\.pt (is|has) ") as caught:
        Checkpoint(path).read()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_every_flipped_bit_is_found(written, tmp_path):
    places = np.unique(np.linspace(0, 8 * len(written) - 1, 200).astype(int))
    heads = np.arange(8 * 56)  # all bits of magic, format and digest
    for place in np.union1d(places, heads).tolist():
        content = bytearray(written)
        content[place // 8] ^= 1 << place % 8
        refused(bytes(content), tmp_path / "run.pt")


def test_every_length_but_the_whole_is_refused(written, tmp_path):
    n = len(written)
    for length in {*range(60), *np.linspace(60, n - 1, 40).astype(int).tolist()}:
        refused(written[:length], tmp_path / "run.pt")
    assert "damaged or cut short" in refused(written + b"\0", tmp_path / "run.pt")
    (tmp_path / "run.pt").write_bytes(written)
    assert Checkpoint(tmp_path / "run.pt").read()["run"]["history"]


def test_other_files_are_refused(written, tmp_path):
    torch.save({"identity": {}, "run": {}}, tmp_path / "old.pt")
    old = (tmp_path / "old.pt").read_bytes()
    assert "an earlier version or another program wrote it" in refused(old, tmp_path / "run.pt")
    assert "is not a checkpoint" in refused(b"\x93NUMPY and so on", tmp_path / "run.pt")
    assert "is not a checkpoint" in refused(b"", tmp_path / "run.pt")
    newer = written.replace(b"checkpoint 2\n", b"checkpoint 3\n", 1)
    assert "is damaged, or its format is not 2" in refused(newer, tmp_path / "run.pt")


def test_a_damaged_checkpoint_stops_fit(data, tmp_path):
    path = tmp_path / "run.pt"
    fit(data, path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"^checkpoint: \S*run\.pt is damaged"):
        fit(data, path)
    assert path.read_bytes() == bytes(content)


def test_a_place_that_cannot_be_written_is_told_before_training(data, tmp_path):
    model = net()
    before = model[0].weight.clone()
    with pytest.raises(FileNotFoundError, match="no such folder"):
        fit(data, tmp_path / "absent" / "run.pt", model)
    with pytest.raises(IsADirectoryError):
        fit(data, tmp_path, model)
    assert torch.equal(model[0].weight, before)


class Keeps(nn.Linear):
    """Has a state that torch does not read back with weights_only=True."""

    def get_extra_state(self):
        return math.sqrt

    def set_extra_state(self, state):
        pass


def test_a_state_that_cannot_be_read_back_is_not_written(data, tmp_path):
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), Keeps(8, 3))
    with pytest.raises(
        ValueError, match=r"torch.load\(weights_only=True\) cannot read back the state"
    ):
        fit(data, tmp_path / "run.pt", model)
    assert not list(tmp_path.iterdir())
