"""What a labeled set may be: forms of samples, nests of tensors, loaders and their workers."""

import collections
import dataclasses
import types
from typing import NamedTuple

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs torch")

from worker_rows import Draws, Register, Rows, tripled

from ally_fast.primal_dual import PrimalDualTrainer, embed
from ally_fast.primal_dual.nests import collate, to_device
from ally_fast.primal_dual.samples import labeled_samples, unlabeled_samples

DataLoader = torch.utils.data.DataLoader
PLACES = [np.array([3, 1]), np.array([0, 2, 4])]


class Pair(NamedTuple):
    a: object
    b: object


@dataclasses.dataclass
class Views:
    a: object
    b: object


@dataclasses.dataclass(frozen=True)
class Scan:
    """Checks one scan, not a batch, and knows what it does not take."""

    a: torch.Tensor
    b: torch.Tensor
    size: int = dataclasses.field(init=False)
    scale: dataclasses.InitVar[float]

    def __post_init__(self, scale):
        assert self.a.dim() == 1
        object.__setattr__(self, "size", len(self.a))


class Labels(NamedTuple):
    image: object
    label: object


class LabelFirst(NamedTuple):
    label: object
    image: object


@dataclasses.dataclass
class Sample:
    image: object
    label: object


class TwoViews(torch.nn.Module):
    """Takes both parts of an input, however they are held."""

    def __init__(self, take=lambda views: (views.a, views.b)):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.body, self.last = torch.nn.Linear(4, 6), torch.nn.Linear(6, 2)
        self.take = take

    def forward(self, views):
        a, b = self.take(views)
        embeddings = torch.tanh(self.body(a) + self.body(b))
        return self.last(embeddings), embeddings


class ByName(TwoViews):
    def forward(self, a, b):
        return super().forward(Pair(a, b))


def views(n=20):
    generator = torch.Generator().manual_seed(1)
    a, b = (torch.randn((n, 4), generator=generator) for _ in range(2))
    return a, b, (a[:, 0] + b[:, 0] > 0).long()


def fit(model, data, **more):
    return PrimalDualTrainer(epsilon=0.4, max_epochs=3, batch_size=8, **more).fit(model, data)


INPUTS = {
    "namedtuple": (Pair, TwoViews()),
    "dataclass": (Views, TwoViews()),
    "frozen dataclass": (lambda a, b: Scan(a, b, 2.0), TwoViews()),
    "tuple": (lambda a, b: (a, b), TwoViews(lambda given: (given[0], given[1]))),
    "list": (lambda a, b: [a, b], TwoViews(lambda given: (given[0], given[1]))),
    "mapping": (lambda a, b: {"a": a, "b": b}, ByName()),
    "user dict": (lambda a, b: collections.UserDict(a=a, b=b), ByName()),
    "proxy": (lambda a, b: types.MappingProxyType({"a": a, "b": b}), ByName()),
    "dataclass in a namedtuple": (
        lambda a, b: Pair(Views(a, 0), (b, "name")),
        TwoViews(lambda given: (given.a.a, given.b[0])),
    ),
    "mapping in a dataclass": (
        lambda a, b: Views(collections.OrderedDict(x=a), [b]),
        TwoViews(lambda given: (given.a["x"], given.b[0])),
    ),
}


@pytest.mark.parametrize("kind", INPUTS)
def test_inputs_of_many_forms_are_the_same_inputs(kind):
    wrap, model = INPUTS[kind]
    a, b, targets = views()
    samples = [(wrap(*of), target) for *of, target in zip(a, b, targets, strict=True)]
    trained = fit(type(model)(model.take), samples)
    expected = fit(
        TwoViews(lambda given: given.unbind(1)),
        torch.utils.data.TensorDataset(torch.stack([a, b], 1), targets),
    )
    assert trained.history == expected.history
    np.testing.assert_array_equal(trained.multipliers, expected.multipliers)
    embedded = trained.embed(samples)
    np.testing.assert_array_equal(embedded, expected.embed(torch.stack([a, b], 1)))
    if kind in ("dataclass", "mapping", "frozen dataclass"):
        pool = [sample[0] for sample in samples]  # without targets
        np.testing.assert_array_equal(trained.embed(pool), embedded)


