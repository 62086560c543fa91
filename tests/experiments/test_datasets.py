import csv
import gzip
import sys
import types

import numpy as np
import pytest

from ally_fast.cli import main
from ally_fast.experiments.datasets import DATASETS, Dataset, load_dataset
from ally_fast.experiments.datasets.cifar10 import undo_differences
from ally_fast.experiments.datasets.scaling import standardized
from ally_fast.experiments.round_rows import load_rounds

rng = np.random.default_rng(0)
IMAGES = rng.integers(
    256, size=(2, 5, 32, 32, 3), dtype=np.uint8
)  # two parts of five, as published
DIGITS = np.array([[0, 3, 9, 1, 1], [2, 0, 0, 5, 7]])


@pytest.fixture(autouse=True)
def no_folder(monkeypatch, tmp_path):
    """Look for nothing but what a test makes."""
    monkeypatch.delenv("ALLY_FAST_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def file_in(tmp_path, *parts):
    path = tmp_path.joinpath(*parts)
    path.parent.mkdir(exist_ok=True)
    return path


def damaged(content, start):
    """Return a compressed file whose stream is broken from byte `start` on."""
    return content[:start] + b"\xff" * 40 + content[start + 40 :]


# MNIST


def idx(array):
    head = bytes((0, 0, 8, array.ndim)) + np.array(array.shape, ">u4").tobytes()
    return head + array.astype(np.uint8).tobytes()


def write_mnist(tmp_path):
    for part, images, digits in zip(("train", "t10k"), IMAGES[..., 0], DIGITS, strict=True):
        for kind, array in (("images-idx3", images), ("labels-idx1", digits)):
            path = file_in(tmp_path, "mnist", f"{part}-{kind}-ubyte.gz")
            path.write_bytes(gzip.compress(idx(array)))


def test_mnist(tmp_path, monkeypatch):
    write_mnist(tmp_path)
    monkeypatch.setenv("ALLY_FAST_DATA", str(tmp_path))
    data = load_dataset("mnist")
    assert np.array_equal(data.inputs, IMAGES[0, ..., 0].reshape(5, -1))
    assert np.array_equal(data.test_inputs, IMAGES[1, ..., 0].reshape(5, -1))
    assert np.array_equal(data.targets, DIGITS[0])
    assert np.array_equal(data.test_targets, DIGITS[1])
    assert (data.classes, data.task, data.inputs.dtype) == (10, "classification", np.uint8)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"not gzip", r"train-labels.*: not a complete gzip file"),
        (gzip.compress(idx(DIGITS[0]))[:-9], r"not a complete gzip file"),
        (damaged(gzip.compress(idx(IMAGES[0])), 40), r"train-labels.*: not a complete gzip file"),
        (gzip.compress(idx(DIGITS)), r"not an idx file of bytes in 1 dimensions"),
        (gzip.compress(b"\0\0"), r"not an idx file"),
        (
            gzip.compress(idx(DIGITS[0])[:-1]),
            r"incomplete: got 4 bytes, needs 5 for the shape \(5,\)",
        ),
        (gzip.compress(idx(DIGITS[0][:4])), r"mnist: targets: got shape \(4,\)"),
        (gzip.compress(idx(DIGITS[0] + 5)), r"mnist: targets: got 5 to 14, needs \[0, 10\)"),
    ],
)
def test_broken_mnist(content, message, tmp_path):
    write_mnist(tmp_path)
    (tmp_path / "mnist" / "train-labels-idx1-ubyte.gz").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        load_dataset("mnist", str(tmp_path))


# CIFAR-10


def differences(images):
    """Code images (n, 32, 32, 3): the other way round than `undo_differences`, by hand."""
    planes = images.transpose(3, 0, 1, 2).astype(np.int64)
    planes[0] -= planes[1]
    planes[2] -= planes[1]
    left = np.concatenate([planes[..., :1], np.diff(planes, axis=3)], axis=3)
    above = np.concatenate([left[:, :, :1], np.diff(left, axis=2)], axis=2)
    return (above % 256).astype(np.uint8)


