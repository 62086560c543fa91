"""A pool too large to hold: 50 M rows on disk, by tasks as by one process."""

import numpy as np
import pytest

import ally_fast

ray = pytest.importorskip("ray", reason="needs ray")
from ally_fast import distributed, open_pool  # noqa: E402

N, D, B, K, SHARDS = 50_000_000, 32, 10_000, 1000, 40
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.usefixtures("cluster"),
]


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    """Write shards of float16 rows that have clusters, 3.2 GB."""
    folder = tmp_path_factory.mktemp("pool")
    rng = np.random.default_rng(0)
    centers = rng.normal(size=(K, D)).astype(np.float32)
    for shard in range(SHARDS):
        noise = rng.integers(-128, 128, size=(N // SHARDS, D), dtype=np.int8)
        rows = centers[rng.integers(K, size=N // SHARDS)] + noise / np.float32(100)
        np.save(folder / f"part-{shard:03}.npy", rows.astype(np.float16))
    yield open_pool(folder)
    for path in folder.iterdir():
        path.unlink()


def second(rows):
    return rows[:, 1]


RULES = {
    "shortlists": {},
    "clusters of all rows": {"allocation": "sqrt", "radius": 0.5},
}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("scored_by", ["array", "function"])
def test_50_million_rows(scored_by, rule, pool, same):
    scores = np.random.default_rng(1).random(N) if scored_by == "array" else second
    options = {"max_iter": 5, **RULES[rule]}
    expected = ally_fast.select(pool, scores, B, K, return_info=True, **options)
    same(distributed.select(pool, scores, B, K, **options), expected)
