"""Selections on a Ray cluster: the batch of one process, whatever fails."""

import os
import signal
import threading
import uuid
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import ally_fast
from ally_fast import open_pool

ray = pytest.importorskip("ray", reason="needs ray")
from ally_fast import distributed, jobs, stages  # noqa: E402
from ally_fast.cli import main  # noqa: E402
from ally_fast.distributed.tasks import Tasks  # noqa: E402
from ally_fast.jobs import job_select  # noqa: E402
from ally_fast.jobs.job_folder import JobFolder  # noqa: E402
from ally_fast.pools import Rows, ShardedPool  # noqa: E402
from ally_fast.report import write_report  # noqa: E402

N, D, B, K, SHARDS = 6000, 8, 150, 20, 7
pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.usefixtures("cluster")]


OPTIONS = {
    "plain": {},
    "sqrt": {"allocation": "sqrt", "tie_break": "random"},
    "excluded": {"exclude": np.arange(0, N, 3), "max_score": 0.8},
    "radius": {"radius": 0.4, "metric": "cosine"},
    "labeled": {"radius": 0.5, "labeled": 5},
    "groups": {
        "groups": np.arange(N) % 3,
        "min_per_group": 20,
        "cost": np.ones(N),
        "cost_budget": 99,
    },
    "ids": {"ids": np.arange(N)[::-1].copy(), "exclude_ids": np.arange(40)},
    "no picks": {"b": 0},
}


@pytest.mark.parametrize("case", OPTIONS)
def test_the_batch_is_that_of_one_process(case, folder, rows, rng, same):
    scores = np.round(rng.random(N), 2)
    options = dict(OPTIONS[case])
    b = options.pop("b", B)
    if labeled := options.pop("labeled", None):
        options["labeled_embeddings"] = rows[:labeled]
    expected = ally_fast.select(rows, scores, b, K, return_info=True, **options)
    same(distributed.select(folder, scores, b, K, **options), expected)


def test_the_cpu_is_used_where_it_is_asked_for(folder, rows, rng, monkeypatch, same):
    scores, resources = rng.random(N), ray.cluster_resources()
    monkeypatch.setattr(ray, "cluster_resources", lambda: {**resources, "GPU": 2})
    assert Tasks(None).gpus == 2
    assert Tasks(None, use_gpus=False).gpus == 0
    found = distributed.select(folder, scores, B, K, device="cpu")  # waits for no GPU
    same(found, ally_fast.select(rows, scores, B, K, return_info=True))


class Head:
    """A score function that counts, in a folder, how often it is unpacked in each process."""

    fingerprint = "v1"

    def __init__(self, folder):
        self.folder = str(folder)

    def __setstate__(self, state):
        self.__dict__.update(state)
        os.makedirs(self.folder, exist_ok=True)
        (Path(self.folder) / f"{os.getpid()}-{uuid.uuid4()}").touch()

    def __call__(self, rows):
        return np.round(rows[:, 1], 1)

    def unpacked(self):
        return Counter(name.split("-")[0] for name in os.listdir(self.folder)).values()


@pytest.mark.parametrize("in_a_job", [False, True], ids=["at once", "in a job"])
@pytest.mark.parametrize("case", [*OPTIONS, "radius, labeled, max_score"])
def test_a_function_gives_the_scores_in_the_tasks(case, in_a_job, folder, rows, tmp_path, same):
    options = dict(OPTIONS.get(case, {"radius": 0.5, "labeled": 5, "max_score": 0.8}))
    b = options.pop("b", B)
    if labeled := options.pop("labeled", None):
        options["labeled_embeddings"] = rows[:labeled]
    head = Head(tmp_path / "unpacked")
    expected = ally_fast.select(rows, head(rows), b, K, return_info=True, **options)
    job = tmp_path / "job" if in_a_job else None
    same(distributed.select(folder, head, b, K, job=job, **options), expected)
    if b:
        # The task that a worker keeps holds it, and what scores the rows ahead of the rest.
        assert max(head.unpacked()) <= (2 if "max_score" in options else 1)


