"""Algorithm 1: replayed by hand, stopped, killed and resumed, round models of many kinds."""

import io
from types import SimpleNamespace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs torch")

from ally_fast import progress as progress_module
from ally_fast.primal_dual import NonFiniteLossError, PrimalDualTrainer, embed
from ally_fast.primal_dual.checkpoint import Checkpoint

functional = torch.nn.functional


class Net(torch.nn.Module):
    """Gives (outputs, embeddings); dropout and batch norm make modes and random state matter."""

    def __init__(self, seed=0, classes=3):
        super().__init__()
        generator_state = torch.random.get_rng_state()
        torch.manual_seed(seed)
        self.body = torch.nn.Sequential(
            torch.nn.Linear(4, 8), torch.nn.BatchNorm1d(8), torch.nn.ReLU(), torch.nn.Dropout(0.2)
        )
        self.last = torch.nn.Linear(8, classes)
        torch.random.set_rng_state(generator_state)

    def forward(self, inputs):
        embeddings = self.body(inputs)
        return self.last(embeddings), embeddings


@pytest.fixture
def data():
    generator = torch.Generator().manual_seed(3)
    inputs = torch.randn((50, 4), generator=generator)
    noise = torch.randn(50, generator=generator)
    targets = (inputs[:, 0] + 0.7 * noise > 0).long() + (inputs[:, 1] > 1)
    return inputs, targets


def trainer(**settings):
    return PrimalDualTrainer(**{"epsilon": 0.4, "batch_size": 16, "max_epochs": 5, **settings})


def equal_results(a, b):
    assert a.history == b.history
    assert (a.epoch, a.stopped) == (b.epoch, b.stopped)
    np.testing.assert_array_equal(a.multipliers, b.multipliers)
    np.testing.assert_array_equal(a.positions, b.positions)
    assert a.model_state.keys() == b.model_state.keys()
    for name, value in a.model_state.items():
        assert torch.equal(value, b.model_state[name]), name


@pytest.mark.parametrize("primal_steps", [1, 3])
def test_algorithm_1_to_the_letter(data, primal_steps):
    """Full gradients, then slacks of all, then the projection; in float64, by torch alone."""
    inputs, targets = data
    model = torch.nn.Linear(4, 3)
    weights = model.weight.detach().double().requires_grad_(True)
    bias = model.bias.detach().double().requires_grad_(True)
    multipliers = torch.zeros(50, dtype=torch.float64)
    epsilon = torch.linspace(0.2, 0.9, 50, dtype=torch.float64)

    def losses():
        outputs = functional.linear(inputs.double(), weights, bias)
        return functional.cross_entropy(outputs, targets, reduction="none")

    epochs = 8
    for _ in range(epochs):
        for _ in range(primal_steps):
            values = losses()
            lagrangian = (values + multipliers * (values - epsilon)).mean()
            steps = torch.autograd.grad(lagrangian, (weights, bias))
            with torch.no_grad():
                weights -= 0.3 * steps[0]
                bias -= 0.3 * steps[1]
        multipliers = (multipliers + 0.5 * (losses().detach() - epsilon)).clamp(min=0)

    trained = trainer(
        epsilon=epsilon,
        primal_steps=primal_steps,
        batch_size=None,
        validation=0,
        max_epochs=epochs,
        dual_lr=0.5,
        embedding_layer="0",
        optimizer=lambda parameters: torch.optim.SGD(parameters, 0.3),
    ).fit(torch.nn.Sequential(model), data)
    np.testing.assert_allclose(trained.multipliers, multipliers, atol=1e-5)
    torch.testing.assert_close(trained.model_state["0.weight"].double(), weights, atol=1e-5, rtol=0)
    last = trained.history[-1]
    assert last.active_share == float((multipliers > 0).double().mean())
    assert last.mean_multiplier == pytest.approx(float(multipliers.mean()), abs=1e-5)
    assert last.max_multiplier == pytest.approx(float(multipliers.max()), abs=1e-5)
    assert trained.epoch == epochs
    assert trained.positions.tolist() == list(range(50))