def test_a_pool_of_namedtuples_is_no_labeled_set():
    a, b, _ = views()
    pool = [Pair(*of) for of in zip(a, b, strict=True)]
    expected = embed(TwoViews(lambda given: given.unbind(1)), torch.stack([a, b], 1))
    np.testing.assert_array_equal(embed(TwoViews(), pool), expected)
    labeled = [Labels(Pair(*of), 0) for of in zip(a, b, strict=True)]
    np.testing.assert_array_equal(embed(TwoViews(), labeled), expected)


SAMPLES = {
    "pair": lambda x, y, i: (x, y),
    "list": lambda x, y, i: [x, y],
    "namedtuple": lambda x, y, i: Labels(x, y),
    "index": lambda x, y, i: (x, y, i),
    "index tensor": lambda x, y, i: (x, y, torch.tensor(i + 100)),
    "key": lambda x, y, i: (x, y, f"image {i}"),
    "label": lambda x, y, i: {"image": x, "label": y},
    "labels": lambda x, y, i: {"labels": y, "image": x},
    "dataclass": lambda x, y, i: Sample(x, y),
}


@pytest.mark.parametrize("form", SAMPLES)
def test_forms_of_samples(form):
    inputs, targets = torch.arange(10.0).reshape(5, 2), torch.arange(5)
    rows = [SAMPLES[form](inputs[i], targets[i], i) for i in range(5)]
    for samples in (labeled_samples(rows), labeled_samples(DataLoader(rows, shuffle=True))):
        for places, (x, y) in zip(PLACES, samples.batches(PLACES), strict=True):
            x = x["image"] if form in ("label", "labels", "dataclass") else x
            assert torch.equal(x, inputs[places])
            assert torch.equal(torch.as_tensor(y), targets[places])
    for _, (x, _) in zip(PLACES, unlabeled_samples(rows).batches(PLACES), strict=True):
        assert isinstance(x, dict) == (form in ("label", "labels", "dataclass"))


@pytest.mark.parametrize(
    ("form", "message"),
    [
        (lambda x, y: {"image": x, "label": y, "labels": y}, "both 'label' and 'labels'"),
        (lambda x, y: {"image": x, "target": y}, "a batch is dict, needs .*'label' or 'labels'"),
        (lambda x, y: LabelFirst(y, x), "fields label, image; needs the inputs first and the targ"),
        (lambda x, y: (x,), r"a batch is list of 1, needs \(inputs, targets\), \(inputs, targets,"),
        (lambda x, y: x, r"a batch is float32 of shape \(\d, 4\), needs"),
        (lambda x, y: (x, y, x, y), "a batch is list of 4, needs"),
        (lambda x, y: (x, y, 0.5), r"third part of a batch is float64 of shape \(\d,\), needs an"),
        (lambda x, y: (x, y, 1), r"third part of a batch is int64 of shape \(\d,\), needs an ind"),
        (lambda x, y: (x, x, y), r"third part of a batch is int64 of shape \(\d,\), .*distinct"),
        (lambda x, y: (x, y, x), r"third part of a batch is float32 of shape \(\d, 4\), needs"),
        (lambda x, y: Views(x, y), "a batch is Views, needs"),
    ],
)
def test_forms_that_are_no_labeled_sample(form, message):
    rows = [form(x, 1) for x in views()[0]]
    with pytest.raises(ValueError, match=f"^data: .*{message}"):
        fit(TwoViews(), rows)


