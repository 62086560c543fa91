"""Heads on frozen embeddings: how they learn, how they are tuned, how an experiment runs."""

import json

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("sklearn")

from cases import with_options

from ally_fast.cli import main
from ally_fast.experiments import tuning
from ally_fast.experiments.arm import parse_arms
from ally_fast.experiments.datasets import load_dataset
from ally_fast.experiments.heads import FittedHead, Head, candidates
from ally_fast.experiments.loop import check, prepare, run
from ally_fast.experiments.measure import macro_recall
from ally_fast.experiments.out_of_fold import out_of_fold
from ally_fast.experiments.protocol import HEADS, Protocol
from ally_fast.experiments.query import choose
from ally_fast.experiments.round_rows import RoundFile, load_rounds
from ally_fast.strategies import Context, TypicalStart, WeakHeadWarning, dropout_passes

BUDGETS = (20, 30, 50)
ARMS = (
    *("random", "margin", "entropy", "badge", "core_set", "cluster_margin", "cluster_margin:k=0.5"),
    *("ally:scores=random", "margin:start=typical", "drop_query", "drop_query:rate=0.5:passes=5"),
    *("max_herding", "max_herding:width=2:targets=50", "uncertainty_herding"),
    "uncertainty_herding:temperature=2",
)
WEAK = Head("logistic", 1.0)


def quick(monkeypatch):
    """Train MLPs for a few epochs."""
    monkeypatch.setattr("ally_fast.experiments.heads._EPOCHS", 3)


def protocol_of(path, **more):
    return Protocol(**{"dataset": path, "head": "logistic", "budgets": BUDGETS, **more})


def go(path, name, folder, *, seed=0, head=WEAK, **more):
    protocol = protocol_of(path, head=head.kind, **more)
    dataset = prepare(protocol)
    (arm,) = parse_arms(name)
    check(dataset, protocol, (arm,), 2)
    folder.mkdir(exist_ok=True)
    return list(run(dataset, protocol, arm, seed, 2, RoundFile(folder, arm.name, seed), head))


# Heads


@pytest.mark.parametrize("kind", HEADS)
def test_a_head_learns(kind, monkeypatch, clouds):
    head = Head(kind, 0.01).fit(clouds["inputs"], clouds["targets"], 3, 0)
    found = head.probabilities(clouds["test_inputs"])
    assert found.sum(axis=1) == pytest.approx(np.ones(80), abs=1e-5)
    assert (found.argmax(axis=1) == clouds["test_targets"]).mean() > 0.6
    again = Head(kind, 0.01).fit(clouds["inputs"], clouds["targets"], 3, 0)
    np.testing.assert_array_equal(again.probabilities(clouds["test_inputs"]), found)


@pytest.mark.parametrize("kind", HEADS)
def test_classes_that_a_head_has_not_seen(kind, monkeypatch, clouds):
    quick(monkeypatch)
    kept = clouds["targets"] != 1
    head = Head(kind, 0.01).fit(clouds["inputs"][kept], clouds["targets"][kept], 4, 0)
    found = head.probabilities(clouds["test_inputs"])
    assert found.shape == (80, 4)
    assert not found[:, [1, 3]].any()
    alone = clouds["targets"] == 2
    one = Head(kind, 0.01).fit(clouds["inputs"][alone], clouds["targets"][alone], 4, 0)
    np.testing.assert_array_equal(one.probabilities(clouds["test_inputs"])[:, 2], np.ones(80))
    np.testing.assert_array_equal(one.last_inputs(clouds["test_inputs"]), clouds["test_inputs"])


def test_what_the_last_layer_reads(monkeypatch, clouds):
    quick(monkeypatch)
    fitted = Head("mlp", 0.01).fit(clouds["inputs"], clouds["targets"], 3, 0)
    logits = fitted.last_inputs(clouds["test_inputs"]) @ fitted.model.coefs_[1]
    shares = np.exp(logits + fitted.model.intercepts_[1])
    shares /= shares.sum(axis=1, keepdims=True)
    assert fitted.probabilities(clouds["test_inputs"]) == pytest.approx(shares, abs=1e-5)
    linear = Head("logistic", 1.0).fit(clouds["inputs"], clouds["targets"], 3, 0)
    np.testing.assert_array_equal(linear.last_inputs(clouds["inputs"]), clouds["inputs"])