def test_batch_updates_use_the_forward_pass_just_made(data):
    """One minibatch, one epoch: the multipliers are those of the weights before the step."""
    model = Net()
    model.body[3].p = 0.0
    expected = functional.cross_entropy(model(data[0])[0], data[1], reduction="none").detach() - 0.4
    settings = {"validation": 0, "batch_size": None, "max_epochs": 1, "dual_lr": 2.0}
    batch = trainer(dual_update="batch", **settings).fit(model, data)
    np.testing.assert_allclose(batch.multipliers, 2 * expected.clamp(min=0), atol=1e-5)


@pytest.mark.parametrize("dual_update", ["epoch", "batch"])
def test_multipliers_belong_to_the_weights_kept(data, dual_update):
    """Training again for just the epochs up to the one kept gives what was kept."""
    settings = {"dual_update": dual_update, "validation": 15, "patience": 3, "primal_lr": 0.1}
    whole = trainer(max_epochs=60, **settings).fit(Net(), data)
    assert whole.stopped == "patience"
    assert len(whole.history) == whole.epoch + 3
    losses = [record.validation_loss for record in whole.history]
    assert whole.epoch == 1 + int(np.argmin(losses))
    until = trainer(max_epochs=whole.epoch, **settings).fit(Net(), data)
    np.testing.assert_array_equal(whole.multipliers, until.multipliers)
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, until.model_state[name])
    assert not whole.model.training


def test_validation_comes_out_of_the_labeled_set(data):
    trained = trainer(validation=0.2).fit(Net(), data)
    assert len(trained.validation_positions) == 10
    assert len(trained.multipliers) == len(trained.positions) == 40
    everything = np.concatenate([trained.positions, trained.validation_positions])
    assert sorted(everything) == list(range(50))
    outputs = trained.model(data[0][trained.validation_positions])[0]
    loss = functional.cross_entropy(outputs, data[1][trained.validation_positions])
    kept = trained.history[trained.epoch - 1].validation_loss
    assert float(loss.detach()) == pytest.approx(kept, abs=1e-5)


def test_validation_samples_train_nothing(data):
    """Their targets decide the epoch kept, and nothing else."""
    first = trainer(patience=None).fit(Net(), data)
    targets = data[1].clone()
    targets[first.validation_positions] = 2 - targets[first.validation_positions]
    second = trainer(patience=None).fit(Net(), (data[0], targets))
    assert [r.loss for r in first.history] == [r.loss for r in second.history]
    assert [r.max_multiplier for r in first.history] == [r.max_multiplier for r in second.history]


def test_seeds(data):
    one, again, other = (trainer(seed=seed).fit(Net(), data) for seed in (1, 1, 2))
    equal_results(one, again)
    assert one.history != other.history


def test_the_random_state_is_left_as_found(data):
    before = torch.random.get_rng_state()
    trained = trainer().fit(Net(), data)
    trained.embed(data[0])
    assert torch.equal(before, torch.random.get_rng_state())


class Killed(Exception):
    """Stands in for a signal."""


def fit_and_die(settings, data, path, after):
    """Train until the checkpoint of epoch `after` is written; die in the middle of the next."""
    model = Net()
    goes_on = model.forward

    def dies(inputs):
        if path.exists() and len(Checkpoint(path).read()["run"]["history"]) == after:
            raise Killed
        return goes_on(inputs)

    model.forward = dies
    with pytest.raises(Killed):
        trainer(**settings).fit(model, data, checkpoint=path)


@pytest.mark.parametrize("dual_update", ["epoch", "batch"])
@pytest.mark.parametrize("after", [1, 3])
def test_resume_gives_the_same_bits(data, dual_update, after, tmp_path):
    settings = {"dual_update": dual_update, "patience": 3, "primal_steps": 2}
    path = tmp_path / "run.pt"
    fit_and_die(settings, data, path, after)
    resumed = trainer(**settings).fit(Net(seed=99), data, checkpoint=str(path))
    equal_results(trainer(**settings).fit(Net(), data), resumed)
    again = trainer(**settings).fit(Net(), data, checkpoint=str(path))  # finished: only loaded
    equal_results(resumed, again)
    assert [file.name for file in tmp_path.iterdir()] == ["run.pt"]