def write_cifar10(tmp_path):
    for part, key, images, targets in zip(
        ("train_a", "test"), ("train", "test"), IMAGES, DIGITS, strict=True
    ):
        np.savez_compressed(
            file_in(tmp_path, "cifar10", f"cifar10_{part}.npz"),
            **{f"{key}_delta": differences(images), f"{key}_y": targets.astype(np.uint8)},
        )


def test_cifar10(tmp_path):
    write_cifar10(tmp_path)
    data = load_dataset("cifar10", str(tmp_path))
    assert np.array_equal(data.inputs, IMAGES[0].transpose(0, 3, 1, 2))
    assert np.array_equal(data.test_inputs, IMAGES[1].transpose(0, 3, 1, 2))
    assert data.targets.tolist() == DIGITS[0].tolist()
    assert "the first 5 training images" in data.source


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"train_y": DIGITS[0]}, r"cifar10_train_a.npz: no key 'train_delta'; it has 'train_y'"),
        (
            {"train_delta": IMAGES[0], "train_y": DIGITS[0]},
            r"train_a.npz: train_delta: got uint8 of shape \(5, 32, 32, 3\), needs uint8, \(3, n",
        ),
        (
            {"train_delta": differences(IMAGES[0]) * 1.0, "train_y": DIGITS[0]},
            r"train_a.npz: train_delta: got float64 of shape",
        ),
        (
            {"train_delta": differences(IMAGES[0]), "train_y": DIGITS[0, :4]},
            r"cifar10: targets: got shape \(4,\), needs one for each row",
        ),
        (
            {"train_delta": differences(IMAGES[0]), "train_y": DIGITS[0] + 1},
            r"cifar10: targets: got 1 to 10, needs \[0, 10\)",
        ),
    ],
)
def test_broken_cifar10(content, message, tmp_path):
    write_cifar10(tmp_path)
    np.savez(tmp_path / "cifar10" / "cifar10_train_a.npz", **content)
    with pytest.raises(ValueError, match=message):
        load_dataset("cifar10", str(tmp_path))


def test_cifar10_that_is_not_whole(tmp_path):
    write_cifar10(tmp_path)
    path = tmp_path / "cifar10" / "cifar10_test.npz"
    content = path.read_bytes()
    for broken in (content[:-30], damaged(content, 90), b""):
        path.write_bytes(broken)
        with pytest.raises(ValueError, match=r"cifar10_test.npz: "):
            load_dataset("cifar10", str(tmp_path))


def test_differences_by_hand():
    coded = np.zeros((3, 1, 1, 3), np.uint8)
    coded[0, 0, 0] = [1, 0, 0]  # red is green plus one
    coded[1, 0, 0] = [250, 3, 5]
    assert undo_differences(coded)[0, :, 0].tolist() == [
        [251, 254, 3],
        [250, 253, 2],
        [250, 253, 2],
    ]


# SVHN


def write_svhn(tmp_path, part, **content):
    savemat = pytest.importorskip("scipy.io").savemat
    path = file_in(tmp_path, "svhn", f"{part}_32x32.mat")
    savemat(path, content, do_compression=True)
    return path


def test_svhn(tmp_path):
    for part, images, digits in zip(("train", "test"), IMAGES, DIGITS, strict=True):
        published = np.where(digits == 0, 10, digits).astype(np.uint8)[:, None]
        write_svhn(tmp_path, part, X=images.transpose(1, 2, 3, 0), y=published)
    data = load_dataset("svhn", str(tmp_path))
    assert np.array_equal(data.inputs, IMAGES[0].transpose(0, 3, 1, 2))
    assert data.inputs.flags.c_contiguous
    assert data.targets.tolist() == DIGITS[0].tolist()
    assert data.test_targets.tolist() == DIGITS[1].tolist()