# Tuning


def test_the_best_penalty_is_chosen(classes_npz, monkeypatch):
    protocol = protocol_of(classes_npz)
    found = tuning.tuned(prepare(protocol), protocol, 2)
    assert found.labels == (20, 50)
    means = {float(name): np.mean(of) for name, of in found.accuracies.items()}
    assert list(means) == [head.penalty for head in candidates("logistic")]
    best = max(means.values())
    assert found.head.penalty == min(penalty for penalty in means if means[penalty] == best)


def test_each_row_is_predicted_by_a_head_that_has_not_seen_it(classes_npz, monkeypatch):
    dataset = load_dataset(classes_npz)
    trained = []

    class Spy:
        def fit(self, rows, targets, classes, seed):
            trained.append({row.tobytes() for row in rows})
            return self

        def probabilities(self, rows):
            assert not {row.tobytes() for row in rows} & trained[-1]
            return np.zeros((len(rows), 3))

    assert out_of_fold(dataset, Spy(), np.arange(23)).shape == (23, 3)
    assert [len(rows) for rows in trained] == [18, 18, 18, 19, 19]


def test_a_head_near_chance_is_warned_of(tmp_path, rng, clouds):
    np.savez(tmp_path / "noise.npz", **{**clouds, "targets": rng.integers(3, size=260)})
    protocol = protocol_of(str(tmp_path / "noise.npz"))
    with pytest.warns(WeakHeadWarning, match="head: on noise the best logistic head has a balanc"):
        tuning.tuned(prepare(protocol), protocol, 2)


# Rounds


@pytest.mark.parametrize("name", ARMS)
def test_every_arm_goes_round(name, classes_npz, tmp_path):
    rows = go(classes_npz, name, tmp_path / "rows")
    assert [row.labeled for row in rows] == [20, 30, 50]
    assert [None if row.batch is None else len(row.batch) for row in rows] == [10, 20, None]
    chosen = [index for row in rows[:2] for index in row.batch]
    assert len(set(chosen)) == 30
    assert all(0 < row.macro_recall <= 1 and row.cross_entropy > 0 for row in rows)
    assert rows[2].accuracy > 0.5
    assert rows[0].max_multiplier is None


@pytest.mark.parametrize("name", ["ally:k=3", "badge", "ally_herding", "drop_query"])
def test_an_mlp_goes_round(name, classes_npz, tmp_path, monkeypatch):
    quick(monkeypatch)
    rows = go(classes_npz, name, tmp_path / "rows", head=Head("mlp", 0.1), max_epochs=2)
    assert [row.labeled for row in rows] == [20, 30, 50]
    assert rows[0].epochs == rows[0].kept_epoch == 3
    assert (rows[0].mean_multiplier is None) == (not name.startswith("ally"))


@pytest.mark.parametrize("name", ["cluster_margin", "ally:scores=random:start=typical"])
def test_a_run_that_was_cut_goes_on_the_same(name, classes_npz, tmp_path):
    whole = go(classes_npz, name, tmp_path / "whole")
    file = next((tmp_path / "whole").iterdir())
    lines = file.read_text().splitlines(keepends=True)
    (tmp_path / "cut").mkdir()
    (tmp_path / "cut" / file.name).write_text(lines[0] + lines[1][:20])
    rest = go(classes_npz, name, tmp_path / "cut")
    assert [row.batch for row in rest] == [row.batch for row in whole[1:]]
    assert [row.accuracy for row in rest] == [row.accuracy for row in whole[1:]]


def test_starts(classes_npz, tmp_path):
    """Arms of a seed share the start of a kind; seeds do not."""
    names = ("random", "margin", "random:start=typical", "margin:start=typical")
    plain, margin, typical, other = (go(classes_npz, name, tmp_path)[0] for name in names)
    assert plain.cross_entropy == margin.cross_entropy != typical.cross_entropy
    assert typical.cross_entropy == other.cross_entropy
    seeds = {go(classes_npz, names[2], tmp_path, seed=seed)[0].cross_entropy for seed in (1, 2)}
    assert len({*seeds, typical.cross_entropy}) == 3