def test_a_checkpoint_can_be_trained_further(data, tmp_path):
    path = str(tmp_path / "run.pt")
    trainer(max_epochs=2).fit(Net(), data, checkpoint=path)
    longer = trainer(max_epochs=5).fit(Net(), data, checkpoint=path)
    equal_results(longer, trainer(max_epochs=5).fit(Net(), data))


class Samples(torch.utils.data.Dataset):
    def __init__(self, inputs, targets, wrap):
        self.inputs, self.targets, self.wrap = inputs, targets, wrap

    def __len__(self):
        return len(self.inputs)

    def __getitem__(self, i):
        return self.wrap(self.inputs[i], self.targets[i])


@pytest.mark.parametrize("kind", ["numpy", "list", "dataset", "loader", "workers", "mapping"])
def test_kinds_of_data(data, kind):
    expected = trainer().fit(Net(), data)
    dataset = Samples(*data, lambda x, y: (x, y))
    model = Net()
    given = {
        "numpy": (data[0].numpy(), data[1].numpy().astype(np.int32)),
        "list": list(data),
        "dataset": dataset,
        "loader": torch.utils.data.DataLoader(dataset, batch_size=7, shuffle=True),
        "workers": torch.utils.data.DataLoader(dataset, num_workers=1),
        "mapping": Samples(*data, lambda x, y: {"inputs": x, "labels": y}),
    }[kind]
    epochs = {"max_epochs": 1} if kind == "workers" else {}
    trained = trainer(**epochs).fit(model, given)
    assert trained.history == expected.history[: len(trained.history)]
    if kind != "workers":
        equal_results(trained, expected)
        embedded = trained.embed(given)
        np.testing.assert_array_equal(embedded, expected.embed(data[0]))