def test_broken_svhn(tmp_path):
    write_svhn(tmp_path, "train", X=IMAGES[0], y=DIGITS[0])
    with pytest.raises(ValueError, match=r"X: got uint8 of shape \(5, 32, 32, 3\), needs"):
        load_dataset("svhn", str(tmp_path))
    write_svhn(tmp_path, "train", other=DIGITS)
    with pytest.raises(ValueError, match=r"not a .mat file with X and y"):
        load_dataset("svhn", str(tmp_path))


def test_svhn_that_is_not_whole(tmp_path):
    path = write_svhn(tmp_path, "train", X=IMAGES[0].transpose(1, 2, 3, 0), y=DIGITS[0] + 1)
    content = path.read_bytes()
    cuts = [content[:length] for length in (0, 60, 130, len(content) - 40)]
    for broken in (*cuts, damaged(content, 150), b"nothing of the kind" * 20):
        path.write_bytes(broken)
        with pytest.raises(ValueError, match=r"train_32x32.mat: not a .mat file with X and y"):
            load_dataset("svhn", str(tmp_path))


@pytest.mark.parametrize("digit", [0, 11, 13, -1, 2.5, np.nan])
def test_svhn_digits_are_from_1_to_10(digit, tmp_path):
    images = IMAGES[0].transpose(1, 2, 3, 0)
    write_svhn(tmp_path, "train", X=images, y=np.array([[1, 10, digit, 3, 9]]).T)
    with pytest.raises(ValueError, match=rf"train_32x32.mat: y: got {digit}.*, needs integers"):
        load_dataset("svhn", str(tmp_path))


# Parkinsons

NAMES = ["subject#", "age", "sex", "test_time", "motor_UPDRS", "total_UPDRS", "Jitter(%)"]


def recordings(people=42, each=3):
    subjects = np.repeat(np.arange(1, people + 1), each)
    values = np.random.default_rng(1).normal(50, 9, size=(len(subjects), len(NAMES)))
    values[:, 0] = subjects
    values[:, 2] = 1.0  # a constant feature
    return values


def with_value(value):
    values = recordings()
    values[70, 1] = value
    return values


def write_parkinsons(tmp_path, values, names=NAMES):
    path = file_in(tmp_path, "parkinsons", "parkinsons_updrs.data")
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([names, *values.tolist()])


@pytest.mark.parametrize("split", ["subjects", "rows"])
def test_parkinsons(split, tmp_path):
    values = recordings()
    write_parkinsons(tmp_path, values)
    data = load_dataset("parkinsons", str(tmp_path), split=split)
    assert (data.task, data.classes) == ("regression", None)
    assert data.inputs.shape[1] == 4  # age, sex, test_time, Jitter(%)
    assert data.inputs.mean(0) == pytest.approx(np.zeros(4), abs=1e-6)
    assert data.inputs.std(0) == pytest.approx([1, 0, 1, 1], abs=1e-6)
    assert (data.targets.mean(), data.targets.std()) == pytest.approx((0, 1), abs=1e-6)
    # The table's rows, found again by undoing the pool's scale.
    test = np.zeros(len(values), bool)
    order = np.argsort(values[:, 1])
    both = np.concatenate([data.inputs[:, 0], data.test_inputs[:, 0]])
    place = order[np.argsort(np.argsort(both))]
    test[place[len(data.inputs) :]] = True
    expected, expected_test = standardized(values[~test, 5], values[test, 5])
    assert np.array_equal(np.sort(data.targets), np.sort(expected))
    assert np.array_equal(np.sort(data.test_targets), np.sort(expected_test))
    people = set(values[test, 0]) & set(values[~test, 0])
    if split == "subjects":
        assert not people
        assert len(set(values[test, 0])) == 8
    else:
        assert people
        assert test.sum() == 25


