"""A small problem of each task, as a user's file, and one thread."""

import sys

import numpy as np
import pytest


@pytest.fixture(autouse=True)
def one_thread(monkeypatch):
    """Run torch, where a test has it, and the core on one thread: these tests compute little."""
    monkeypatch.setenv("ALLY_FAST_THREADS", "1")
    torch = sys.modules.get("torch")
    if torch is None:
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def problem(task, n=260, test=80, d=6, seed=0):
    """Return arrays of an ``.npz``: three clouds that overlap a little, or a smooth function."""
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(n + test, d)).astype(np.float32)
    classes = rng.integers(3, size=n + test)
    inputs[:, :3] += 1.5 * np.eye(3, dtype=np.float32)[classes]
    values = (np.sin(inputs[:, 0]) + inputs[:, 1]).astype(np.float32)
    targets = classes if task == "classification" else values
    return {
        "inputs": inputs[:n],
        "targets": targets[:n],
        "test_inputs": inputs[n:],
        "test_targets": targets[n:],
    }


@pytest.fixture
def clouds():
    """Return the arrays of a classification problem."""
    return problem("classification")


@pytest.fixture
def classes_npz(tmp_path):
    """Return the path of a classification problem."""
    path = tmp_path / "clouds.npz"
    np.savez(path, **problem("classification"))
    return str(path)


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """Return the command of a finished experiment, one arm, seed and two rounds; and its folder."""
    pytest.importorskip("torch")
    from ally_fast.cli import main

    folder = tmp_path_factory.mktemp("finished")
    np.savez(folder / "clouds.npz", **problem("classification"))
    command = ["experiment", str(folder / "clouds.npz"), "--strategies", "random", "--seeds", "1"]
    command += ["--rounds", "2", "--initial", "20", "-b", "5", "--max-epochs", "1", "--quiet"]
    assert main([*command, "-o", str(folder / "out")]) == 0
    return command, folder / "out"


@pytest.fixture
def values_npz(tmp_path):
    """Return the path of a regression problem."""
    path = tmp_path / "waves.npz"
    np.savez(path, **problem("regression"))
    return str(path)
