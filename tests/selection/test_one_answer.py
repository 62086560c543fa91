"""The same inputs and seed give the same indices, whatever ran."""

import itertools
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import reference
from cases import HARD_POOLS, RUNNABLE_ISAS, core, hard_pool

import ally_fast
from ally_fast.pools import Rows

THREADS = (1, 2, 5)
SMALL = 350


def answers(embeddings, scores, b, k, chunk_rows=(None,), **arguments):
    """Return the answer as bytes for every instruction set, thread count and chunk size."""
    result = {}
    for isa, threads, rows in itertools.product(RUNNABLE_ISAS, THREADS, chunk_rows):
        with core(isa=isa, threads=threads):
            indices, info = ally_fast.select(
                embeddings, scores, b, k, chunk_rows=rows, return_info=True, **arguments
            )
        result[isa, threads, rows] = (
            np.asarray(indices).tobytes(),
            info.centroids.tobytes(),
            info.distances.tobytes(),
            info.inertia,
            info.n_iter,
        )
    return result


def assert_one(result):
    first = next(iter(result.values()))
    different = [setting for setting, answer in result.items() if answer != first]
    assert not different


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("pool", HARD_POOLS)
def test_trained_on_hard_pools(pool, metric, rng):
    embeddings, _ = hard_pool(pool, rng, SMALL, 9, 20)
    scores = rng.integers(0, 20, size=SMALL)
    assert_one(answers(embeddings, scores, 40, 9, chunk_rows=(None, 7), metric=metric, max_iter=5))


@pytest.mark.parametrize("chunk_rows", [1, 7, 4096, SMALL], ids="chunk_rows={}".format)
@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_any_chunk_size(chunk_rows, metric, rng):
    embeddings, centroids = hard_pool("near_duplicates", rng, SMALL, 9, 20)
    scores = rng.integers(0, 5, size=SMALL)
    arguments = {"centroids": centroids, "metric": metric}
    expected = ally_fast.select(embeddings, scores, 60, 9, **arguments)
    np.testing.assert_array_equal(
        ally_fast.select(embeddings, scores, 60, 9, chunk_rows=chunk_rows, **arguments), expected
    )


@pytest.mark.parametrize("allocation", ["equal", "proportional", "sqrt"])
def test_a_radius(allocation, rng):
    embeddings, _ = hard_pool("plain", rng, SMALL, 9, 6)
    scores = rng.integers(0, 5, size=SMALL)
    arguments = {
        "radius": 0.8,
        "labeled_embeddings": embeddings[:5],
        "allocation": allocation,
        "chunk_rows": (1, 64),
    }
    assert_one(answers(embeddings, scores, 40, 9, **arguments))


def test_many_rows_over_many_segments(rng):
    """More rows than a segment of sums holds, so that threads share a cluster."""
    embeddings, _ = hard_pool("plain", rng, 40_000, 5, 4)
    assert_one(
        answers(
            embeddings, np.zeros(40_000), 50, 5, train_size=None, chunk_rows=(None, 999), max_iter=4
        )
    )


def test_near_duplicates_of_real_connections(connections):
    embeddings = connections[::40]
    scores = np.arange(len(embeddings)) % 97 / 97.0
    assert_one(answers(embeddings, scores, 200, 50, max_iter=3))


def test_real_reviews(reviews):
    embeddings = reviews[::20]
    scores = np.abs(embeddings[:, 0]).astype(np.float64)
    assert_one(answers(embeddings, scores, 200, 50, max_iter=3))


def test_calls_at_the_same_time(rng):
    embeddings, _ = hard_pool("plain", rng, 3000, 9, 20)
    scores = rng.normal(size=3000)
    expected = batch(embeddings, scores)
    with ThreadPoolExecutor(4) as workers:
        for indices in workers.map(lambda _: batch(embeddings, scores), range(12)):
            np.testing.assert_array_equal(indices, expected)


def test_progress_changes_nothing(rng, capfd):
    embeddings, _ = hard_pool("plain", rng, SMALL, 9, 20)
    scores = rng.normal(size=SMALL)
    np.testing.assert_array_equal(
        batch(embeddings, scores, progress=True), batch(embeddings, scores)
    )
    assert capfd.readouterr() == ("", "")  # not a terminal


# The kind of array


def batch(embeddings, scores, **arguments):
    return np.asarray(ally_fast.select(embeddings, scores, 60, 9, **arguments))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"], ids="dtype={}".format)
def test_a_memory_map_is_an_array(dtype, rng, tmp_path):
    embeddings, _ = hard_pool("plain", rng, SMALL, 9, 20)
    embeddings, scores = embeddings.astype(dtype), rng.normal(size=SMALL)
    np.save(tmp_path / "pool.npy", embeddings)
    np.save(tmp_path / "scores.npy", scores)
    mapped = np.load(tmp_path / "pool.npy", mmap_mode="r")
    mapped_scores = np.load(tmp_path / "scores.npy", mmap_mode="r")
    indices = ally_fast.select(mapped, mapped_scores, 60, 9, chunk_rows=50)
    assert type(indices) is np.ndarray
    np.testing.assert_array_equal(indices, batch(embeddings, scores))


