"""Short of device memory: smaller chunks, the same answer, and a clear error at last."""

import os

import numpy as np
import pytest

import ally_fast

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(
        "ALLY_FAST_EMULATED_CUDA" not in os.environ, reason="memory is made short on the emulator"
    ),
]


def short(monkeypatch, megabytes):
    """Let the emulated devices have so much memory beyond what is in use."""
    from ally_fast import _cuda

    free, total = _cuda.memory_info(0)
    monkeypatch.setenv("ALLY_FAST_EMULATED_BYTES", str(total - free + (megabytes << 20)))


@pytest.mark.parametrize("megabytes", [27, 34])
def test_chunks_get_smaller(megabytes, monkeypatch, rng):
    embeddings = rng.normal(size=(2000, 600)).astype(np.float32)  # 5 MB; three slots: 14 MB
    scores, centroids = rng.random(2000), embeddings[:3].copy()
    expected = ally_fast.select(embeddings, scores, 20, 3, centroids=centroids)
    short(monkeypatch, megabytes)
    found = ally_fast.select(embeddings, scores, 20, 3, centroids=centroids, device="cuda")
    np.testing.assert_array_equal(found, expected)


def test_an_error_that_names_the_bytes(monkeypatch, rng):
    embeddings = rng.normal(size=(2000, 300)).astype(np.float32)
    short(monkeypatch, 0)
    with pytest.raises(MemoryError, match=r"cuda:0 is out of memory, asked for \d+ bytes"):
        ally_fast.select(embeddings, rng.random(2000), 20, 3, device="cuda")
    monkeypatch.undo()
    assert len(ally_fast.select(embeddings, rng.random(2000), 20, 3, max_iter=1)) == 20