@pytest.mark.parametrize(
    ("values", "names", "message"),
    [
        (np.zeros((0, 0)), [], r"updrs.data: lacks the columns motor_UPDRS, subject#, total_UPDRS"),
        (recordings()[:, 1:], NAMES[1:], r"lacks the columns subject#"),
        (recordings(0), NAMES, r"has no rows"),
        (np.array([["x"] * 7]), NAMES, r"updrs.data: line 2: column .* is not a number"),
        (with_value(np.nan), NAMES, r"parkinsons: age\[70\] holds NaN"),
        (with_value(-np.inf), NAMES, r"parkinsons: age\[70\] holds NaN or inf"),
    ],
)
def test_broken_parkinsons(values, names, message, tmp_path):
    write_parkinsons(tmp_path, values, names)
    with pytest.raises(ValueError, match=message):
        load_dataset("parkinsons", str(tmp_path))


def test_parkinsons_as_text(tmp_path):
    write_parkinsons(tmp_path, recordings())
    whole = load_dataset("parkinsons", str(tmp_path))
    path = tmp_path / "parkinsons" / "parkinsons_updrs.data"
    content = path.read_bytes()
    path.write_bytes(content + b"\n")
    assert np.array_equal(load_dataset("parkinsons", str(tmp_path)).inputs, whole.inputs)
    for broken in (b"\xff\xfe\x81", content[: content.rindex(b",")]):
        path.write_bytes(broken)
        with pytest.raises(
            ValueError, match=r"updrs.data: (lacks the columns motor_UPDRS|line \d+ has)"
        ):
            load_dataset("parkinsons", str(tmp_path))


def test_a_test_set_for_each_seed(tmp_path):
    """Each seed holds out people of its own; a run that goes on learns from the same people."""
    pytest.importorskip("torch")
    write_parkinsons(tmp_path, recordings())
    held_out = {load_dataset("parkinsons", str(tmp_path), seed=s).test_targets[0] for s in range(3)}
    assert len(held_out) == 3

    def run(output, rounds, *options):
        command = ["experiment", "parkinsons", "--data", str(tmp_path), "--quiet", *options]
        command += ["--strategies", "random,core_set", "--seeds", "3", "--rounds", str(rounds)]
        command += ["--initial", "10", "-b", "5", "--max-epochs", "2", "-o", str(output)]
        assert main(command) == 0
        return [
            (row.arm, row.seed, row.round, row.batch, row.squared_error)
            for row in load_rounds(output / "rows")
        ]

    whole = run(tmp_path / "whole", 2, "--split-by-seed")
    run(tmp_path / "parts", 1, "--split-by-seed", "--jobs", "2", "--threads", "1")
    assert run(tmp_path / "parts", 2, "--split-by-seed") == whole
    one = run(tmp_path / "one", 2)
    of_seed = [[[row for row in rows if row[1] == s] for s in range(3)] for rows in (whole, one)]
    assert [a == b for a, b in zip(*of_seed, strict=True)] == [True, False, False]


def test_an_unknown_split(tmp_path):
    with pytest.raises(ValueError, match=r"^split: got 'people', needs one of"):
        load_dataset("parkinsons", str(tmp_path), split="people")
    with pytest.raises(ValueError, match=r"^split: got 'rows' for mnist"):
        load_dataset("mnist", str(tmp_path), split="rows")
    with pytest.raises(ValueError, match=r"^seed: got 1 for mnist"):
        load_dataset("mnist", str(tmp_path), seed=1)


# A user's own


def arrays(**more):
    return {
        "inputs": np.array([[0.0, 5.0], [2.0, 5.0]]),
        "targets": np.array([0, 2]),
        "test_inputs": np.array([[4.0, 6.0]]),
        "test_targets": np.array([1]),
        **more,
    }


def test_npz_classes(tmp_path):
    np.savez(tmp_path / "mine.npz", **arrays())
    data = load_dataset(str(tmp_path / "mine.npz"))
    assert (data.name, data.classes, data.targets.dtype) == ("mine", 3, np.int64)
    assert np.array_equal(data.inputs, np.array([[-1, 0], [1, 0]], np.float32))
    assert np.array_equal(data.test_inputs, np.array([[3, 0]], np.float32))


