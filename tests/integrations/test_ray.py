"""Selections on a Ray cluster: the batch of one process, whatever fails."""

import os
import signal
from pathlib import Path

import numpy as np
import pytest

import ally_fast
from ally_fast import open_pool

ray = pytest.importorskip("ray", reason="needs ray")
from ally_fast import distributed, jobs, stages  # noqa: E402
from ally_fast.cli import main  # noqa: E402
from ally_fast.jobs import job_select  # noqa: E402
from ally_fast.jobs.job_folder import JobFolder  # noqa: E402
from ally_fast.pools import ShardedPool  # noqa: E402

N, D, B, K, SHARDS = 6000, 8, 150, 20, 7
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module", autouse=True)
def cluster():
    path = os.pathsep.join([str(Path(ally_fast.__file__).parents[1]), str(Path(__file__).parent)])
    ray.init(
        num_cpus=3,
        include_dashboard=False,
        log_to_driver=False,
        logging_level="ERROR",
        object_store_memory=100 << 20,
        runtime_env={"env_vars": {"PYTHONPATH": path}},
    )
    yield
    ray.shutdown()


@pytest.fixture
def rows(rng):
    return rng.normal(size=(N, D)).astype(np.float32)


@pytest.fixture
def folder(rows, tmp_path):
    (tmp_path / "pool").mkdir()
    for number, part in enumerate(np.array_split(rows, SHARDS)):
        np.save(tmp_path / "pool" / f"part-{number}.npy", part)
    return tmp_path / "pool"


def same(found, expected):
    np.testing.assert_array_equal(found[0], expected[0])
    for name in ("scores", "clusters", "ranks", "distances", "centroids", "cluster_sizes"):
        np.testing.assert_array_equal(getattr(found[1], name), getattr(expected[1], name))


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
def test_the_batch_is_that_of_one_process(case, folder, rows, rng):
    scores = np.round(rng.random(N), 2)
    options = dict(OPTIONS[case])
    b = options.pop("b", B)
    if labeled := options.pop("labeled", None):
        options["labeled_embeddings"] = rows[:labeled]
    expected = ally_fast.select(rows, scores, b, K, return_info=True, **options)
    same(distributed.select(folder, scores, b, K, **options), expected)


@pytest.mark.parametrize("case", ["plain", "sqrt", "groups"])
def test_a_job_goes_on_where_it_was_stopped(case, folder, rows, rng, tmp_path, monkeypatch):
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
def test_a_task_that_fails_runs_again(how, folder, rows, rng, tmp_path):
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


def test_a_store_too_small_for_the_pool(tmp_path, rng):
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
