"""Jobs: killed at any moment the same call goes on, and ends with the same batch."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import ally_fast
from ally_fast import jobs, stages
from ally_fast.jobs import job_select

N, D, B, K, SHARDS = 4000, 8, 120, 20, 6


@pytest.fixture
def pool(tmp_path, rng, monkeypatch):
    """Write a pool of shards; a portion of a job is a third of a shard."""
    monkeypatch.setattr(job_select, "_PORTION_BYTES", N // SHARDS // 3 * D * 4)
    rows = rng.normal(size=(N, D)).astype(np.float32)
    write(tmp_path / "pool", rows)
    return rows


def write(folder, rows, order=range(SHARDS)):
    folder.mkdir()
    parts = np.array_split(rows, SHARDS)
    for number, part in enumerate(order):
        np.save(folder / f"part-{number}.npy", parts[part])


def same(found, expected):
    np.testing.assert_array_equal(found[0], expected[0])
    for name in ("scores", "clusters", "ranks", "distances", "centroids", "cluster_sizes"):
        np.testing.assert_array_equal(getattr(found[1], name), getattr(expected[1], name))


OPTIONS = {
    "plain": {},
    "proportional": {"allocation": "proportional"},
    "radius": {"radius": 1.0, "exclude": np.arange(50)},
    "groups": {"groups": np.arange(N) % 3, "max_per_group": 45, "tie_break": "random"},
    "cosine": {"metric": "cosine", "max_score": 0.9},
    "no picks": {"b": 0},
}


@pytest.mark.parametrize("case", OPTIONS)
def test_the_batch_is_that_of_select(case, pool, tmp_path, rng):
    scores = np.round(rng.random(N), 2)
    options = dict(OPTIONS[case])
    b = options.pop("b", B)
    expected = ally_fast.select(pool, scores, b, K, return_info=True, **options)
    for _ in range(2):  # anew, and from what is there
        found = jobs.select(tmp_path / "job", tmp_path / "pool", scores, b, K, **options)
        same(found, expected)


def test_what_is_done_is_not_done_again(pool, tmp_path, rng, monkeypatch):
    scores = rng.random(N)
    expected = jobs.select(tmp_path / "job", tmp_path / "pool", scores, B, K)

    def fail(*positional, **options):
        raise AssertionError("was done before")

    monkeypatch.setattr(stages, "train", fail)
    monkeypatch.setattr(stages, "scan", fail)
    same(jobs.select(tmp_path / "job", tmp_path / "pool", scores, B, K), expected)


CHANGES = {
    "b": ({"b": B + 1}, "b was 120, is 121"),
    "k": ({"k": K - 1}, "k was 20, is 19"),
    "seed": ({"seed": 4}, "seed was 0, is 4"),
    "scores": ({"dual_scores": np.zeros(N)}, "dual_scores changed"),
    "exclude": ({"exclude": [3]}, "the rows that may be picked .* changed"),
    "radius": ({"radius": 0.5}, "radius was None, is 0.5"),
    "allocation": ({"allocation": "sqrt"}, "allocation changed"),
    "groups": ({"groups": np.zeros(N, int), "max_per_group": B}, "groups changed"),
}


@pytest.mark.parametrize("case", CHANGES)
def test_other_arguments_are_refused(case, pool, tmp_path, rng):
    usual = {"pool": tmp_path / "pool", "dual_scores": rng.random(N), "b": B, "k": K}
    jobs.select(tmp_path / "job", **usual)
    change, message = CHANGES[case]
    with pytest.raises(ValueError, match=f"job: holds another job: {message}"):
        jobs.select(tmp_path / "job", **{**usual, **change})


def test_another_pool_is_refused(pool, tmp_path, rng):
    scores = rng.random(N)
    jobs.select(tmp_path / "job", tmp_path / "pool", scores, B, K)
    write(tmp_path / "other", pool, [1, 0, 2, 3, 4, 5])
    with pytest.raises(ValueError, match=r"the pool has changed: shard 0 was part-0\.npy"):
        jobs.select(tmp_path / "job", tmp_path / "other", scores, B, K)


def test_a_folder_of_something_else_is_refused(pool, tmp_path):
    with pytest.raises(ValueError, match=r"pool: holds 'part-\d.npy' but no job"):
        jobs.select(tmp_path / "pool", tmp_path / "pool", np.zeros(N), B, K)


def test_a_later_job_starts_from_an_earlier_one(pool, tmp_path, rng, monkeypatch):
    """It has the same centroids; shards that were there are not assigned again, in any order."""
    first, info = jobs.select(tmp_path / "one", tmp_path / "pool", rng.random(N), B, K)
    more = rng.normal(size=(500, D)).astype(np.float32)
    write(tmp_path / "later", pool, [3, 1, 0, 2, 5, 4])
    np.save(tmp_path / "later" / "part-9.npy", more)
    order = np.concatenate([np.array_split(np.arange(N), SHARDS)[i] for i in (3, 1, 0, 2, 5, 4)])
    rows, scores = np.concatenate([pool[order], more]), rng.random(N + 500)
    exclude = np.flatnonzero(np.isin(order, first))
    assigned = []
    real = stages.scan

    def watch(task, portion, **options):
        assigned.append(portion.rows)
        return real(task, portion, **options)

    monkeypatch.setattr(stages, "scan", watch)
    found = jobs.select(
        tmp_path / "two",
        tmp_path / "later",
        scores,
        B,
        K,
        exclude=exclude,
        start_from=tmp_path / "one",
    )
    expected = ally_fast.select(
        rows, scores, B, K, exclude=exclude, centroids=info.centroids, return_info=True
    )
    same(found, expected)
    assert assigned[0][0] == N
    assert assigned[-1][1] == N + 500


def test_rows_that_were_excluded_then_are_assigned_now(pool, tmp_path, rng):
    scores = rng.random(N)
    _, info = jobs.select(tmp_path / "one", tmp_path / "pool", scores, B, K, exclude=range(99))
    found = jobs.select(
        tmp_path / "two", tmp_path / "pool", scores, B, K, start_from=tmp_path / "one"
    )
    expected = ally_fast.select(pool, scores, B, K, centroids=info.centroids, return_info=True)
    same(found, expected)


def test_two_processes_cannot_work_on_one_job(pool, tmp_path, rng):
    from ally_fast.jobs.job_folder import JobFolder

    with JobFolder(str(tmp_path / "job")).locked():
        with pytest.raises(OSError, match="another process is working on this job"):
            jobs.select(tmp_path / "job", tmp_path / "pool", np.zeros(N), B, K)


def test_another_column_is_another_job(pool, tmp_path, rng):
    pa = pytest.importorskip("pyarrow", reason="needs pyarrow")
    pq = pytest.importorskip("pyarrow.parquet", reason="needs pyarrow")
    rows = {name: rng.normal(size=(300, 4)) for name in ("one", "two")}
    lists = {
        name: pa.FixedSizeListArray.from_arrays(pa.array(x.ravel()), 4) for name, x in rows.items()
    }
    pq.write_table(pa.table(lists), tmp_path / "p.parquet")
    pools = {name: ally_fast.open_pool(tmp_path / "p.parquet", column=name) for name in rows}
    scores = rng.random(300)
    _, info = jobs.select(tmp_path / "job", pools["one"], scores, 20, 5)
    with pytest.raises(ValueError, match="holds another job: column was one, is two"):
        jobs.select(tmp_path / "job", pools["two"], scores, 20, 5)
    found = jobs.select(tmp_path / "two", pools["two"], scores, 20, 5, start_from=tmp_path / "job")
    options = {"centroids": info.centroids, "return_info": True}
    same(found, ally_fast.select(rows["two"], scores, 20, 5, **options))


def test_damaged_clusters_are_named(pool, tmp_path, rng):
    scores = rng.random(N)
    jobs.select(tmp_path / "job", tmp_path / "pool", scores, B, K)
    path = sorted((tmp_path / "job" / "assignments").rglob("*.npy"))[0]
    clusters = np.load(path)
    clusters[3] ^= 1
    np.save(path, clusters)
    with pytest.raises(ValueError, match=rf"{path.name}: is damaged; remove it and run again"):
        jobs.select(tmp_path / "job", tmp_path / "pool", scores, B, K)
    path.unlink()
    expected = ally_fast.select(pool, scores, B, K, return_info=True)
    same(jobs.select(tmp_path / "job", tmp_path / "pool", scores, B, K), expected)


def test_renamed_shards_are_the_same_job(pool, tmp_path, rng):
    scores = rng.random(N)
    expected = jobs.select(tmp_path / "job", tmp_path / "pool", scores, B, K)
    for path in (tmp_path / "pool").iterdir():
        path.rename(path.with_name(f"new-{path.name}"))
    same(jobs.select(tmp_path / "job", tmp_path / "pool", scores, B, K), expected)


def test_more_pieces_than_files_may_be_open(tmp_path, rng, monkeypatch):
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    rows = rng.normal(size=(400, 4)).astype(np.float32)
    (tmp_path / "pool").mkdir()
    for number, part in enumerate(np.array_split(rows, 200)):
        np.save(tmp_path / "pool" / f"{number}.npy", part)
    resource.setrlimit(resource.RLIMIT_NOFILE, (160, hard))
    try:
        found = jobs.select(tmp_path / "job", tmp_path / "pool", np.arange(400), 20, 5)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    same(found, ally_fast.select(rows, np.arange(400), 20, 5, return_info=True))


@pytest.mark.parametrize("name", ["job.json", "training.json", "centroids.npy"])
def test_a_damaged_file_is_named(name, pool, tmp_path):
    jobs.select(tmp_path / "job", tmp_path / "pool", np.zeros(N), B, K)
    path = tmp_path / "job" / name
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ValueError, match=name.replace(".", r"\.")):
        jobs.select(tmp_path / "job", tmp_path / "pool", np.zeros(N), B, K)


def test_a_record_of_a_later_version_is_refused(pool, tmp_path):
    jobs.select(tmp_path / "job", tmp_path / "pool", np.zeros(N), B, K)
    record = json.loads((tmp_path / "job" / "job.json").read_text())
    (tmp_path / "job" / "job.json").write_text(json.dumps({**record, "version": 2}))
    message = "has format 2; this version of ally-fast reads 1"
    with pytest.raises(ValueError, match=message):
        jobs.select(tmp_path / "job", tmp_path / "pool", np.zeros(N), B, K)
    with pytest.raises(ValueError, match=message):
        jobs.select(
            tmp_path / "two", tmp_path / "pool", np.zeros(N), B, K, start_from=tmp_path / "job"
        )


# Kills itself at some event of the interpreter: a call, a return, of Python or of C.
SCRIPT = """
import os, signal, sys
import numpy as np
from ally_fast import jobs, stages
from ally_fast.jobs import job_select

