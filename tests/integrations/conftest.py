"""What tests of engines share."""

import os
from pathlib import Path

import numpy as np
import pytest

import ally_fast

ROWS, WIDTH, SHARDS = 6000, 8, 7


@pytest.fixture(scope="session")
def cluster():
    """Start Ray with three CPUs, and return its address."""
    ray = pytest.importorskip("ray", reason="needs ray")
    path = os.pathsep.join([str(Path(ally_fast.__file__).parents[1]), str(Path(__file__).parent)])
    started = ray.init(
        num_cpus=3,
        include_dashboard=False,
        log_to_driver=False,
        logging_level="ERROR",
        object_store_memory=100 << 20,
        runtime_env={"env_vars": {"PYTHONPATH": path}},
    )
    yield started.address_info["address"]
    ray.shutdown()


@pytest.fixture
def rows(rng):
    return rng.normal(size=(ROWS, WIDTH)).astype(np.float32)


@pytest.fixture
def folder(rows, tmp_path):
    """Write the rows as shards."""
    (tmp_path / "pool").mkdir()
    for number, part in enumerate(np.array_split(rows, SHARDS)):
        np.save(tmp_path / "pool" / f"part-{number}.npy", part)
    return tmp_path / "pool"


@pytest.fixture
def same():
    """Return what compares a batch and all that is told of it."""

    def compare(found, expected):
        np.testing.assert_array_equal(found[0], expected[0])
        for name in ("scores", "clusters", "ranks", "distances", "centroids", "cluster_sizes"):
            np.testing.assert_array_equal(getattr(found[1], name), getattr(expected[1], name))

    return compare
