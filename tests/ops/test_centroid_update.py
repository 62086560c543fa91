"""Sums of clusters in the fixed order, bit for bit, for any number of threads."""

import numpy as np
import pytest

from ally_fast import _cpu, reference


@pytest.mark.parametrize("threads", [1, 2, 5], ids="threads={}".format)
@pytest.mark.parametrize("t", [0, 1, 1000, 16384, 16385, 50_000], ids="t={}".format)
def test_is_the_reference(threads, t, rng):
    rows = rng.normal(size=(t, 5)).astype(np.float32) * np.float32(1e3) + np.float32(7)
    assignments = rng.integers(0, 9, size=t).astype(np.int32)
    assignments[assignments == 4] = 8  # an empty cluster
    centroids = rng.normal(size=(9, 5)).astype(np.float32)
    sums, squares, counts = _cpu.centroid_update(rows, assignments, centroids, threads)
    expected_sums, expected_squares, expected_counts = reference.centroid_update(
        rows, assignments, centroids
    )
    np.testing.assert_array_equal(sums, expected_sums)
    np.testing.assert_array_equal(squares, expected_squares)
    np.testing.assert_array_equal(counts, expected_counts)


def test_large_and_tiny_rows_do_not_lose_the_tiny(rng):
    rows = np.array([[1e18], [1.0], [-1e18]], dtype=np.float32)
    origin = np.zeros((1, 1), dtype=np.float32)
    sums, _, counts = _cpu.centroid_update(rows, np.zeros(3, dtype=np.int32), origin, 1)
    assert counts.tolist() == [3]
    assert sums.tolist() == reference.centroid_update(rows, [0, 0, 0], origin)[0].tolist()


def test_a_common_offset_costs_no_digits(rng):
    rows = rng.normal(size=(2000, 3)).astype(np.float32)
    origin, offset = np.zeros((1, 3), dtype=np.float32), np.float32(2**20)
    shifted = rows + offset
    rows = shifted - offset  # the rounding of the addition is not the op's
    assignments = np.zeros(2000, dtype=np.int32)
    here = _cpu.centroid_update(rows, assignments, origin, 1)
    there = _cpu.centroid_update(shifted, assignments, origin + offset, 1)
    np.testing.assert_array_equal(here[0], there[0])
    np.testing.assert_array_equal(here[1], there[1])