def test_npz_values(tmp_path):
    targets = {"targets": np.array([1.0, 3.0]), "test_targets": np.array([5.0])}
    np.savez(tmp_path / "mine.npz", **arrays(**targets))
    data = load_dataset(str(tmp_path / "mine.npz"))
    assert data.classes is None
    assert data.targets.tolist() == [-1, 1]
    assert data.test_targets.tolist() == [3]


def test_npz_images_are_kept(tmp_path):
    images = {"inputs": IMAGES[0][:2], "test_inputs": IMAGES[1][:1]}
    np.savez(tmp_path / "mine.npz", **arrays(**images))
    assert np.array_equal(load_dataset(str(tmp_path / "mine.npz")).inputs, IMAGES[0][:2])


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (
            {"targets": np.array([0])},
            r"mine.npz: mine: targets: got shape \(1,\), needs one for each row",
        ),
        ({"targets": np.array([0, -1])}, r"mine.npz: mine: targets: got -1 to 0, needs \[0, 2\)"),
        ({"targets": np.array([0.5, 1.5])}, r"got float64 and int64, needs integers"),
        ({"inputs": np.array([1.0, 2.0])}, r"inputs: got float64 of shape \(2,\), needs numbers"),
        ({"inputs": np.array([[0, 1], [2, np.nan]])}, r"mine.npz: inputs\[1\] holds NaN"),
        ({"inputs": np.array([[0, 1], [np.inf, 3]])}, r"mine.npz: inputs\[1\] holds NaN or inf"),
        ({"test_inputs": np.array([[np.nan, 1]])}, r"mine.npz: test_inputs\[0\] holds NaN"),
        ({"targets": np.array([0.5, np.inf])}, r"mine.npz: targets\[1\] holds NaN or infinite"),
        ({"targets": np.array(3)}, r"mine.npz: targets: got shape \(\), needs \(n,\)"),
        ({"test_targets": np.ones((1, 1))}, r"mine.npz: test_targets: got shape \(1, 1\), needs"),
        (
            {"inputs": np.array([["a", "b"]] * 2)},
            r"mine.npz: not a NumPy file of numbers: it holds '<U1', needs real",
        ),
        ({"test_inputs": np.ones((1, 3))}, r"test_inputs: got rows of shape \(3,\)"),
        ({"inputs": np.array([[{}, 1]] * 2)}, r"mine.npz: "),
    ],
)
def test_broken_npz(more, message, tmp_path):
    np.savez(tmp_path / "mine.npz", **arrays(**more))
    with pytest.raises(ValueError, match=message):
        load_dataset(str(tmp_path / "mine.npz"))


def test_an_npz_that_lacks_an_array(tmp_path):
    np.savez(tmp_path / "mine.npz", inputs=np.ones((2, 2)), targets=np.ones(2))
    with pytest.raises(
        ValueError, match=r"mine.npz: no key 'test_inputs'; it has 'inputs', 'targets'"
    ):
        load_dataset(str(tmp_path / "mine.npz"))


def test_an_npz_that_is_not_whole(tmp_path):
    path = tmp_path / "mine.npz"
    with pytest.raises(FileNotFoundError, match=r"no such file: .*mine.npz"):
        load_dataset(str(path))
    np.savez_compressed(path, **arrays(inputs=np.random.default_rng(0).random((2, 50))))
    content = path.read_bytes()
    for broken in (b"no zip", b"", content[:-30], damaged(content, 60)):
        path.write_bytes(broken)
        with pytest.raises(ValueError, match=r"mine.npz: "):
            load_dataset(str(path))
    with path.open("wb") as file:
        np.save(file, np.ones(3))
    with pytest.raises(ValueError, match=r"mine.npz: .*it does not begin like an .npz"):
        load_dataset(str(path))


# Where they come from


