"""Ctrl-C ends every op between pieces of its work, not once it is done.

The signal is there before the op starts, and no bytecode runs in between or after, where Python
itself would notice it: an op that does not look for signals leaves its result in the list.
"""

import _thread
import functools
import signal

import numpy as np
import pytest

from ally_fast import _cpu

MANY = 10**7
ISA = "portable"  # the slowest: small inputs take long


def rows(n, d, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)


def repeated(n, d):
    """Return n rows in the memory of one."""
    return np.broadcast_to(rows(1, d), (n, d))


def table(k, d):
    return _cpu.PackedPoints(rows(k, d), ISA)


def ids(n, k):
    return np.random.default_rng(1).integers(0, k, n, dtype=np.int32)


def one_task_of_assign():
    return _cpu.assign, (rows(2048, 512), table(8_000, 512), np.empty(2048, np.int32)), {}


def assign_on_two_threads():
    out = np.empty(40_000, np.int32)
    return _cpu.assign, (repeated(40_000, 64), table(8_000, 64), out), {"threads": 2}


def packing_points():
    return _cpu.PackedPoints, (np.zeros((2_000_000, 64)), ISA), {}


def squared_distances():
    return _cpu.squared_distances, (repeated(10**7, 64), table(9, 64), ids(10**7, 9)), {}


def zero_rows(n, d):
    """Return n rows in the memory of a page."""
    return np.zeros((n, d), np.float32)


def feature_grid():
    return _cpu.feature_grid, (zero_rows(MANY, 128), ISA), {"threads": 2}


def cluster_sums():
    sums, counts, grid = np.zeros((100, 16), np.int64), np.zeros(100, np.int64), np.ones(33)
    arguments = (zero_rows(MANY, 16), ids(MANY, 100), grid, MANY, sums, counts, ISA)
    return _cpu.cluster_sums, arguments, {"threads": 2}


def centroid_update():
    k, d = 20_000, 1_000
    sums, averages = np.zeros((k, d), np.int64), np.zeros((k, d))
    arguments = (sums, np.ones(k, np.int64), np.ones(2 * d + 1), 0.5, 0.5, True, np.ones(k))
    return _cpu.centroid_update, (*arguments, averages, zero_rows(k, d)), {"threads": 2}


def unhalved(k, d, t):
    """Return what halve writes: centroids, sums, counts, gains; spreads; sides."""
    halves = (zero_rows(k, d), np.zeros((k, d), np.int64), np.zeros(k, np.int64), np.zeros(k))
    return halves, np.zeros((k, 2), np.int64), np.zeros(t, np.uint8)


def halve():
    t, k, d = 500_000, 100, 64
    halves, spreads, sides = unhalved(k, d, t)
    clusters, sums = ids(t, k), np.zeros((k, d), np.int64)
    counts, grid = np.bincount(clusters, minlength=k), np.ones(2 * d + 1)
    arguments = (rows(t, d), clusters, zero_rows(k, d), sums, counts, grid, t)
    outputs = (np.ones(k, np.uint8), *halves, spreads, sides)
    return _cpu.halve, (*arguments, *outputs, ISA), {"threads": 2}