def test_nests_keep_their_classes():
    nest = Pair(Views([torch.ones(2)], None), collections.OrderedDict(a=(torch.zeros(1), "text")))
    moved = to_device(nest, torch.device("meta"))
    assert type(moved) is Pair
    assert type(moved.a) is Views
    assert type(moved.a.a) is list
    assert type(moved.b) is collections.OrderedDict
    assert type(moved.b["a"]) is tuple
    assert moved.a.a[0].device.type == moved.b["a"][0].device.type == "meta"
    assert (moved.a.b, moved.b["a"][1]) == (None, "text")
    assert nest.a.a[0].device.type == "cpu"


def test_what_moves_by_itself_is_asked_to():
    packed = torch.nn.utils.rnn.pack_sequence([torch.ones(3, 2), torch.ones(1, 2)])
    moved = to_device([packed], torch.device("meta"))[0]
    assert moved.data.device.type == "meta"
    assert moved.batch_sizes.device.type == "cpu"  # where torch wants them


def test_frozen_dataclasses_collate_without_being_built_anew():
    batch = collate([Scan(torch.ones(3), torch.zeros(2), 1.0) for _ in range(4)])
    assert (batch.a.shape, batch.b.shape, batch.size.tolist()) == ((4, 3), (4, 2), [3] * 4)


def test_where_there_is_no_dataclass_torch_collates():
    rows = [({"a": torch.ones(2), "b": i}, Pair(i, [i, "text"]), 0.5) for i in range(3)]
    ours, theirs = collate(rows), torch.utils.data.default_collate(rows)
    assert repr(ours) == repr(theirs)


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.body, self.last = torch.nn.Linear(4, 6), torch.nn.Linear(6, 2)

    def forward(self, x):
        embeddings = torch.tanh(self.body(x))
        return self.last(embeddings), embeddings


@pytest.mark.parametrize("method", ["spawn", "fork"])
def test_workers_that_persist_are_started_once(method, tmp_path):
    """Two of them, as the loader says they start, for ten epochs of three passes each."""
    register = Register(tmp_path / "workers")
    loader = DataLoader(
        Rows(),
        batch_size=4,
        num_workers=2,
        persistent_workers=True,
        multiprocessing_context=method,
        worker_init_fn=register,
        collate_fn=tripled,
        prefetch_factor=3,
    )
    trainer = PrimalDualTrainer(epsilon=0.4, max_epochs=10, batch_size=8, patience=None)
    trained = trainer.fit(Net(), loader)
    lines = register.lines()
    assert len({process for process, *_ in lines}) == len(lines) == 2
    assert {name for _, name, _ in lines} == {f"{method.capitalize()}Process"}
    rows = loader.dataset
    assert trained.history == trainer.fit(Net(), (3 * rows.inputs, rows.targets)).history


def test_workers_that_do_not_persist_start_with_each_pass(tmp_path):
    register = Register(tmp_path / "workers")
    loader = DataLoader(Draws(), num_workers=2, worker_init_fn=register)
    trainer = PrimalDualTrainer(epsilon=0.4, max_epochs=2, batch_size=8, patience=None)
    first = trainer.fit(Net(), loader)
    lines = register.lines()
    assert len(lines) == 2 + 2 * 3 * 2  # the rehearsal; training, slacks and validation
    # Seeds depend on the trainer's, and on the epoch, not on what was drawn before.
    torch.rand(5)
    assert trainer.fit(Net(), loader).history == first.history
    first_seeds, seeds = (sorted(seed for *_, seed in of) for of in (lines, register.lines()))
    assert seeds == sorted(2 * first_seeds)
    assert len({*first_seeds}) == 2 * 3  # two workers; the rehearsal and two epochs


