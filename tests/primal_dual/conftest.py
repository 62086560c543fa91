"""Threads: these tests compute little, and two that spin cost more than they bring."""

import sys

import pytest


@pytest.fixture(autouse=True)
def one_thread(monkeypatch):
    """Run torch and the core on one thread."""
    monkeypatch.setenv("ALLY_FAST_THREADS", "1")
    torch = sys.modules["torch"]
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