class OnlyDLPack:
    """An array that has nothing but the DLPack protocol."""

    def __init__(self, array):
        self.array = array
        self.dtype = array.dtype

    def __dlpack__(self, **options):
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"], ids="dtype={}".format)
def test_a_dlpack_array_is_an_array(dtype, rng):
    embeddings, _ = hard_pool("plain", rng, SMALL, 9, 20)
    embeddings, scores = embeddings.astype(dtype), rng.normal(size=SMALL)
    np.testing.assert_array_equal(
        batch(OnlyDLPack(embeddings), OnlyDLPack(scores)), batch(embeddings, scores)
    )


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("layout", ["contiguous", "transposed", "every_second", "requires_grad"])
def test_a_torch_tensor_is_an_array(dtype, layout, rng):
    torch = pytest.importorskip("torch", reason="needs torch")
    rows, _ = hard_pool("plain", rng, SMALL, 9, 20)
    tensor = torch.from_numpy(rows).to(getattr(torch, dtype))
    wide = tensor.to(torch.float64).numpy()
    embeddings = {
        "contiguous": tensor,
        "transposed": tensor.T.contiguous().T,
        "every_second": tensor.repeat_interleave(2, dim=0)[::2],
        "requires_grad": tensor.clone().requires_grad_(),
    }[layout]
    scores = rng.normal(size=SMALL)
    indices, info = ally_fast.select(
        embeddings, torch.from_numpy(scores), 60, 9, chunk_rows=64, return_info=True
    )
    assert isinstance(indices, torch.Tensor)
    assert indices.dtype == torch.int64
    expected = reference.select(wide, scores, 60, info.centroids)
    np.testing.assert_array_equal(indices.numpy(), expected.indices)


def test_torch_tensors_everywhere(rng):
    torch = pytest.importorskip("torch", reason="needs torch")
    rows, centroids = hard_pool("plain", rng, SMALL, 9, 20)
    scores, mask = rng.normal(size=SMALL), rng.random(SMALL) < 0.3
    passed = {
        "exclude": mask,
        "centroids": centroids,
        "labeled_embeddings": rows[:4],
        "allocation": np.linspace(1, 2, 9),
    }
    tensors = {name: torch.from_numpy(array) for name, array in passed.items()}
    np.testing.assert_array_equal(
        batch(torch.from_numpy(rows), torch.from_numpy(scores), radius=0.5, **tensors),
        batch(rows, scores, radius=0.5, **passed),
    )


def test_bfloat16_of_ml_dtypes(rng):
    ml_dtypes = pytest.importorskip("ml_dtypes", reason="needs ml_dtypes")
    rows, _ = hard_pool("plain", rng, SMALL, 9, 20)
    rounded = rows.astype(ml_dtypes.bfloat16)
    scores = rng.normal(size=SMALL)
    np.testing.assert_array_equal(batch(rounded, scores), batch(rounded.astype(np.float32), scores))


class StreamedPool:
    """bfloat16 rows behind the pool protocol; remembers what was read."""

    def __init__(self, bits):
        self.bits = bits
        self.n, self.d = bits.shape
        self.dtype_name, self.itemsize = "bfloat16", 2
        self.times_read = np.zeros(self.n, dtype=int)

    def read(self, lo, hi):
        self.times_read[lo:hi] += 1
        return Rows(self.bits[lo:hi].copy(), True)

    def gather(self, indices):
        self.times_read[indices] += 1
        return Rows(self.bits[indices], True)


def test_a_streamed_pool_of_bfloat16(rng):
    rows, _ = hard_pool("plain", rng, SMALL, 9, 20)
    cut = rows.view(np.uint32) & np.uint32(0xFFFF0000)
    pool = StreamedPool((cut >> 16).astype(np.uint16))
    scores = rng.normal(size=SMALL)
    np.testing.assert_array_equal(
        batch(pool, scores, chunk_rows=32), batch(cut.view(np.float32), scores)
    )


def test_a_streamed_pool_is_read_once_after_training(rng):
    """Training gathers its sample first; then one pass, and the picks once more."""
    rows, centroids = hard_pool("plain", rng, SMALL, 9, 20)
    pool = StreamedPool((rows.view(np.uint32) >> 16).astype(np.uint16))
    scores = rng.normal(size=SMALL)
    picked = batch(pool, scores, chunk_rows=32, centroids=centroids)
    rest = np.setdiff1d(np.arange(SMALL), picked)
    assert (pool.times_read[rest] == 1).all()
    assert (pool.times_read[picked] <= 2).all()


@pytest.mark.parametrize("dtype", [np.float16, np.float32], ids=["float16", "float32"])
def test_a_thread_that_flushes_subnormals_changes_nothing(dtype, isa, rng):
    """Some libraries switch this on for the whole thread; half of these rows are subnormal."""
    torch = pytest.importorskip("torch", reason="needs torch to switch subnormals off")
    tiny = 3e-5 if dtype is np.float16 else 1e-38
    embeddings = (rng.normal(size=(400, 20)) * tiny).astype(dtype)
    centroids = embeddings[:8].astype(np.float32)
    before = ally_fast.assign(embeddings, centroids)
    assert torch.set_flush_denormal(True)
    try:
        after = ally_fast.assign(np.asfortranarray(embeddings), centroids)
    finally:
        torch.set_flush_denormal(False)
    np.testing.assert_array_equal(before, after)