def test_what_is_missing_is_named(tmp_path):
    places = {"mnist-pca": "mnist", "kdd": "kddcup99"}
    for name in DATASETS:
        how = (
            "cannot be downloaded"
            if name in ("minilm", "imdb", "kdd")
            else "to download it, set neither"
        )
        with pytest.raises(FileNotFoundError, match=f"{how}.*: .*{places.get(name, name)}"):
            load_dataset(name, str(tmp_path))
    with pytest.raises(
        FileNotFoundError, match="cannot be downloaded, so give its folder as --data"
    ):
        load_dataset("minilm")
    with pytest.raises(ValueError, match=r"^dataset: got 'imagenet', needs one of mnist, cifar10"):
        load_dataset("imagenet")


def published(kind):
    """Return a stand-in for a class of torchvision."""

    def made(root, download, train=None, split=None):
        assert download
        part = int(split == "test" if train is None else not train)
        images, digits = IMAGES[part], DIGITS[part]
        found = types.SimpleNamespace(root=root)
        if kind == "MNIST":
            torch = pytest.importorskip("torch")
            found.data = torch.from_numpy(images[..., 0].copy())
            found.targets = torch.from_numpy(digits)
        elif kind == "CIFAR10":
            found.data, found.targets = images, digits.tolist()
        else:
            found.data, found.labels = images.transpose(0, 3, 1, 2), digits
        return found

    return made


@pytest.mark.parametrize("name", ["mnist", "cifar10", "svhn"])
def test_download_by_torchvision(name, monkeypatch):
    module = types.ModuleType("torchvision.datasets")
    for kind in ("MNIST", "CIFAR10", "SVHN"):
        setattr(module, kind, published(kind))
    monkeypatch.setitem(sys.modules, "torchvision", types.ModuleType("torchvision"))
    monkeypatch.setitem(sys.modules, "torchvision.datasets", module)
    data = load_dataset(name)
    images = (
        IMAGES[0, ..., 0].reshape(5, -1) if name == "mnist" else IMAGES[0].transpose(0, 3, 1, 2)
    )
    assert np.array_equal(data.inputs, images)
    assert data.inputs.flags.c_contiguous
    assert data.targets.tolist() == DIGITS[0].tolist()
    assert data.test_targets.tolist() == DIGITS[1].tolist()
    assert data.source.endswith("by torchvision")


def test_parkinsons_from_uci(monkeypatch, tmp_path):
    values = recordings()

    class Frame(dict):
        columns = NAMES

    frame = Frame(zip(NAMES, values.T, strict=True))
    module = types.ModuleType("ucimlrepo")
    module.fetch_ucirepo = lambda id: types.SimpleNamespace(
        data=types.SimpleNamespace(original=frame if id == 189 else None)
    )
    monkeypatch.setitem(sys.modules, "ucimlrepo", module)
    fetched = load_dataset("parkinsons")
    write_parkinsons(tmp_path, values)
    read = load_dataset("parkinsons", str(tmp_path))
    for name in ("inputs", "targets", "test_inputs", "test_targets"):
        assert np.array_equal(getattr(fetched, name), getattr(read, name))