def test_a_dual_head_gives_the_batch_of_one_process(folder, rows, same):
    pytest.importorskip("torch")
    from ally_fast.primal_dual import DualHead

    head = DualHead(max_epochs=20).fit(rows[:1000], np.maximum(0, rows[:1000, 0]))
    same(
        distributed.select(folder, head, B, K),
        ally_fast.select(rows, head, B, K, return_info=True),
    )


def test_a_function_that_cannot_be_sent(folder):
    lock = threading.Lock()
    with pytest.raises(TypeError, match="dual_scores: cannot be sent to workers") as error:
        distributed.select(folder, lambda rows: lock and rows[:, 0], B, K)
    assert len(str(error.value)) < 300
    assert "\n" not in str(error.value)


def test_an_error_of_a_function_is_the_users(folder):
    with pytest.raises(ValueError, match=r"dual_scores: the function returned shape \(3,\)"):
        distributed.select(folder, lambda rows: rows[:3, 0], B, K)


def test_the_page_of_a_batch_is_that_of_one_process(folder, rows, tmp_path, monkeypatch):
    pytest.importorskip("bokeh", reason="needs bokeh")
    monkeypatch.chdir(tmp_path)
    np.save("scores.npy", np.round(rows[:, 0], 1))
    words = ["select", str(folder), "--scores", "scores.npy", "-b", str(B), "-k", str(K), "--quiet"]
    told = []
    reads = ShardedPool.read, ShardedPool.gather
    for more in (["--ray", "auto"], ["--ray", "auto", "--job", "job"], []):
        for name, read in zip(("read", "gather"), reads, strict=True):  # here, tasks have their own
            monkeypatch.setattr(ShardedPool, name, None if more else read)
        written = ["-o", "batch.npy", "--report", "page.html", "--plot", "page.png", "--force"]
        assert main([*words, *written, *more]) == 0
        text = Path("page.html").read_text()
        told.append(text[text.index("<main>") : text.index("<h2>Time</h2>")])
    assert told[0] == told[1] == told[2]
    head = Head(tmp_path / "unpacked")
    batch, info = distributed.select(folder, head, B, K, max_score=1.5)
    write_report("function.html", folder, head, batch, info, max_score=1.5)
    assert "A function computes the scores" in Path("function.html").read_text()


@pytest.mark.parametrize("how", ["labeled", "skip"])
def test_this_process_reads_no_rows(how, folder, rows, rng, monkeypatch, same):
    """Nor do they come here: the radius around labeled rows, and bad rows, are found by tasks."""
    options = {"radius": 0.3, "labeled_embeddings": rows[:30], "b": B, "train_size": 100}
    if how == "skip":
        options = {"b": B, "train_size": 100}
        rows[::50] = np.nan
        for number, part in enumerate(np.array_split(rows, SHARDS)):
            np.save(folder / f"part-{number}.npy", part)
    scores = rng.random(N)
    pool = open_pool(folder, on_bad_row="skip" if how == "skip" else "error")
    came = []
    run = Tasks.run

    def watch(self, function, *arguments):
        found = run(self, function, *arguments)
        came.append(len(found.array) if isinstance(found, Rows) else 0)
        return found

    monkeypatch.setattr(Tasks, "run", watch)
    monkeypatch.setattr(ShardedPool, "read", None)
    monkeypatch.setattr(ShardedPool, "gather", None)
    found = distributed.select(pool, scores, k=K, **options)
    monkeypatch.undo()
    same(found, ally_fast.select(pool, scores, k=K, return_info=True, **options))
    assert sum(came) < 2 * (100 + 8 * B)


