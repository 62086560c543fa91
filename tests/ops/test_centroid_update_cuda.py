"""Moving averages on the GPU: bit for bit those of the CPU, and so the centroids."""

import numpy as np
import pytest
from clusterings import CASES, assert_same, clustering, clustering_of, copied, twin

from ally_fast.clusters import ClusterAverages
from ally_fast.ops.centroid_update import centroid_update

pytestmark = pytest.mark.gpu


def averages_of(given, rng):
    """Return averages that lie near the sums of a clustering; the first cluster has none yet."""
    sizes = rng.uniform(0, 9, size=len(given.centroids))
    sums = (given.centroids - given.grid.values[: given.rows.shape[1]]) * sizes[:, None]
    sizes[0], sums[0] = 0, 0
    return ClusterAverages(sizes, sums)


def check(given, stream, averages, **options):
    centroids = given.centroids.copy()
    there, averages_there = twin(given, stream), twin(averages, stream)
    averages = copied(averages)
    centroid_update(given.sums, given.grid, averages, centroids, **options)
    centroid_update(there.sums, there.grid, averages_there, there.centroids, **options)
    assert_same(averages_there, averages)
    assert_same(there.centroids, centroids, "centroids")


@pytest.mark.parametrize("normalize", [False, True], ids=["plain", "unit"])
@pytest.mark.parametrize(("keep", "add"), [(0.0, 1.0), (0.7, 0.3), (1.0, 0.0), (0.0, 0.0)], ids=str)
@pytest.mark.parametrize("case", CASES)
def test_is_the_cpu(case, keep, add, normalize, stream, rng):
    given = clustering_of(case, rng)
    check(given, stream, averages_of(given, rng), keep=keep, add=add, normalize=normalize)


def test_a_mean_of_zeros_stays(stream):
    rows = np.array([[1, -2], [-1, 2]])
    given = clustering(rows, np.zeros(2), 2)
    averages = ClusterAverages(np.zeros(2), np.zeros((2, 2)))
    check(given, stream, averages, keep=0.0, add=1.0, normalize=True)


def test_errors(stream):
    from ally_fast import _cuda

    given = twin(clustering(np.zeros((5, 2)), np.zeros(5), 3), stream)
    averages = twin(ClusterAverages(np.zeros(3), np.zeros((3, 2))), stream)

    def call(**changes):
        arguments = {
            "sums": given.sums.sums,
            "counts": given.sums.counts,
            "grid": given.grid.values,
            "keep": 0.0,
            "add": 1.0,
            "normalize": False,
            "size_average": averages.sizes,
            "sum_average": averages.sums,
            "centroids": given.centroids,
        }
        _cuda.centroid_update(**{**arguments, **changes})

    for name in ("keep", "add"):
        for value in (-1.0, np.nan, np.inf):
            with pytest.raises(ValueError, match=rf"{name}: needs a finite"):
                call(**{name: value})
    with pytest.raises(ValueError, match=r"counts.*\(2,\).*\(3,\)"):
        call(counts=given.sums.counts[:2])
    with pytest.raises(ValueError, match=r"centroids.*\(2, 2\).*\(3, 2\)"):
        call(centroids=given.centroids[:2])
    with pytest.raises(TypeError, match=r"sum_average.*int64.*float64"):
        call(sum_average=given.sums.sums)
