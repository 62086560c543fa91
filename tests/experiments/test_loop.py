import numpy as np
import pytest

torch = pytest.importorskip("torch")

from ally_fast.experiments import loop
from ally_fast.experiments.arm import STRATEGIES, parse_arms
from ally_fast.experiments.learner import learn, softmax
from ally_fast.experiments.loop import check, prepare, run
from ally_fast.experiments.protocol import Protocol
from ally_fast.experiments.query import choose
from ally_fast.experiments.round_rows import RoundFile
from ally_fast.strategies import Context

SMALL = {"initial": 20, "b": 15, "max_epochs": 4, "batch_size": 16}
REGRESSION = ("random", "ally", "core_set", "learning_loss", "dal")


def go(path, arm, folder, *, seed=0, rounds=2, **more):
    protocol = Protocol(dataset=path, **{**SMALL, **more})
    dataset = prepare(protocol)
    (arm,) = parse_arms(arm)
    folder.mkdir(exist_ok=True)
    return list(run(dataset, protocol, arm, seed, rounds, RoundFile(folder, arm.name, seed)))


def without_times(rows):
    return [{k: v for k, v in vars(row).items() if not k.endswith("seconds")} for row in rows]


def as_written(rows):
    return without_times(type(row).from_json(row.to_json()) for row in rows)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_strategy_goes_round(strategy, classes_npz, tmp_path):
    rows = go(classes_npz, strategy, tmp_path / "rows")
    assert [row.labeled for row in rows] == [20, 35, 50]
    batches = [row.batch for row in rows]
    assert batches[2] is None
    chosen = np.array(batches[:2])
    assert chosen.shape == (2, 15)
    assert len(np.unique(chosen)) == 30
    assert all(0 < row.accuracy <= 1 and row.cross_entropy > 0 for row in rows)
    assert all(0 <= row.batch_error <= 1 and 1 <= row.batch_classes <= 3 for row in rows[:2])
    assert (rows[0].max_multiplier is None) == (strategy not in ("ally", "ally_herding", "gist"))


@pytest.mark.parametrize("strategy", REGRESSION)
def test_every_strategy_for_regression(strategy, values_npz, tmp_path):
    rows = go(values_npz, strategy, tmp_path / "rows")
    assert [row.labeled for row in rows] == [20, 35, 50]
    assert all(row.accuracy is None and row.batch_error is None for row in rows)
    assert all(row.squared_error > 0 and row.absolute_error > 0 for row in rows)


def test_arms_share_their_start_and_seeds_do_not(classes_npz, tmp_path):
    random, margin = (go(classes_npz, arm, tmp_path, rounds=1) for arm in ("random", "margin"))
    assert random[0].accuracy == margin[0].accuracy
    assert random[0].batch != margin[0].batch
    other = go(classes_npz, "random", tmp_path, seed=1, rounds=1)
    assert other[0].batch != random[0].batch


@pytest.mark.parametrize("arm", ["ally", "bald", "learning_loss"])
def test_a_run_that_was_cut_goes_on_the_same(arm, classes_npz, tmp_path):
    whole = go(classes_npz, arm, tmp_path / "whole", rounds=3)
    lines = next((tmp_path / "whole").iterdir()).read_text().splitlines(keepends=True)
    for kept in range(4):
        folder = tmp_path / f"cut{kept}"
        folder.mkdir()
        name = next((tmp_path / "whole").iterdir()).name
        (folder / name).write_text("".join(lines[:kept]) + lines[kept][:20])
        rest = go(classes_npz, arm, folder, rounds=3)
        assert as_written(rest) == as_written(whole[kept:])


def test_more_rounds_later(classes_npz, tmp_path):
    whole = go(classes_npz, "ally", tmp_path / "whole", rounds=3)
    go(classes_npz, "ally", tmp_path / "parts", rounds=1)
    go(classes_npz, "ally", tmp_path / "parts", rounds=3)
    file = RoundFile(tmp_path / "parts", "ally", 0)
    assert without_times(file.read()) == as_written(whole)
    assert go(classes_npz, "ally", tmp_path / "parts", rounds=2) == []


def test_training_of_the_arm(classes_npz, tmp_path):
    plain, constrained = (
        go(classes_npz, arm, tmp_path, rounds=1, epsilon=0.01, validation=0.0)
        for arm in ("random", "random:training=constrained")
    )
    # Batches of random sampling do not depend on the model, models on their training.
    assert plain[0].batch == constrained[0].batch
    assert plain[0].cross_entropy != constrained[0].cross_entropy
    assert plain[0].mean_multiplier is None
    assert 0 < constrained[0].mean_multiplier <= constrained[0].max_multiplier
    assert constrained[0].multiplier_quantiles[-1] == constrained[0].max_multiplier