@pytest.mark.parametrize("case", ["plain", "sqrt", "groups"])
def test_a_job_goes_on_where_it_was_stopped(case, folder, rows, rng, tmp_path, monkeypatch, same):
    scores = np.round(rng.random(N), 2)
    kept = []
    real = JobFolder.keep_assignments

    def keep(*arguments):
        if len(kept) == 3:
            raise KeyboardInterrupt
        kept.append(arguments)
        real(*arguments)

    monkeypatch.setattr(job_select, "_PORTION_BYTES", N // SHARDS * D * 4)
    monkeypatch.setattr(JobFolder, "keep_assignments", keep)
    with pytest.raises(KeyboardInterrupt):
        distributed.select(folder, scores, B, K, job=tmp_path / "job", **OPTIONS[case])
    monkeypatch.setattr(JobFolder, "keep_assignments", real)
    found = distributed.select(folder, scores, B, K, job=tmp_path / "job", **OPTIONS[case])
    same(found, ally_fast.select(rows, scores, B, K, return_info=True, **OPTIONS[case]))
    with monkeypatch.context() as patch:  # in one process, from the same folder
        patch.setattr(stages, "scan", None)
        same(jobs.select(tmp_path / "job", folder, scores, B, K, **OPTIONS[case]), found)


class FailsOnce(ShardedPool):
    """A pool of which the first read of a shard fails, in one process only."""

    def __init__(self, pool, marker, how):
        self.__dict__.update(pool.__dict__)
        self.marker, self.how = marker, how

    def read(self, lo, hi):
        if lo >= 3000 and not os.path.exists(self.marker):
            Path(self.marker).touch()
            if self.how == "dies":
                os.kill(os.getpid(), signal.SIGKILL)
            raise OSError(5, "Input/output error", "part-4.npy")
        return super().read(lo, hi)


@pytest.mark.parametrize("how", ["dies", "cannot read"])
def test_a_task_that_fails_runs_again(how, folder, rows, rng, tmp_path, same):
    scores = rng.random(N)
    pool = FailsOnce(open_pool(folder), str(tmp_path / "failed"), how)
    found = distributed.select(pool, scores, B, K)
    assert (tmp_path / "failed").exists()
    same(found, ally_fast.select(rows, scores, B, K, return_info=True))


def test_an_error_within_a_task_is_the_users(folder, rows, rng):
    rows[4000] = np.nan
    for number, part in enumerate(np.array_split(rows, SHARDS)):
        np.save(folder / f"part-{number}.npy", part)
    with pytest.raises(ValueError, match=r"part-4\.npy: row 571 holds NaN") as error:
        distributed.select(folder, rng.random(N), B, K, train_size=K)
    assert "ray" not in str(error.value)


def test_a_store_too_small_for_the_pool(tmp_path, rng, same):
    """The sample alone is twice what the store of the cluster holds."""
    rows = rng.normal(size=(240_000, 256)).astype(np.float32)
    np.save(tmp_path / "a.npy", rows[:150_000])
    np.save(tmp_path / "b.npy", rows[150_000:])
    scores = rng.random(len(rows))
    options = {"train_size": 200_000, "max_iter": 1}
    expected = ally_fast.select(rows, scores, B, K, return_info=True, **options)
    same(
        distributed.select([tmp_path / "a.npy", tmp_path / "b.npy"], scores, B, K, **options),
        expected,
    )


def test_the_command(folder, rows, rng, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    scores = rng.random(N)
    np.save("scores.npy", scores)
    words = ["select", str(folder), "--scores", "scores.npy", "-b", str(B), "-k", str(K)]
    assert main([*words, "-o", "batch.npy", "--ray", "auto", "--quiet"]) == 0
    np.testing.assert_array_equal(np.load("batch.npy"), ally_fast.select(rows, scores, B, K))


def test_arrays_are_refused(rows):
    with pytest.raises(ValueError, match="pool: needs files or a table"):
        distributed.select(rows, np.zeros(N), B, K)


def test_an_unknown_argument(folder):
    with pytest.raises(TypeError, match="select has no argument 'bb'"):
        distributed.select(folder, np.zeros(N), B, K, bb=1)