def test_a_typical_start_is_the_strategys(classes_npz):
    from ally_fast.experiments.start import typical_start

    dataset = load_dataset(classes_npz)
    found = typical_start(dataset, 12, 5)
    expected = TypicalStart().query(Context(embeddings=dataset.inputs, seed=5), 12)
    np.testing.assert_array_equal(found, np.sort(expected))


def test_what_a_strategy_gets(classes_npz, tmp_path, monkeypatch):
    """Frozen embeddings to find clusters in; BADGE what the last layer reads."""
    from ally_fast.experiments.frozen_learner import learn_head

    quick(monkeypatch)
    protocol = protocol_of(classes_npz, head="mlp")
    dataset = prepare(protocol)
    labeled = np.arange(0, 80, 2)
    seen = {}

    class Spy:
        def query(self, context, b):
            seen["context"] = context
            return np.arange(1, 2 * b, 2)

    names = ("cluster_margin", "core_set", "ally:scores=random", "badge", "uncertainty_herding")
    for name in (*names, "drop_query:passes=4:rate=0.5"):
        (arm,) = parse_arms(name)
        learner = learn_head(dataset, protocol, arm, labeled, 0, Head("mlp", 0.1))
        monkeypatch.setattr(type(arm), "make", lambda self: Spy())
        choose(arm, learner, 5, 0)
        monkeypatch.undo()
        quick(monkeypatch)
        context = seen["context"]
        if name == "badge":
            expected = learner.head.last_inputs(dataset.inputs)
            np.testing.assert_array_equal(context.embeddings, expected)
        else:
            assert context.embeddings is dataset.inputs
        if arm.classification:
            shares = learner.head.probabilities(dataset.inputs)
            assert context.probabilities == pytest.approx(shares, rel=1e-5, abs=1e-12)
        if name.startswith("ally"):
            assert len(np.unique(context.dual_scores)) == 260
        if name == "uncertainty_herding":
            known = out_of_fold(dataset, Head("mlp", 0.1), labeled)
            np.testing.assert_array_equal(context.labeled_probabilities, known)
            np.testing.assert_array_equal(context.labeled_targets, dataset.targets[labeled])
        if name.startswith("drop_query"):
            passes = dropout_passes(learner.of_space, dataset.inputs, passes=4, rate=0.5)
            given = np.stack(list(context.mc_probabilities(0, 50)))
            np.testing.assert_array_equal(given, np.stack(list(passes(0, 50))))


def test_macro_recall():
    targets = np.array([0, 0, 0, 0, 2, 2, 5])  # no row of classes 1, 3, 4
    right = np.array([True, True, True, False, True, False, False])
    assert macro_recall(right, targets) == pytest.approx((0.75 + 0.5 + 0) / 3)


# What cannot be done


@pytest.mark.parametrize(
    ("options", "arms", "message"),
    [
        ({}, "bald", "strategies: bald needs a network, got a logistic head"),
        ({}, "random:training=constrained", "training=constrained needs a network"),
        ({"budgets": (9, 20)}, "random", "budgets: got 9, needs at least 10"),
        ({"budgets": (20, 261)}, "random", "budgets: clouds has a pool of 260 rows; needs 261"),
    ],
)
def test_what_cannot_be_carried_out(options, arms, message, classes_npz):
    protocol = protocol_of(classes_npz, **options)
    with pytest.raises(ValueError, match=message):
        check(prepare(protocol), protocol, parse_arms(arms), len(protocol.budgets) - 1)


def test_heads_learn_classes_of_embeddings(values_npz, tmp_path, clouds):
    images = {
        name: np.abs(array).astype(np.uint8) if "inputs" in name else array
        for name, array in clouds.items()
    }
    np.savez(tmp_path / "images.npz", **images)
    for path, shown in ((values_npz, "regression of float32"), (tmp_path / "images.npz", "uint8")):
        protocol = protocol_of(str(path))
        with pytest.raises(ValueError, match=rf"^head: got 'logistic', .*{shown}"):
            check(prepare(protocol), protocol, parse_arms("random"), 2)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"head": "forest"}, "head: got 'forest'"),
        ({"budgets": (20,)}, r"budgets: got \[20\], needs at least two rising numbers"),
        ({"budgets": (20, 20)}, r"budgets: got \[20, 20\], needs"),
        ({"budgets": (0, 20)}, "budgets: got 0, needs at least 1"),
        ({"column": "emb"}, "labels: got none, but a pool"),
    ],
)
def test_settings_that_cannot_be_used(settings, message):
    with pytest.raises(ValueError, match=message):
        Protocol(dataset="mnist", **settings)