def test_margins_in_the_clusters_of_ally(classes_npz, tmp_path):
    """The same scores in the same clusters are the same batch."""
    scored = go(classes_npz, "ally:scores=margin", tmp_path, rounds=1)
    margin = go(classes_npz, "cluster_margin", tmp_path, rounds=1)
    assert scored[0].batch == margin[0].batch
    random = go(classes_npz, "ally:scores=random", tmp_path, rounds=1)
    assert random[0].batch != scored[0].batch
    assert random[0].max_multiplier is None


def test_a_rate_that_falls(classes_npz, tmp_path):
    protocol = Protocol(dataset=classes_npz, schedule="cosine", primal_lr=0.2, max_epochs=4)
    rates = [protocol.rate_at(epoch) for epoch in (1, 2, 3, 4)]
    assert rates == pytest.approx([0.2, 0.1 + 0.1 * 0.5**0.5, 0.1, 0.1 - 0.1 * 0.5**0.5])
    constant, cosine = (
        go(classes_npz, "random", tmp_path / name, rounds=1, validation=0.0, schedule=name)[0]
        for name in ("constant", "cosine")
    )
    assert constant.kept_epoch == cosine.kept_epoch == 4
    assert constant.cross_entropy != cosine.cross_entropy
    with pytest.raises(ValueError, match=r"^schedule: got 'linear'"):
        Protocol(dataset=classes_npz, schedule="linear")


def test_dual_heads(classes_npz, tmp_path, monkeypatch):
    """The mean of heads of different seeds; each learns all rows where that is asked for."""
    from ally_fast.experiments import query as module

    made, scores = [], []

    class Spy(module.DualHead):
        def __init__(self, **settings):
            made.append(settings)
            super().__init__(**settings)

        def score(self, embeddings):
            scores.append(super().score(embeddings))
            return scores[-1]

    seen = {}
    monkeypatch.setattr(module, "DualHead", Spy)
    monkeypatch.setattr(
        module, "Context", lambda **pieces: seen.update(pieces) or Context(**pieces)
    )
    go(classes_npz, "ally:heads=3", tmp_path, rounds=1, epsilon=0.01, refit_head=True)
    assert len({settings["seed"] for settings in made}) == 3
    assert all(settings["refit"] for settings in made)
    whole = [found for found in scores if len(found) == 260]
    np.testing.assert_allclose(seen["dual_scores"], np.mean(whole, axis=0))


def test_the_head_is_told_of(classes_npz, tmp_path):
    row = go(classes_npz, "ally", tmp_path, rounds=1, epsilon=0.01)[0]
    assert -1 <= row.head_rank_correlation <= 1
    assert -1 <= row.pool_rank_correlation <= 1
    assert row.head_error_share > 0


