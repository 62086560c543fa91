"""Twenty million rows in forty shards: the batch of the rows in memory, in bounded memory."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import ally_fast

pa = pytest.importorskip("pyarrow", reason="needs pyarrow")
pq = pytest.importorskip("pyarrow.parquet", reason="needs pyarrow")

N, D, SHARDS, B, K = 20_000_000, 64, 40, 10_000, 1000
MOST_BYTES = 2 << 30  # of private memory; mapped files do not count

SCRIPT = """
import json, resource, sys
import numpy as np
import ally_fast
_, most = resource.getrlimit(resource.RLIMIT_DATA)
resource.setrlimit(resource.RLIMIT_DATA, (int(sys.argv[2]), most))
scores = np.load("scores.npy", mmap_mode="r")
pool = ally_fast.open_pool(sys.argv[1])
print(json.dumps(ally_fast.select(pool, scores, int(sys.argv[3]), int(sys.argv[4])).tolist()))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Write the pool three times: as one .npy, as .npy shards, as Parquet shards."""
    folder = tmp_path_factory.mktemp("scale")
    for name in ("npy", "parquet"):
        (folder / name).mkdir()
    rng = np.random.default_rng(0)
    centers = rng.normal(size=(1000, D)).astype(np.float32)
    whole = np.lib.format.open_memmap(folder / "pool.npy", "w+", np.float16, (N, D))
    share = N // SHARDS
    for shard in range(SHARDS):
        noise = 0.6 * rng.standard_normal((share, D), dtype=np.float32)
        rows = (centers[rng.integers(1000, size=share)] + noise).astype(np.float16)
        whole[shard * share : (shard + 1) * share] = rows
        np.save(folder / "npy" / f"part-{shard}.npy", rows)
        vectors = pa.FixedSizeListArray.from_arrays(pa.array(rows.ravel()), D)
        pq.write_table(pa.table({"emb": vectors}), folder / "parquet" / f"part-{shard}.parquet")
    np.save(folder / "scores.npy", rng.random(N))
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("source", ["pool.npy", "npy", "parquet"])
def test_in_two_gibibytes(source, folder):
    expected = ally_fast.select(np.load(folder / "pool.npy"), np.load(folder / "scores.npy"), B, K)
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, source, str(MOST_BYTES), str(B), str(K)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(Path(ally_fast.__file__).parents[1])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == expected.tolist()