def test_settings_of_the_loader_are_kept(monkeypatch):
    built = []

    class Spy(DataLoader):
        def __init__(self, *arguments, **options):
            built.append(self)
            super().__init__(*arguments, **options)

    monkeypatch.setattr(torch.utils.data, "DataLoader", Spy)
    generator = torch.Generator().manual_seed(5)
    state = generator.get_state()
    given = Spy(
        Rows(),
        num_workers=1,
        prefetch_factor=4,
        timeout=30,
        multiprocessing_context="fork",
        worker_init_fn=Register("/dev/null"),
        collate_fn=tripled,
        generator=generator,
    )
    samples = labeled_samples(given)
    for _ in range(2):
        assert len(list(samples.batches([np.arange(2)]))) == 1
    theirs, ours = built
    for name in ("num_workers", "prefetch_factor", "timeout", "worker_init_fn", "collate_fn"):
        assert getattr(ours, name) == getattr(theirs, name), name
    assert ours.multiprocessing_context is theirs.multiprocessing_context
    assert torch.equal(generator.get_state(), state)


def test_batches_come_in_order_whatever_the_loader_says():
    loader = DataLoader(Rows(), num_workers=2, **in_no_order())
    samples = labeled_samples(loader)
    rows = [np.array([i]) for i in range(30)]
    found = [int(y) for _, y in samples.batches(rows)]
    assert found == loader.dataset.targets.tolist()


def in_no_order():
    return {"in_order": False} if hasattr(DataLoader(Rows()), "in_order") else {}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sampler": range(7)}, "range gives 7 of 30 samples, .*Subset"),
        (
            {"sampler": torch.utils.data.SubsetRandomSampler([4, 2])},
            r"SubsetRandomSampler gives 2 of 30 samples, but training reads each sample once; "
            r"needs .*Subset\(",
        ),
        (
            {"sampler": torch.utils.data.WeightedRandomSampler([1.0] * 30, 30)},
            "WeightedRandomSampler repeats samples",
        ),
        (
            {"sampler": torch.utils.data.RandomSampler(range(30), replacement=True)},
            "RandomSampler repeats samples",
        ),
        (
            {"batch_sampler": torch.utils.data.BatchSampler([1, 2, 3], 2, False)},
            "list gives 3 of 30 samples",
        ),
        ({"batch_size": None}, "batch_size=None, whose dataset returns whole batches"),
    ],
)
def test_loaders_that_choose_are_refused(options, message):
    loader = DataLoader(Rows(), **options)
    with pytest.raises(ValueError, match=f"^data: .*{message}"):
        fit(Net(), loader)
    with pytest.raises(ValueError, match=f"^data: .*{message}"):
        embed(Net(), loader)


class Table:
    """Is asked for columns, as a data frame is."""

    def __len__(self):
        return 30

    def __getitem__(self, name):
        raise KeyError(name)

    def keys(self):
        return ["a", "b"]


@pytest.mark.parametrize(
    "data", [{"train": Rows()}, {}, Table(), iter([1]), None, 5, DataLoader({"train": Rows()})]
)
def test_what_has_no_places_is_refused(data):
    message = rf"^data: got {type(data).__name__}, needs \(inputs, targets\), a dataset with"
    with pytest.raises(TypeError, match=message):
        fit(Net(), data)


def test_a_subset_is_what_it_says():
    rows = Rows()
    subset = torch.utils.data.Subset(rows, [5, 3, 8, 1, 9, 2, 7, 0])
    expected = fit(Net(), (rows.inputs[subset.indices], rows.targets[subset.indices]))
    assert fit(Net(), DataLoader(subset, shuffle=True)).history == expected.history


def test_targets_of_a_tensor_dataset_are_checked_before_training():
    rows = Rows()
    rows.targets[29] = 2
    dataset = torch.utils.data.TensorDataset(rows.inputs, rows.targets)
    with pytest.raises(ValueError, match=r"targets\[29\]: got 2, needs \[0, 2\)"):
        fit(Net(), dataset)


def test_inputs_alone_in_a_tensor_dataset():
    rows = Rows()
    dataset = torch.utils.data.TensorDataset(rows.inputs)
    np.testing.assert_array_equal(embed(Net(), dataset), embed(Net(), rows.inputs))
