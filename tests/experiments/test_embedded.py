"""Pools of embeddings with labels: which rows are pool, which test set, what is a label."""

import numpy as np
import pytest

from ally_fast.experiments.datasets import load_dataset
from ally_fast.experiments.datasets.embedded import embedded
from ally_fast.experiments.datasets.labeled_pool import load
from ally_fast.experiments.datasets.scaling import scaled

N, D = 60, 4


@pytest.fixture
def rows(rng):
    return (rng.normal(size=(N, D)) + 3).astype(np.float32)


def pairs(dataset):
    """Return all rows with their classes, whichever side they are on."""
    inputs = np.concatenate([dataset.inputs, dataset.test_inputs])
    targets = np.concatenate([dataset.targets, dataset.test_targets])
    order = np.lexsort(inputs.T)
    return inputs[order], targets[order]


def assert_same(one, other):
    for mine, theirs in zip(pairs(one), pairs(other), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_rows_without_a_label_are_left_out(rows):
    classes = np.arange(N) % 4 - 1
    found = embedded("mine", rows, classes, "made")
    assert (len(found.inputs), len(found.test_inputs), found.classes) == (36, 9, 3)
    kept = classes >= 0
    factor = np.std(found.inputs)
    assert factor == pytest.approx(1, abs=1e-5)
    inputs, targets = pairs(found)
    # One shift and one factor: the order of rows along a feature is that of the originals.
    order = np.argsort(rows[kept][:, -1], kind="stable")
    np.testing.assert_array_equal(targets, classes[kept][order])
    steps = np.diff(rows[kept][order], axis=0) / np.diff(inputs, axis=0)
    assert steps == pytest.approx(np.full_like(steps, steps[0, 0]), rel=2e-3)
    assert_same(found, embedded("mine", rows, classes, "made"))


def test_a_test_set_that_is_given(rows):
    test = np.arange(N) % 3 == 0
    found = embedded("mine", rows, np.arange(N) % 2, "made", test=test)
    np.testing.assert_array_equal(found.targets, (np.arange(N) % 2)[~test])
    np.testing.assert_array_equal(found.test_targets, (np.arange(N) % 2)[test])


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        (np.full(N, -1), "mine: got 0 rows with a label, of 0 classes"),
        (np.zeros(N, int), "mine: got 60 rows with a label, of 1 classes"),
        (np.where(np.arange(N) < 9, np.arange(N), -1), "mine: got 9 rows with a label"),
    ],
)
def test_too_few_labels(classes, message, rows):
    with pytest.raises(ValueError, match=message):
        embedded("mine", rows, classes, "made")


def test_rows_that_are_not_finite(rows):
    rows[7] = np.nan
    classes = np.arange(N) % 2
    with pytest.raises(ValueError, match=r"mine: embeddings\[7\] holds NaN"):
        embedded("mine", rows, classes, "made")
    classes[7] = -1
    assert len(embedded("mine", rows, classes, "made").inputs) == 47


def test_scaled():
    pool, test = scaled(np.array([[1.0, 3.0], [3.0, 3.0]]), np.array([[2.0, 5.0]]))
    np.testing.assert_allclose(pool, np.array([[-1, 0], [1, 0]]) * 2**0.5, rtol=1e-6)
    np.testing.assert_allclose(test, np.array([[0, 2]]) * 2**0.5, rtol=1e-6)
    np.testing.assert_array_equal(scaled(np.ones((2, 1)), np.ones((1, 1)))[0], [[0], [0]])


# A pool and a column of labels

TOPICS = np.array(["bird", "cat", "dog"])[np.arange(N) % 3]


def write(path, **columns):
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    embeddings = columns.pop("emb", None)
    given = {name: pa.array(values) for name, values in columns.items()}
    if embeddings is not None:
        given["emb"] = pa.FixedSizeListArray.from_arrays(
            pa.array(embeddings.ravel()), embeddings.shape[1]
        )
    pq.write_table(pa.table(given), path)
    return str(path)


def test_labels_of_the_pool_itself(rows, tmp_path):
    topics = [None if i % 10 == 0 else topic for i, topic in enumerate(TOPICS)]
    path = write(tmp_path / "pool.parquet", emb=rows, topic=topics)
    found = load(path, ":topic", "emb")
    classes = np.where(np.arange(N) % 10 == 0, -1, np.arange(N) % 3)
    assert found.name == "pool"
    assert "3 classes" in found.source
    assert_same(found, embedded("pool", rows, classes, ""))


