"""Pools on S3, from a server that the test starts."""

import csv
import json
import pickle

import numpy as np
import pytest

import ally_fast
from ally_fast.cli import main
from ally_fast.pools import open_pool, read_column

moto = pytest.importorskip("moto.server", reason="needs moto")
pytest.importorskip("s3fs", reason="needs s3fs")
pa = pytest.importorskip("pyarrow", reason="needs pyarrow")
pq = pytest.importorskip("pyarrow.parquet", reason="needs pyarrow")

N, D, B, K = 2000, 16, 100, 20
BOUNDS = (0, 700, 700, 1300, 2000)

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def options():
    server = moto.ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield {"endpoint_url": f"http://{host}:{port}", "key": "k", "secret": "s"}
    server.stop()


@pytest.fixture(scope="module")
def arrays():
    rng = np.random.default_rng(3)
    rows = rng.normal(size=(N, D)).astype(np.float16)
    return rows, rng.random(N), np.array([f"image-{i}" for i in rng.permutation(N)])


@pytest.fixture(scope="module")
def bucket(options, arrays):
    """Return a bucket with the same pool as Parquet and as .npy; its shards are 1, 2, 9, 10."""
    fsspec = pytest.importorskip("fsspec")
    s3 = fsspec.filesystem("s3", **options)
    s3.mkdir("pool")
    rows, scores, ids = arrays
    for number, lo, hi in zip((1, 2, 9, 10), BOUNDS, BOUNDS[1:], strict=False):
        vectors = pa.FixedSizeListArray.from_arrays(pa.array(rows[lo:hi].ravel()), D)
        table = pa.table({"emb": vectors, "id": ids[lo:hi], "score": scores[lo:hi]})
        with s3.open(f"pool/parquet/part-{number}.parquet", "wb") as file:
            pq.write_table(table, file, row_group_size=150)
        with s3.open(f"pool/npy/part-{number}.npy", "wb") as file:
            np.save(file, rows[lo:hi])
    with s3.open("pool/duals.csv", "w") as file:
        lines = csv.writer(file)
        lines.writerow(["id", "score"])
        lines.writerows(zip(ids[::-1].tolist(), scores[::-1].tolist(), strict=True))
    with s3.open("pool/scores.npy", "wb") as file:
        np.save(file, scores)
    return s3


@pytest.mark.parametrize("source", ["s3://pool/parquet", "s3://pool/npy/", "s3://pool/npy/*.npy"])
def test_the_batch_is_that_of_the_rows_in_memory(source, bucket, options, arrays):
    rows, scores, _ = arrays
    pool = open_pool(source, storage_options=options)
    assert (pool.n, pool.d, pool.dtype_name) == (N, D, "float16")
    np.testing.assert_array_equal(pool.read(650, 1350).array, rows[650:1350])
    batch = ally_fast.select(pool, scores, B, K, chunk_rows=512)
    np.testing.assert_array_equal(batch, ally_fast.select(rows, scores, B, K))


def test_rows_far_apart_and_near(bucket, options, arrays, rng):
    pool = open_pool("s3://pool/npy", storage_options=options)
    for size in (0, 1, 50, N):
        indices = np.sort(rng.choice(N, size, replace=False))
        np.testing.assert_array_equal(pool.gather(indices).array, arrays[0][indices])


def test_ids_scores_and_kept_columns(bucket, options, arrays):
    rows, scores, ids = arrays
    pool = open_pool(
        "s3://pool/parquet",
        ids="id",
        scores="s3://pool/duals.csv:score@id",
        keep=["score"],
        storage_options=options,
    )
    batch, info = ally_fast.select(pool, None, B, K, return_info=True)
    np.testing.assert_array_equal(batch, ally_fast.select(rows, scores, B, K))
    assert info.ids.tolist() == ids[batch].tolist()
    np.testing.assert_array_equal(info.kept["score"], scores[batch])


def test_the_command(bucket, options, arrays, tmp_path):
    rows, scores, ids = arrays
    command = ["select", "s3://pool/parquet", "--ids", ":id", "-b", str(B), "-k", str(K)]
    command += ["--scores", "s3://pool/duals.csv:score@id"]
    command += ["--storage-options", json.dumps(options), "-o", str(tmp_path / "batch.txt")]
    assert main(command) == 0
    batch = ally_fast.select(rows, scores, B, K)
    assert (tmp_path / "batch.txt").read_text().split() == ids[batch].tolist()


def test_a_pool_travels(bucket, options, arrays):
    pool = pickle.loads(pickle.dumps(open_pool("s3://pool/npy", storage_options=options)))
    np.testing.assert_array_equal(pool.read(0, N).array, arrays[0])


def test_a_shard_that_changes_is_named(bucket, options, arrays):
    bucket.copy("pool/npy/part-1.npy", "pool/other/a.npy")
    bucket.copy("pool/npy/part-9.npy", "pool/other/b.npy")
    pool = open_pool("s3://pool/other", storage_options=options)
    pool.read(0, 1000)
    with bucket.open("pool/other/b.npy", "wb") as file:
        np.save(file, np.zeros((600, D), np.float16))
    with pytest.raises(ValueError, match=r"s3://pool/other/b\.npy: the file changed"):
        list(pool.read(lo, lo + 1) for lo in (0, 1000) if pool.check() is None)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("s3://pool/nothing", "no such file.*s3://pool/nothing"),
        ("s3://pool/npy/*.h5", "no file matches"),
        ("s3://nowhere/x", "no such file"),
        ("strange://x/y", "strange"),
    ],
)
def test_mistakes(source, message, bucket, options):
    with pytest.raises((OSError, ValueError), match=message):
        open_pool(source, storage_options=options if source.startswith("s3") else None)


def test_columns(bucket, options, arrays, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", options["endpoint_url"])
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "k")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    np.testing.assert_array_equal(read_column("s3://pool/scores.npy"), arrays[1])