def test_a_fitted_head_of_one_class_has_no_model():
    found = FittedHead(None, np.array([1]), 2, 0)
    np.testing.assert_array_equal(found.probabilities(np.zeros((2, 3), np.float32)), [[0, 1]] * 2)


# The command


def experiment(output, *options, budgets="20,30,50", strategies="random,cluster_margin", seeds=2):
    command = ["experiment", "pool.npy", "--labels", "labels.npy", "--head", "logistic"]
    command += ["--budgets", budgets, "--strategies", strategies, "--seeds", str(seeds)]
    return main(with_options([*command, "--threads", "1", "--quiet", "-o", output], *options))


@pytest.fixture
def pool(tmp_path, monkeypatch, clouds):
    monkeypatch.chdir(tmp_path)
    np.save("pool.npy", clouds["inputs"])
    np.save("labels.npy", clouds["targets"])
    return tmp_path


def told(rows):
    return [{k: v for k, v in vars(row).items() if not k.endswith("seconds")} for row in rows]


def test_a_pool_with_labels(pool):
    assert experiment("out", "--start", "random,typical") == 0
    rows = load_rounds(pool / "out" / "rows")
    arms = ["cluster_margin", "cluster_margin:start=typical", "random", "random:start=typical"]
    assert list(dict.fromkeys(row.arm for row in rows)) == arms
    assert [row.labeled for row in rows[:3]] == [20, 30, 50]
    header = json.loads((pool / "out" / "experiment.json").read_text())
    assert header["protocol"]["budgets"] == [20, 30, 50]
    assert header["head"]["penalty"] == header["head"]["chosen_by"]["head"]["penalty"]
    for name in ("curves.png", "macro_recall.png"):
        assert (pool / "out" / name).read_bytes().startswith(b"\x89PNG")
    table = (pool / "out" / "table.txt").read_text()
    assert "macro recall, mean" in table


def test_more_seeds_later_keep_the_head(pool, monkeypatch):
    assert experiment("whole") == 0
    assert experiment("parts", seeds=1, strategies="random") == 0
    monkeypatch.setattr(tuning, "tuned", None)  # is not asked again
    assert experiment("parts", "--jobs", "1") == 0
    whole, parts = (load_rounds(pool / name / "rows") for name in ("whole", "parts"))
    assert told(whole) == told(parts)


def test_processes_change_nothing(pool):
    assert experiment("one") == 0
    assert experiment("two", "--jobs", "2") == 0
    assert told(load_rounds(pool / "one" / "rows")) == told(load_rounds(pool / "two" / "rows"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--head", "mlp"), "holds an experiment with head='logistic', but this one has 'mlp'"),
        (("--budgets", "20,40"), "with budgets=[20, 30, 50], but this one has [20, 40]"),
        (("--rounds", "3"), "rounds: got both rounds and budgets"),
        (("--start", "best"), "start: got 'best', needs one or more of random, typical"),
        (("--budgets", "20,many"), "--budgets"),
    ],
)
def test_mistakes(options, message, pool, capsys):
    assert experiment("out", seeds=1, strategies="random") == 0
    before = told(load_rounds(pool / "out" / "rows"))
    try:
        status = experiment("out", *options, seeds=1, strategies="random")
    except SystemExit as end:
        status = end.code
    assert status == 2
    assert message in capsys.readouterr().err
    assert told(load_rounds(pool / "out" / "rows")) == before


def test_a_header_whose_head_is_damaged(pool, capsys):
    assert experiment("out", seeds=1, strategies="random") == 0
    path = pool / "out" / "experiment.json"
    header = json.loads(path.read_text())
    for head in (None, {}, {"penalty": "much"}, {"penalty": -1.0}):
        path.write_text(json.dumps({**header, "head": head}))
        assert experiment("out", seeds=1, strategies="random") == 2
        assert "experiment.json: head: needs 'penalty', a number above 0" in capsys.readouterr().err
