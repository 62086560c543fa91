"""Where the system gives no more threads or memory: the batch all the same, or one error."""

import json
import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits are those of Linux")

# Runs with limits of its own: threads whose stacks do not fit are refused; memory may grow by so
# much. The core is asked in a fork each time, for a limit cannot be raised again.
SCRIPT = """
import ctypes, json, os, resource, sys, threading
import numpy as np
import ally_fast
from ally_fast.cli import main

rows = np.random.default_rng(0).normal(size=(20_000, 32)).astype(np.float32)
ally_fast.select(rows[:100], rows[:100, 0], 5, 5)  # loads all that it needs, and takes little


def batch(threads):
    return ally_fast.select(rows, rows[:, 0], 500, 50, radius=0.1, threads=threads)


def limit(most):
    with open("/proc/self/status") as file:
        (size,) = (line.split()[1] for line in file if line.startswith("VmSize"))
    resource.setrlimit(resource.RLIMIT_AS, (int(size) * 1024 + most,) * 2)


def refuse_threads():
    attributes, libc = ctypes.create_string_buffer(64), ctypes.CDLL(None)
    assert libc.pthread_attr_init(attributes) == 0
    assert libc.pthread_attr_setstacksize(attributes, ctypes.c_size_t(1 << 36)) == 0
    assert libc.pthread_setattr_default_np(attributes) == 0
    limit(1 << 30)
    try:
        threading.Thread(target=print).start()
    except RuntimeError:
        return
    raise AssertionError("a thread was started")


def outcome(threads):
    try:
        found = batch(threads)
    except MemoryError:
        return 1
    except BaseException as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 2
    return 0 if np.array_equal(found, np.load("batch.npy")) else 3


def in_a_fork(most):
    child = os.fork()
    if child == 0:
        if most is None:
            np.save("batch.npy", batch(threads=1))
        else:
            limit(most)
        os._exit(outcome(threads=1))
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


assert in_a_fork(None) == 0
"""


def python(script, folder):
    """Return what a process prints as JSON. Memory that it frees goes back to the system."""
    names = "MALLOC_ARENA_MAX", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_"
    freeing = dict(zip(names, ("1", "65536", "65536"), strict=True))
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT + script],
        cwd=folder,
        env={**os.environ, **freeing},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), done.stderr


def test_refused_threads_change_no_batch(tmp_path):
    script = "refuse_threads(); print(json.dumps([outcome(threads) for threads in (2, 8, 64)]))"
    assert python(script, tmp_path)[0] == [0, 0, 0]


def test_readers_that_get_no_threads_give_one_line(tmp_path):
    pytest.importorskip("pyarrow", reason="needs pyarrow")
    script = """
import pyarrow as pa, pyarrow.parquet

table = pa.table({"emb": pa.FixedSizeListArray.from_arrays(rows.ravel(), 32), "s": rows[:, 0]})
os.mkdir("pool")
for part in range(4):
    pyarrow.parquet.write_table(table.slice(part * 5000, 5000), f"pool/{part}.parquet")
command = ["select", "pool", "--column", "emb", "--scores", ":s", "-b", "50", "-k", "7", "--quiet"]
before = main([*command, "-o", "before.npy"])
refuse_threads()
print(json.dumps([before, main([*command, "-o", "after.npy"]), os.path.exists("after.npy")]))
"""
    found, complaints = python(script, tmp_path)
    assert found == [0, 2, False]
    assert complaints == "ally-fast: error: can't start new thread\n"


def test_refused_memory_is_a_memory_error(tmp_path):
    """From nothing to more than enough, on one thread: a new one needs memory to say anything."""
    script = """
sizes = [*range(0, 4 << 20, 1 << 16), *range(4 << 20, 32 << 20, 1 << 20)]
print(json.dumps([in_a_fork(size) for size in sizes]))
"""
    outcomes = python(script, tmp_path)[0]
    assert set(outcomes) == {0, 1}
    assert outcomes[0] == 1
    assert outcomes[-1] == 0