def test_labels_by_position(rows, tmp_path):
    np.save(tmp_path / "rows.npy", rows)
    classes = np.arange(N) % 4 - 1
    np.save(tmp_path / "labels.npy", 5 * classes)
    found = load(str(tmp_path / "rows.npy"), str(tmp_path / "labels.npy"))
    assert_same(found, embedded("rows", rows, classes, ""))


def test_labels_by_id_of_some_rows(rows, tmp_path, rng):
    ids = np.array([f"im{i}" for i in range(N)])
    pool = write(tmp_path / "pool.parquet", emb=rows, image_id=ids.tolist())
    order = rng.permutation(N)[:30]
    labels = write(
        tmp_path / "labels.parquet",
        topic=[*TOPICS[order].tolist(), "cat"],
        image_id=[*ids[order].tolist(), "of another pool"],
    )
    found = load(pool, f"{labels}:topic@image_id", "emb", ":image_id")
    classes = np.where(np.isin(np.arange(N), order), np.arange(N) % 3, -1)
    assert_same(found, embedded("pool", rows, classes, ""))


def test_labels_of_another_length(rows, tmp_path):
    np.save(tmp_path / "rows.npy", rows)
    for count in (N - 1, N + 1):
        np.save(tmp_path / "labels.npy", np.arange(count) % 2)
        with pytest.raises(ValueError, match=f"{count} rows.*needs {N}"):
            load(str(tmp_path / "rows.npy"), str(tmp_path / "labels.npy"))


# By name


def folder_of(tmp_path, name, file, **arrays):
    (tmp_path / name).mkdir()
    np.savez(tmp_path / name / file, **arrays)
    return str(tmp_path)


def test_minilm(rows, tmp_path):
    quantised = np.round(rows * 20).astype(np.int8)
    scale = np.full(D, 0.05, np.float32)
    labels = (np.arange(N) % 3 - 1).astype(np.int8)
    folder = folder_of(
        *(tmp_path, "minilm", "package_summaries_minilm384_120k_int8.npz"),
        **{"Q": quantised, "scale": scale, "label": labels},
    )
    expected = embedded("minilm", quantised * scale, labels.astype(np.int64), "")
    assert_same(load_dataset("minilm", folder), expected)


def test_imdb(rows, tmp_path):
    test = np.arange(N) % 2 == 0
    labels = (np.arange(N) % 3 - 1).astype(np.int8)
    arrays = {"X": rows.astype(np.float16), "label": labels, "is_test": test}
    found = load_dataset("imdb", folder_of(tmp_path, "imdb", "imdb_lsa128_100k.npz", **arrays))
    np.testing.assert_array_equal(found.test_targets, labels[test & (labels >= 0)])


def test_kdd(rows, tmp_path):
    arrays = {"X": rows, "y": (np.arange(N) % 5).astype(np.int8)}
    found = load_dataset("kdd", folder_of(tmp_path, "kddcup99", "kdd10pct_118d.npz", **arrays))
    assert (found.classes, len(found.inputs), len(found.test_inputs)) == (5, 48, 12)


def test_components_of_mnist(monkeypatch):
    """Distances between images are kept, but for what the last components hold."""
    from ally_fast.experiments.datasets import Dataset, frozen

    rng = np.random.default_rng(0)
    axes = rng.normal(size=(5, 784))
    images = np.clip(120 + 20 * rng.normal(size=(90, 5)) @ axes / 5, 0, 255).astype(np.uint8)
    whole = Dataset("mnist", images[:80], np.arange(80) % 10, images[80:], np.arange(10), 10, "x")
    monkeypatch.setattr(frozen.mnist, "load", lambda folder: whole)
    found = load_dataset("mnist-pca")
    assert found.inputs.shape == (80, 64)
    assert found.test_inputs.shape == (10, 64)
    wide = images.astype(np.float64)
    expected = np.linalg.norm(wide[:40] - wide[40:80], axis=1)
    distances = np.linalg.norm(found.inputs[:40] - found.inputs[40:], axis=1)
    ratios = distances / expected
    assert ratios == pytest.approx(np.full(40, ratios.mean()), rel=0.02)
    np.testing.assert_array_equal(found.test_targets, np.arange(10))