def test_without_the_loaders(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchvision", None)
    monkeypatch.setitem(sys.modules, "ucimlrepo", None)
    with pytest.raises(ImportError, match=r"MNIST needs torchvision: pip install .*experiments"):
        load_dataset("mnist")
    with pytest.raises(ImportError, match=r"Parkinsons needs ucimlrepo"):
        load_dataset("parkinsons")


# Parts of a pool


def made(n=6):
    inputs = np.arange(2 * n, dtype=np.float32).reshape(n, 2)
    return Dataset("made", inputs, np.arange(n) % 3, inputs[:1], np.array([0]), 3, "made")


def test_classes_are_integers():
    inputs = np.ones((2, 2), np.float32)
    with pytest.raises(
        ValueError, match=r"^made: test_targets: got float64, needs integers as classes"
    ):
        Dataset("made", inputs, np.array([0, 1]), inputs, np.array([0.0, 0.5]), 2, "made")


def test_clones():
    data = made().cloned(3)
    assert data.name == "made x 3"
    assert np.array_equal(data.inputs[3:6], made().inputs[[1, 1, 1]])
    assert data.targets.tolist() == np.repeat(made().targets, 3).tolist()
    assert np.array_equal(data.test_inputs, made().test_inputs)


def test_samples():
    data = made(50).sample(20, 1)
    kept = (data.inputs[:, 0] / 2).astype(int)
    assert len(set(kept)) == 20
    assert np.array_equal(kept, np.sort(kept))
    assert np.array_equal(data.targets, kept % 3)
    assert np.array_equal(data.inputs, made(50).sample(20, 1).inputs)
    assert not np.array_equal(data.inputs, made(50).sample(20, 2).inputs)
    with pytest.raises(ValueError, match=r"^pool_rows: got 51, but made has 50"):
        made(50).sample(51, 0)


def test_scaling():
    pool = np.array([[1.0, 0.1], [3.0, 0.1]])
    first, second = standardized(pool, np.array([[5.0, 7.0]]))
    assert first.tolist() == [[-1, 0], [1, 0]]
    assert second.tolist() == [[3, 0]]


# The real ones


def test_the_real_mnist(data_dir):
    data = load_dataset("mnist", str(data_dir))
    assert (data.inputs.shape, data.test_inputs.shape) == ((60_000, 784), (10_000, 784))
    assert data.targets[:5].tolist() == [5, 0, 4, 1, 9]
    assert np.bincount(data.test_targets).tolist() == [
        *(980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009),
    ]
    assert data.inputs.mean() == pytest.approx(33.3184, abs=1e-3)


def test_the_real_cifar10(data_dir):
    data = load_dataset("cifar10", str(data_dir))
    assert data.inputs.shape == (25_000, 3, 32, 32)
    assert np.bincount(data.test_targets).tolist() == [1000] * 10
    assert data.targets[:5].tolist() == [6, 9, 9, 4, 1]
    assert np.unique(data.targets).tolist() == list(range(10))
    assert "the first 25000 training images" in data.source
    # Means by channel of the test images, as commonly given.
    assert (data.test_inputs / 255).mean((0, 2, 3)) == pytest.approx(
        [0.4942, 0.4851, 0.4504], abs=1e-3
    )


@pytest.mark.parametrize(("split", "test_rows"), [("subjects", None), ("rows", 1175)])
def test_the_real_parkinsons(split, test_rows, data_dir):
    path = data_dir / "parkinsons" / "parkinsons_updrs.data"
    if not path.is_file():
        pytest.skip(f"needs real data: {path} is absent")
    data = load_dataset("parkinsons", str(data_dir), split=split)
    table = np.loadtxt(path, delimiter=",", skiprows=1)
    subjects, values = table[:, 0], table[:, 5]
    features = np.delete(table, [0, 4, 5], axis=1)
    # The rows of the test set: scaled alike from least to most, each is nearest to itself.
    both = np.concatenate([data.inputs, data.test_inputs]).astype(np.float64)
    raw, seen = ((x - x.min(0)) / np.ptp(x, axis=0) for x in (features, both))
    seen = seen[len(data.inputs) :]
    distances = (raw**2).sum(1) - 2 * seen @ raw.T
    test = np.zeros(len(table), bool)
    test[distances.argmin(1)] = True
    assert test.sum() == len(data.test_inputs) == 5875 - len(data.inputs)
    assert test_rows in (None, test.sum())
    for got, got_test, column in (
        (data.inputs, data.test_inputs, features),
        (data.targets, data.test_targets, values),
    ):
        mean, deviation = column[~test].mean(0), column[~test].std(0)
        # One rounding to float32.
        assert np.allclose(got, (column[~test] - mean) / deviation, rtol=1e-7, atol=1e-12)
        assert np.allclose(got_test, (column[test] - mean) / deviation, rtol=1e-7, atol=1e-12)
    shared = set(subjects[test]) & set(subjects[~test])
    assert len(set(subjects[test])) == (8 if split == "subjects" else 42)
    assert len(shared) == (0 if split == "subjects" else 42)
