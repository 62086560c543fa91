"""Selections on a Ray cluster of which a process is killed, here or there."""

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import ally_fast

ray = pytest.importorskip("ray", reason="needs ray")
from ally_fast import distributed, stages  # noqa: E402

N, B, K = 6000, 150, 20
pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.usefixtures("cluster")]
ROOT = Path(ally_fast.__file__).parents[1]


def dies_once(marker, merge, *arguments):
    """Merge; the first process that is to do so dies within."""
    first = not os.path.exists(marker)
    Path(marker).touch()
    whole = merge(*arguments)
    if first:
        os.kill(os.getpid(), signal.SIGKILL)
    return whole


def test_a_worker_that_dies_in_a_merge(folder, rows, rng, tmp_path, monkeypatch, same):
    scores, marker = rng.random(N), str(tmp_path / "died")
    monkeypatch.setattr(stages, "merge", partial(dies_once, marker, stages.merge))
    found = distributed.select(folder, scores, B, K)
    monkeypatch.undo()
    assert os.path.exists(marker)
    same(found, ally_fast.select(rows, scores, B, K, return_info=True))


def test_this_process_sees_one_shortlist(folder, rows, rng, monkeypatch, same):
    """Tasks merge the others."""
    scores, came = rng.random(N), []
    result = distributed.tasks.Tasks._result

    def watch(self, reference):
        found = result(self, reference)
        came.append(found)
        return found

    monkeypatch.setattr(distributed.tasks.Tasks, "_result", watch)
    monkeypatch.setattr(stages, "merge", partial(only_elsewhere, os.getpid(), stages.merge))
    found = distributed.select(folder, scores, B, K)
    monkeypatch.undo()
    same(found, ally_fast.select(rows, scores, B, K, return_info=True))
    assert sum(isinstance(value, stages.Part) for value in came) == 1


def only_elsewhere(here, merge, *arguments):
    assert os.getpid() != here
    return merge(*arguments)


CHILD = """
import sys, time
import numpy as np
import ally_fast.progress
from ally_fast import distributed
from ally_fast.jobs import job_select

address, folder, began, job, pause, lines = sys.argv[1:]
ally_fast.progress._LINE_SECONDS = 0.0 if lines else 30.0
job_select._PORTION_BYTES = 6000 // 7 * 32  # about a shard

def score(rows):
    if pause:
        open(f"{began}-{time.monotonic_ns()}", "w").close()
        time.sleep(float(pause))
    return np.round(rows[:, 1], 1)

score.fingerprint = "second feature"
distributed.select(
    folder, score, 150, 20, address=address, job=job or None, progress=True
)
"""


class Child:
    """A process that selects on the cluster of the tests."""

    def __init__(self, address, folder, *, job="", pause="", lines="", stderr=subprocess.PIPE):
        self.began = folder.parent / "began"
        self.began.mkdir(exist_ok=True)
        words = [address, folder, self.began / "call", job, pause, lines]
        path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
        self.process = subprocess.Popen(
            [sys.executable, "-c", CHILD, *map(str, words)],
            stderr=stderr,
            env={**os.environ, "PYTHONPATH": path, "TERM": "xterm", "PYTHONUTF8": "1"},
        )

    def calls(self):
        """Return how often the function was called."""
        return len(list(self.began.iterdir()))

    def wait_until(self, reached):
        end = time.monotonic() + 60
        while not reached():
            assert self.process.poll() is None, self.process.stderr.read().decode()
            assert time.monotonic() < end
            time.sleep(0.02)


def test_a_driver_that_is_killed_goes_on(cluster, folder, rows, tmp_path, same, monkeypatch):
    job = tmp_path / "job"
    child = Child(cluster, folder, job=job, pause=0.3)
    child.wait_until(lambda: len(list(job.glob("assignments/**/*.npy"))) >= 2)
    child.process.kill()
    child.process.wait()
    child.process.stderr.close()
    kept = set(job.glob("assignments/**/*.npy"))
    assert 2 <= len(kept) < 7

    def score(rows):
        return np.round(rows[:, 1], 1)

    score.fingerprint = "second feature"
    scanned = []
    real = distributed.ray_select.portion
    watch = lambda plan, rows, **options: scanned.append(rows) or real(plan, rows, **options)  # noqa: E731
    monkeypatch.setattr(distributed.ray_select, "portion", watch)
    monkeypatch.setattr("ally_fast.jobs.job_select._PORTION_BYTES", N // 7 * 32)
    found = distributed.select(folder, score, B, K, job=job)
    same(found, ally_fast.select(rows, score(rows), B, K, return_info=True))
    assert 0 < sum(hi - lo for lo, hi in scanned) < N


def test_ctrl_c_cancels_the_tasks(cluster, folder):
    child = Child(cluster, folder, pause=0.5)
    child.wait_until(lambda: child.calls() >= 2)
    child.process.send_signal(signal.SIGINT)
    child.process.wait(timeout=20)
    calls = child.calls()
    time.sleep(1.5)
    assert child.calls() == calls < 14
    assert child.process.stderr.read().rstrip().endswith(b"KeyboardInterrupt")
    child.process.stderr.close()


@pytest.mark.parametrize("options", [{}, {"max_score": 9.0}], ids=["assign", "score"])
def test_ctrl_c_here_cancels_the_tasks_and_leaves_the_cluster(
    options, folder, rows, tmp_path, same
):
    def score(rows):
        (tmp_path / f"call-{time.monotonic_ns()}").touch()
        if not (tmp_path / "quick").exists():
            time.sleep(1.5)
        return np.round(rows[:, 1], 1)

    def interrupt():
        while len(list(tmp_path.glob("call-*"))) < 2:
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        distributed.select(folder, score, B, K, **options)
    thread.join()
    time.sleep(0.3)  # a worker that is told to die does so
    calls = len(list(tmp_path.glob("call-*")))
    time.sleep(3)
    assert len(list(tmp_path.glob("call-*"))) == calls <= 6
    (tmp_path / "quick").touch()
    expected = ally_fast.select(rows, np.round(rows[:, 1], 1), B, K, return_info=True)
    same(distributed.select(folder, score, B, K), expected)


@pytest.mark.parametrize("job", ["", "job"], ids=["at once", "in a job"])
def test_progress_on_a_terminal_counts_all_tasks(job, cluster, folder, tmp_path):
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 60, 0, 0))
    child = Child(cluster, folder, job=job and tmp_path / job, pause=0.15, stderr=theirs)
    os.close(theirs)
    text = b""
    while True:
        try:
            text += os.read(ours, 4096)
        except OSError:  # the other side is closed
            break
    os.close(ours)
    assert child.process.wait() == 0
    shown = text.decode(errors="replace")
    for label in ("sample 1/3", "k-means 2/3", "assign 3/3"):
        assert label in shown
    shares = [int(share) for share in re.findall(r"assign 3/3 +(\d+)%", shown)]
    assert shares[0] == 0
    assert any(20 <= share <= 80 for share in shares)
    assert shares == sorted(shares)
    assert "Traceback" not in shown


def test_progress_elsewhere_is_a_line_now_and_then(cluster, folder):
    child = Child(cluster, folder, lines="often")
    shown = child.process.communicate()[1].decode()
    assert child.process.returncode == 0, shown
    lines = [line for line in shown.splitlines() if line.startswith("assign")]
    assert len(lines) >= 7
    assert re.match(r"assign 3/3 100%: 6\.00k/6\.00k rows \[", lines[-1])
    quiet = Child(cluster, folder)
    assert quiet.process.communicate()[1] == b""