def relocate():
    k, d = 2_000_000, 16
    halves, _, sides = unhalved(k, d, 1)
    sums, counts = np.zeros((k, d), np.int64), np.ones(k, np.int64)
    near = np.zeros(k // 2, np.int32)
    arguments = (np.zeros(1, np.int32), zero_rows(k, d), sums, counts, np.ones(2 * d + 1))
    outputs = (np.zeros(k, np.uint8), *halves, sides)
    return _cpu.relocate, (*arguments, near, near, 0, *outputs), {"threads": 2}


def d2_sample_outer():
    return _cpu.d2_sample_outer, (rows(20_000, 16), rows(20_000, 64), 2_000, 0, ISA), {}


def k_center_greedy():
    return _cpu.k_center_greedy, (rows(100_000, 32), 2_000, ISA), {"first": 0}


def load_rows():
    n = 2 * 10**7
    return (
        _cpu.load_rows,
        (repeated(n, 64), np.empty((1, 64), np.float32), ISA, np.zeros(n, int)),
        {},
    )


def radius_filter():
    return _cpu.radius_filter, (repeated(200_000, 64), table(1_000, 64), 1.0), {"threads": 2}


def sample_rows():
    return _cpu.sample_rows, (3 * 10**8, 9, 0), {"threads": 2}


def shortlist(k=100_000):
    return _cpu.Shortlist(k, MANY, np.ones(k))


def shortlist_push():
    return shortlist().push, (ids(MANY, 100_000), np.arange(MANY, dtype=np.float64)), {}


def shortlist_entries():
    full = shortlist(100)
    full.push(ids(MANY, 100), np.random.default_rng(0).normal(size=MANY))
    return full.entries, (), {}


def shortlist_merge():
    other = shortlist()
    other.push(ids(MANY, 100_000), np.random.default_rng(0).normal(size=MANY))
    return shortlist().merge, (other,), {}


def shortlist_merge_entries():
    clusters = ids(MANY, 100_000)
    sizes = np.bincount(clusters, minlength=100_000)
    arguments = (clusters, np.arange(MANY, dtype=np.float64), np.arange(MANY), sizes)
    return shortlist().merge_entries, arguments, {}


def dual_ascent():
    m = 200_000
    duals = (np.arange(m), np.ones(m, np.float32), np.full((), 0.1, np.float32), 0.5)
    arguments = (repeated(m, 1_000), np.zeros(m, int), *duals)
    return _cpu.dual_ascent, arguments, {"loss": "cross_entropy", "isa": ISA, "threads": 2}


def dual_ascent_gradient():
    m = 100_000
    keywords = {"loss": "cross_entropy", "isa": ISA}
    arguments = (repeated(m, 1_000), np.zeros(m, int), np.ones(m, np.float32), 1.0)
    return _cpu.dual_ascent_gradient, arguments, keywords


LONG = [
    *(one_task_of_assign, assign_on_two_threads, packing_points, squared_distances, feature_grid),
    *(cluster_sums, centroid_update, halve, relocate, d2_sample_outer),
    *(k_center_greedy, load_rows, radius_filter, sample_rows, shortlist_push, shortlist_entries),
    *(shortlist_merge, shortlist_merge_entries, dual_ascent, dual_ascent_gradient),
]
QUICK = {"tie_positions", "isas", "build_info", "philox"}
# Updates multipliers all or not at all, and a row of it is a few additions.
UNINTERRUPTED = {"dual_ascent_losses"}


def interrupt(function, arguments, keywords):
    """Return what the function returned although it was interrupted: nothing, if it looked."""
    calls = [
        functools.partial(_thread.interrupt_main),
        functools.partial(function, *arguments, **keywords),
    ]
    results = []
    ours = signal.signal(signal.SIGINT, signal.default_int_handler)  # may be ignored, as by nohup
    try:
        with pytest.raises(KeyboardInterrupt) as caught:
            results.extend(map(functools.partial.__call__, calls))
    finally:
        signal.signal(signal.SIGINT, ours)
    assert caught.value.__context__ is None, "the op failed"
    return results[1:]


@pytest.mark.parametrize("case", LONG, ids=lambda case: case.__name__)
def test_an_interrupted_op_ends_before_it_is_done(case):
    assert interrupt(*case()) == []


def test_every_op_of_the_core_is_interrupted_here():
    covered = {case()[0].__name__ for case in LONG if not case.__name__.startswith("shortlist")}
    ops = {name for name in dir(_cpu) if name.islower() and not name.startswith("_")}
    assert ops - QUICK - UNINTERRUPTED <= covered


def test_an_interrupted_relocation_leaves_the_clusters_alone():
    """What belongs together changes together: here every split is worth its price."""
    function, arguments, keywords = relocate()
    arguments[10][...] = 1  # halves, halves' sums and counts, gains
    arguments[12][...] = 1
    before = [np.array(array) for array in arguments]
    assert interrupt(function, arguments, keywords) == []
    for array, same in zip(arguments, before, strict=True):
        np.testing.assert_array_equal(array, same)


def test_an_interrupted_step_leaves_the_multipliers_alone():
    function, arguments, keywords = dual_ascent()
    interrupt(function, arguments, keywords)
    assert (arguments[3] == 1).all()


@pytest.mark.parametrize("case", [shortlist_push, shortlist_merge], ids=lambda case: case.__name__)
def test_an_interrupted_shortlist_is_refused(case):
    for _ in range(20):
        change, arguments, keywords = case()
        interrupt(change, arguments, keywords)
        broken, other = change.__self__, shortlist()
        try:
            assert not broken.sizes.any()  # on a busy machine the arguments' check takes the signal
        except RuntimeError:
            break
    for use in (
        lambda: broken.push(np.empty(0, np.int32), np.empty(0)),
        lambda: broken.merge(other),
        lambda: other.merge(broken),
        broken.entries,
        lambda: broken.sizes,
    ):
        with pytest.raises(RuntimeError, match="a change was interrupted; make a new one"):
            use()