class HuggingFaceStyle(torch.nn.Module):
    """Keyword inputs; an output object with logits."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.encoder = torch.nn.Linear(4, 6)
        self.dropout = torch.nn.Dropout(0.1)
        self.classifier = torch.nn.Linear(6, 3)

    def forward(self, input_values, attention_mask=None):
        hidden = torch.tanh(self.encoder(input_values))
        return SimpleNamespace(logits=self.classifier(self.dropout(hidden)), hidden_states=None)


def test_a_model_in_the_style_of_hugging_face(data):
    state = torch.random.get_rng_state()
    model = HuggingFaceStyle()
    torch.random.set_rng_state(state)
    samples = Samples(*data, lambda x, y: {"input_values": x, "labels": y})
    trained = trainer(embedding_layer="dropout").fit(model, samples)
    assert trained.multipliers.any()
    expected = torch.tanh(model.encoder(data[0])).detach()
    np.testing.assert_allclose(trained.embed(samples), expected, atol=1e-6)


def test_a_named_layer_is_the_models_own_embedding(data):
    expected = trainer().fit(Net(), data)

    class Plain(Net):
        def forward(self, inputs):
            return super().forward(inputs)[0]

    trained = trainer(embedding_layer="body").fit(Plain(), data)
    equal_results(trained, expected)
    np.testing.assert_array_equal(trained.embed(data[0]), expected.embed(data[0]))
    assert not trained.model.body._forward_hooks


def test_embeddings_into_an_array(data, tmp_path):
    model = Net()
    model.train()
    out = np.lib.format.open_memmap(tmp_path / "e.npy", "w+", np.float16, (50, 8))
    answer = embed(model, data[0].numpy(), batch_size=7, out=out)
    assert answer is out
    np.testing.assert_allclose(out, embed(model, data[0]), atol=2e-3)
    assert model.training
    assert model.body[3].training


@pytest.mark.parametrize("how", ["torch.compile", "Module.compile", "a module within"])
@pytest.mark.parametrize("called_before", [False, True])
def test_a_layer_of_a_compiled_model(data, how, called_before):
    """A hook would not be seen there; the model runs as if it were not compiled."""

    class Plain(Net):
        def forward(self, inputs):
            return super().forward(inputs)[0]

    expected = trainer(embedding_layer="body.2").fit(Plain(), data)
    model = compiled = Plain()
    if how == "torch.compile":
        compiled = torch.compile(model, backend="eager")
    elif how == "Module.compile":
        model.compile(backend="eager")
    else:
        model.body = torch.compile(model.body, backend="eager")
    if called_before:
        with torch.no_grad():
            compiled.eval()(data[0])
    with pytest.warns(UserWarning, match=r"embedding_layer: torch.compile has .* runs uncompiled"):
        trained = trainer(embedding_layer="body.2").fit(compiled, data)
    assert trained.history == expected.history
    np.testing.assert_array_equal(trained.multipliers, expected.multipliers)
    with pytest.warns(UserWarning, match="runs uncompiled"):
        embedded = trained.embed(data[0])
    np.testing.assert_array_equal(embedded, expected.embed(data[0]))


def test_a_compiled_model_that_gives_embeddings_stays_compiled(data):
    graphs = []

    def counting(graph, example_inputs):
        graphs.append(graph)
        return graph.forward

    expected = trainer().fit(Net(), data)
    trained = trainer().fit(torch.compile(Net(), backend=counting), data)
    assert graphs
    assert trained.history == expected.history


def test_a_compiled_module_may_itself_be_the_layer(data):
    class Plain(Net):
        def forward(self, inputs):
            return super().forward(inputs)[0]

    model = Plain()
    model.body = torch.compile(model.body, backend="eager")
    expected = trainer(embedding_layer="body").fit(Plain(), data)
    trained = trainer(embedding_layer="body").fit(model, data)
    assert trained.history == expected.history


def test_a_layer_that_does_not_run(data):
    model = Net()
    model.spare = torch.nn.Linear(2, 2)
    with pytest.raises(ValueError, match=r"^embedding_layer: 'spare' did not run"):
        trainer(embedding_layer="spare").fit(model, data)


def test_layers_are_listed_up_to_ten(data):
    model = torch.nn.Sequential(*(torch.nn.Linear(4, 4) for _ in range(99)))
    with pytest.raises(ValueError, match=r"needs one of '0', '1', .*'9' and 89 more$"):
        trainer(embedding_layer="neck").fit(torch.compile(model, backend="eager"), data)


def test_a_schedule_of_dual_rates_to_the_letter(data):
    """Weights are held, so slacks are the same in every epoch, and the rates add up."""
    rates = {1: 0.5, 2: 0.0, 3: 0.25}
    settings = {"primal_lr": 0.0, "validation": 0, "embedding_layer": "0"}
    model = torch.nn.Sequential(torch.nn.Linear(4, 3))
    trained = trainer(dual_lr=rates.__getitem__, max_epochs=3, **settings).fit(model, data)
    losses = functional.cross_entropy(model(data[0]), data[1], reduction="none").detach()
    np.testing.assert_allclose(trained.multipliers, 0.75 * (losses - 0.4).clamp(min=0), atol=1e-6)
    highest = [record.max_multiplier for record in trained.history]
    assert highest[0] == highest[1] < highest[2]


def test_a_constant_schedule_is_the_constant(data):
    expected = trainer().fit(Net(), data)
    constant = {"dual_lr": lambda epoch: 0.05, "primal_lr": lambda epoch: 0.005}
    equal_results(trainer(**constant).fit(Net(), data), expected)


def test_a_schedule_of_primal_rates_reaches_every_group(data):
    seen = []

    class Notes(torch.optim.SGD):
        def step(self, closure=None):
            seen.append([group["lr"] for group in self.param_groups])
            super().step(closure)

    def two_groups(parameters):
        return Notes([{"params": parameters[:2]}, {"params": parameters[2:], "lr": 7.0}], 9.0)

    settings = {"optimizer": two_groups, "batch_size": None, "max_epochs": 3}
    trainer(primal_lr=lambda epoch: 0.1 / epoch, **settings).fit(Net(), data)
    assert seen == [[0.1 / epoch] * 2 for epoch in (1, 2, 3)]
    seen.clear()
    trainer(primal_lr=0.1, **settings).fit(Net(), data)
    assert seen == [[9.0, 7.0]] * 3


def test_a_warm_start_is_where_multipliers_begin(data):
    """Without a dual step they stay, by place, and weigh in the primal steps."""
    first = np.linspace(0, 2, 50)
    cold = trainer(dual_lr=0.0).fit(Net(), data)
    warm = trainer(dual_lr=0.0).fit(Net(), data, warm_start=first)
    np.testing.assert_array_equal(warm.multipliers, first[warm.positions].astype(np.float32))
    assert not cold.multipliers.any()
    assert any(not torch.equal(v, cold.model_state[k]) for k, v in warm.model_state.items())


def test_a_labeled_set_that_grew(data):
    """The multipliers of 40 samples go on among 50; those held out, and the new, begin at 0."""
    before = trainer(epsilon=0.1).fit(Net(), (data[0][:40], data[1][:40]))
    after = trainer(dual_lr=0.0, validation=0).fit(before.model, data, warm_start=before)
    expected = np.zeros(50, np.float32)
    expected[before.positions] = before.multipliers
    assert before.multipliers.any()
    np.testing.assert_array_equal(after.multipliers, expected)


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self):
        return True


def test_progress_tells_loss_and_multipliers(data, monkeypatch):
    terminal = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(progress_module.sys, "stderr", terminal)
    monkeypatch.setattr(progress_module, "_REDRAW_SECONDS", 0)
    trained = trainer(progress=True, max_epochs=3).fit(Net(), data)
    last = trained.history[-1]
    shown = terminal.getvalue()
    assert "3/3" in shown
    assert f"loss {last.loss:.3g} (validation {last.validation_loss:.3g})" in shown
    assert f"{last.active_share:.0%} active, multipliers: mean {last.mean_multiplier:.3g}" in shown
    assert f"max {last.max_multiplier:.3g}" in shown


class FailsLater(Net):
    """Gives NaN for one sample from some training batch on."""

    def __init__(self, sample, after):
        super().__init__()
        self.sample, self.left = sample, after

    def forward(self, inputs):
        outputs, embeddings = super().forward(inputs)
        self.left -= self.training
        if self.left < 0 and self.training:
            outputs = outputs.masked_fill((inputs == self.sample).all(1)[:, None], float("nan"))
        return outputs, embeddings


@pytest.mark.parametrize("dual_update", ["epoch", "batch"])
def test_a_loss_that_is_not_finite_keeps_the_last_good_state(data, dual_update):
    settings = {"dual_update": dual_update, "validation": 0}
    good = trainer(max_epochs=2, **settings).fit(Net(), data)
    model = FailsLater(data[0][17], after=2 * 4)
    with pytest.raises(NonFiniteLossError, match=r"loss is not finite of sample 17$") as caught:
        trainer(max_epochs=9, **settings).fit(model, data)
    assert caught.value.sample_ids == (17,)
    result = caught.value.result
    assert result.stopped == "nonfinite"
    assert result.epoch == len(result.history) == 2
    np.testing.assert_array_equal(result.multipliers, good.multipliers)
    for name, value in model.state_dict().items():
        assert torch.equal(value, good.model_state[name])


def test_not_finite_from_the_start(data):
    model = FailsLater(data[0][17], after=0)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(NonFiniteLossError, match=r"sample 17$") as caught:
        trainer(validation=0).fit(model, data)
    assert caught.value.result is None
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])


def test_weights_that_are_not_finite(data):
    class Explodes(torch.optim.SGD):
        def step(self, closure=None):
            super().step(closure)
            self.param_groups[0]["params"][0].data.fill_(float("inf"))

    with pytest.raises(NonFiniteLossError, match="weights are not finite after the minibatch"):
        trainer(
            validation=0, batch_size=None, optimizer=lambda parameters: Explodes(parameters, 0.1)
        ).fit(Net(), data)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"dual_update": "sometimes"}, ValueError, "dual_update: got 'sometimes', needs one of"),
        ({"primal_steps": 0}, ValueError, "primal_steps: got 0, needs at least 1"),
        ({"max_epochs": None}, TypeError, "max_epochs: got None"),
        ({"batch_size": 1.5}, TypeError, "batch_size: got 1.5, needs an integer"),
        ({"patience": 0}, ValueError, "patience: got 0"),
        ({"validation": -0.1}, ValueError, "validation: got -0.1"),
        ({"primal_lr": float("nan")}, ValueError, "primal_lr: got nan"),
        ({"loss": "hinge"}, ValueError, "loss: got 'hinge'"),
        ({"seed": -1}, ValueError, "seed: got -1"),
        ({"dual_lr": lambda epoch: -epoch}, ValueError, r"dual_lr\(1\): got -1, needs at least 0"),
        ({"primal_lr": lambda epoch: None}, TypeError, r"primal_lr\(1\): got None, needs a number"),
        ({"dual_lr": "slow"}, TypeError, "dual_lr: got 'slow', needs a number"),
    ],
)
def test_settings_that_make_no_sense(settings, error, message):
    with pytest.raises(error, match=message):
        trainer(**settings)


def one_target_wrong(data):
    targets = data[1].clone()
    targets[40] = 3
    return data[0], targets


@pytest.mark.parametrize(
    ("settings", "change", "error", "message"),
    [
        ({"epsilon": [0.1] * 49}, None, ValueError, r"epsilon: got shape \(49,\), .* 50 samples"),
        ({}, one_target_wrong, ValueError, r"targets\[40\]: got 3, needs \[0, 3\)"),
        ({}, lambda d: (d[0], d[1][:49]), ValueError, "got 50 inputs and 49 targets"),
        (
            {},
            lambda d: (d[0][:1], d[1][:1]),
            ValueError,
            "got 1 labeled samples, .* needs at least 2$",
        ),
        ({"validation": 50}, None, ValueError, "holds out 50 and at least one must remain"),
        ({"validation": 2.5}, None, ValueError, "needs a share or a whole number"),
        ({}, lambda d: d[0], ValueError, "needs .inputs, targets."),
        ({}, lambda d: iter(d[0]), TypeError, "data: got"),
        (
            {"embedding_layer": "neck"},
            None,
            ValueError,
            "got 'neck', needs one of 'body', 'body.0'",
        ),
        ({"loss": "squared_error"}, None, ValueError, "targets: got shape"),
        ({"device": "gpu"}, None, ValueError, "device: got 'gpu', needs a device of torch"),
        ({"device": "cuda:99"}, None, ValueError, "device: got 'cuda:99', but torch finds"),
        (
            {"optimizer": lambda parameters: torch.optim.SGD},
            None,
            TypeError,
            "optimizer: returned type, needs a torch.optim.Optimizer",
        ),
    ],
)
def test_bad_input_fails_before_training(data, settings, change, error, message):
    model = Net()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(error, match=message):
        trainer(**settings).fit(model, change(data) if change else data)
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])


@pytest.mark.parametrize(
    ("first", "error", "message"),
    [
        (np.ones(51), ValueError, "warm_start: got 51 multipliers, needs at most 50"),
        (-np.ones(3), ValueError, "warm_start: all must be finite and at least 0"),
        ("much", TypeError, "warm_start: got str, needs multipliers"),
    ],
)
def test_a_warm_start_that_cannot_be(data, first, error, message):
    with pytest.raises(error, match=message):
        trainer().fit(Net(), data, warm_start=first)


def test_a_model_without_anything_to_train(data):
    with pytest.raises(
        ValueError, match="model: needs at least one parameter that requires a gradient"
    ):
        trainer().fit(Net().requires_grad_(False), data)


def test_a_model_without_embeddings(data):
    model = torch.nn.Linear(4, 3)
    with pytest.raises(ValueError, match=r"needs \(outputs, embeddings\); or name the submodule"):
        trainer().fit(model, data)
    with pytest.raises(ValueError, match=r"needs \(outputs, embeddings\)"):
        embed(model, data[0])
    with pytest.raises(TypeError, match=r"model: got function, needs a torch\.nn\.Module"):
        trainer().fit(test_seeds, data)
