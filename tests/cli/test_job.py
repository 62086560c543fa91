"""``ally-fast select --job``: a command that goes on where it was stopped."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import ally_fast
from ally_fast.cli import main

N, D, B, K = 600, 6, 40, 8


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch, rng):
    monkeypatch.chdir(tmp_path)
    rows = rng.normal(size=(N, D)).astype(np.float32)
    Path("pool").mkdir()
    for number, part in enumerate(np.array_split(rows, 3)):
        np.save(f"pool/part-{number}.npy", part)
    np.save("rows.npy", rows)
    np.save("scores.npy", rng.random(N))
    return tmp_path


def select(*options, out="batch.npy"):
    sizes = ("-b", str(B), "-k", str(K), "--scores", "scores.npy")
    return main(["select", "pool", *sizes, "-o", out, *options])


def test_a_job_and_its_later_round():
    rows, scores = np.load("rows.npy"), np.load("scores.npy")
    assert select("--job", "one") == 0
    first, info = ally_fast.select(rows, scores, B, K, return_info=True)
    np.testing.assert_array_equal(np.load("batch.npy"), first)
    assert select("--job", "one", "--force") == 0
    np.testing.assert_array_equal(np.load("batch.npy"), first)
    options = ("--job", "two", "--from", "one", "--exclude", "batch.npy")
    assert select(*options, out="second.npy") == 0
    second = ally_fast.select(rows, scores, B, K, exclude=first, centroids=info.centroids)
    np.testing.assert_array_equal(np.load("second.npy"), second)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--job", "pool"], "pool: holds 'part-.*.npy' but no job"),
        (["--from", "one"], "--from needs --job"),
        (["--job", "one", "--from", "nothing"], "nothing: holds no job"),
        (["--job", "no/such"], None),
    ],
)
def test_mistakes(options, message, capsys):
    status = select(*options)
    if message is None:  # folders are made
        assert status == 0
        return
    error = capsys.readouterr().err
    assert status == 2
    assert re.search(message, error)


@pytest.mark.parametrize(
    ("number", "status", "word"),
    [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")],
)
def test_a_signal_ends_it_and_says_how_to_go_on(number, status, word, rng):
    rows = rng.normal(size=(60_000, 64)).astype(np.float32)
    np.save("large.npy", rows)
    np.save("many.npy", rng.random(60_000))
    words = ["large.npy", "--scores", "many.npy", "-b", "9000", "-k", "9000", "-o", "batch.npy"]
    command = [sys.executable, "-m", "ally_fast", "select", *words, "--job", "job", "--quiet"]
    path = str(Path(ally_fast.__file__).parents[1])
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": path}
    )
    while not Path("job/job.json").exists():  # it trains now
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(number)
    _, error = process.communicate()
    assert process.returncode == status
    assert error == (
        f"ally-fast: {word}: progress is saved in job; run the same command to resume\n"
    )
    assert not Path("batch.npy").exists()


def test_a_full_disk_ends_it_with_the_name_of_the_file(capsys, monkeypatch):
    def fill(*rest):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", fill)
    assert select("--job", "one") == 2
    assert "one/centroids.npy: No space left on device" in capsys.readouterr().err
    assert {path.name for path in Path("one").iterdir()} == {"job.json"}


def test_an_unreadable_shard_ends_it_with_its_name(capsys):
    path = Path("pool/part-1.npy")
    path.write_bytes(path.read_bytes()[:-5])
    assert select("--job", "one") == 2
    assert "part-1.npy" in capsys.readouterr().err