def test_clones_that_are_known(classes_npz, tmp_path):
    rows = go(classes_npz, "random", tmp_path, clones=5, rounds=3, initial=100, b=60)
    seen = {index // 5 for index in initial_rows(classes_npz, tmp_path)}
    for row in rows[:3]:
        originals = [index // 5 for index in row.batch]
        new = {original for original in originals if original not in seen}
        assert row.batch_known == 1 - len(new) / 60
        seen.update(originals)
    assert rows[2].batch_known > rows[0].batch_known > 0


def initial_rows(path, tmp_path):
    """Return what was labeled before the first batch, by catching it on its way to training."""
    seen = []

    def learn(dataset, protocol, arm, labeled, seed):
        seen.append(labeled)
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "learn", learn)
        with pytest.raises(KeyboardInterrupt):
            go(path, "random", tmp_path / "again", clones=5, initial=100)
    assert len(seen[0]) == len(set(seen[0])) == 100
    return seen[0].tolist()


def test_a_radius_keeps_clones_away(classes_npz, tmp_path):
    near = go(classes_npz, "ally", tmp_path, clones=10, rounds=3)
    apart = go(classes_npz, "ally:radius=0.001", tmp_path, clones=10, rounds=3)
    assert sum(row.batch_known for row in near[:3]) > 0
    assert [row.batch_known for row in apart[:3]] == [0, 0, 0]


def test_dropout_is_on_where_it_is_asked_for(classes_npz):
    protocol = Protocol(dataset=classes_npz, **SMALL)
    dataset = prepare(protocol)
    (arm,) = parse_arms("bald:dropout=0.5")
    learner = learn(dataset, protocol, arm, np.arange(40), 0)
    state = torch.get_rng_state()
    still, again = (learner.predict(dataset.inputs)[0] for _ in range(2))
    first, same, other = (
        learner.predict(dataset.inputs, dropout_seed=seed)[0] for seed in (1, 1, 2)
    )
    assert np.array_equal(still, again)
    assert np.array_equal(first, same)
    assert not np.array_equal(first, still)
    assert not np.array_equal(first, other)
    assert torch.equal(state, torch.get_rng_state())
    assert not learner.trained.model.training


def test_what_a_strategy_gets(classes_npz, monkeypatch):
    """ALLY's head learns the rows that have a multiplier, `radius` is kept from all labeled."""
    from ally_fast.experiments import query as module

    protocol = Protocol(dataset=classes_npz, **SMALL)
    dataset = prepare(protocol)
    (arm,) = parse_arms("ally:k=3:radius=0.01")
    labeled = np.arange(0, 80, 2)
    learner = learn(dataset, protocol, arm, labeled, 0)
    seen = {}

    class Spy:
        def query(self, context, b):
            seen["context"] = context
            return np.arange(1, 2 * b, 2)

    monkeypatch.setattr(type(arm), "make", lambda self: Spy())
    fit = module.DualHead.fit
    monkeypatch.setattr(
        module.DualHead,
        "fit",
        lambda self, rows, targets: (
            seen.update(rows=rows, targets=targets) or fit(self, rows, targets)
        ),
    )
    choose(arm, learner, 5, 0)
    embeddings = learner.predict(dataset.inputs)[1]
    assert np.array_equal(seen["rows"], embeddings[labeled[learner.trained.positions]])
    assert np.array_equal(seen["targets"], learner.trained.multipliers)
    assert np.array_equal(seen["context"].labeled_embeddings, embeddings[labeled])
    assert np.array_equal(seen["context"].exclude, labeled)
    assert seen["context"].dual_scores.shape == (260,)


def test_losses_are_those_of_torch(classes_npz, values_npz):
    for path, loss in ((classes_npz, "cross_entropy"), (values_npz, "mse_loss")):
        protocol = Protocol(dataset=path, **SMALL)
        dataset = prepare(protocol)
        (arm,) = parse_arms("random")
        learner = learn(dataset, protocol, arm, np.arange(40), 0)
        outputs = learner.predict(dataset.inputs)[0]
        given = torch.from_numpy(outputs).double()
        given = given if path == classes_npz else given[:, 0]
        expected = getattr(torch.nn.functional, loss)(
            given, torch.from_numpy(dataset.targets), reduction="none"
        )
        assert learner.losses(outputs, dataset.targets) == pytest.approx(
            expected.numpy(), rel=1e-5, abs=1e-6
        )


def test_softmax():
    found = softmax(np.array([[1000.0, 1000.0], [0.0, np.log(3)]], np.float32))
    assert found == pytest.approx(np.array([[0.5, 0.5], [0.25, 0.75]]))


@pytest.mark.parametrize(
    ("more", "arms", "rounds", "message"),
    [
        (
            {},
            "random",
            17,
            r"^rounds: clouds has a pool of 260 rows, but 20 at the start and 17 rounds",
        ),
        ({"initial": 9}, "random", 1, r"^initial: got 9, needs at least 10"),
    ],
)
def test_what_cannot_be_carried_out(more, arms, rounds, message, classes_npz):
    protocol = Protocol(dataset=classes_npz, **{**SMALL, **more})
    with pytest.raises(ValueError, match=message):
        check(prepare(protocol), protocol, parse_arms(arms), rounds)


def test_classes_for_regression_are_refused(values_npz):
    protocol = Protocol(dataset=values_npz, **SMALL)
    with pytest.raises(ValueError, match=r"^strategies: badge needs classes, but waves has none"):
        check(prepare(protocol), protocol, parse_arms("random,badge"), 1)


@pytest.mark.parametrize("name", ["initial", "b", "clones", "pool_rows"])
def test_numbers_of_the_protocol(name):
    with pytest.raises(ValueError, match=rf"^{name}: got 0, needs at least 1"):
        Protocol(dataset="mnist", **{name: 0})


def test_a_part_of_the_pool(classes_npz):
    dataset = prepare(Protocol(dataset=classes_npz, pool_rows=100))
    assert len(dataset.inputs) == 100
    assert len(prepare(Protocol(dataset=classes_npz)).inputs) == 260