job_select._PORTION_BYTES, last = int(sys.argv[1]), int(sys.argv[2])
scores = np.load("scores.npy")
events = 0


def count(*_):
    global events
    events += 1
    if events == last:
        os.kill(os.getpid(), signal.SIGKILL)


sys.setprofile(count)
indices, info = jobs.select("job", "pool", scores, 120, 20, radius=0.2)
sys.setprofile(None)
np.savez("batch.npz", indices=indices, distances=info.distances, centroids=info.centroids)
print(events)
"""


def run(folder, portion, last):
    """Return the events of a run, None if it was killed at the `last` of them."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(portion), str(last)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return int(done.stdout) if done.returncode == 0 else None


def test_killed_at_fifty_random_points(pool, tmp_path, rng):
    """A run that is killed again and again ends with the batch of one that is not."""
    scores = rng.random(N)
    np.save(tmp_path / "scores.npy", scores)
    expected = ally_fast.select(pool, scores, B, K, radius=0.2, return_info=True)
    portion = N // SHARDS * D * 4
    total, kills, ends = run(tmp_path, portion, -1), 0, 0
    while kills < 50:
        if (tmp_path / "batch.npz").exists():
            with np.load(tmp_path / "batch.npz") as found:
                np.testing.assert_array_equal(found["indices"], expected[0])
                np.testing.assert_array_equal(found["distances"], expected[1].distances)
                np.testing.assert_array_equal(found["centroids"], expected[1].centroids)
            (tmp_path / "batch.npz").unlink()
            shutil.rmtree(tmp_path / "job")
            ends += 1
        kills += run(tmp_path, portion, int(rng.integers(1, total))) is None
    assert ends >= 5
