"""How many threads: the argument, the environment, limits that others set."""

import os
import sys
from types import SimpleNamespace

import numpy as np
import pytest

import ally_fast
from ally_fast import _settings


@pytest.fixture(autouse=True)
def eight_cores(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    for name in ("ALLY_FAST_THREADS", "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delitem(sys.modules, "threadpoolctl", raising=False)


@pytest.mark.parametrize(
    ("omp", "threads"), [("3", 3), ("3,2", 3), ("99", 8), ("0", 8), ("many", 8), ("", 8)]
)
def test_omp_num_threads_bounds_the_cores(omp, threads, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", omp)
    assert _settings.threads() == threads


def test_limits_of_threadpoolctl_are_honoured(monkeypatch):
    pools = [{"num_threads": 5}, {"num_threads": 2}, {"num_threads": None}]
    module = SimpleNamespace(threadpool_info=lambda: pools)
    monkeypatch.setitem(sys.modules, "threadpoolctl", module)
    assert _settings.threads() == 2


def test_our_own_variable_wins(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    monkeypatch.setenv("ALLY_FAST_THREADS", "6")
    assert _settings.threads() == 6


def test_the_argument_wins_and_holds_for_the_call_alone(monkeypatch, rng):
    seen = []
    real = _settings.threads

    def watch():
        seen.append(real())
        return seen[-1]

    monkeypatch.setattr(_settings, "threads", watch)
    monkeypatch.setenv("ALLY_FAST_THREADS", "6")
    rows = rng.normal(size=(90, 3)).astype(np.float32)
    trained = ally_fast.kmeans(rows, 4, threads=3)
    ally_fast.assign(rows, trained.centroids, threads=3)
    ally_fast.select(rows, rng.random(90), 9, 4, threads=3)
    assert set(seen) <= {3, 6}
    assert seen.count(3) > 3
    assert real() == 6


def test_limits_of_the_real_package_are_honoured(rng):
    control = pytest.importorskip("threadpoolctl", reason="needs threadpoolctl")
    if not [pool for pool in control.threadpool_info() if pool["num_threads"]]:
        pytest.skip("no library whose threads it could limit is loaded")
    with control.threadpool_limits(1):
        assert _settings.threads() == 1
