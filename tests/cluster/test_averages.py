"""The native training: one answer, what stops it, what it reports, and how good it is."""

import itertools

import numpy as np
import pytest
import reference
from cases import RUNNABLE_ISAS, core

from ally_fast.cluster import averages
from ally_fast.cluster.averages import fit_by_averages
from ally_fast.cluster.fit import FitOptions
from ally_fast.ops.assign import assign, packed_points
from ally_fast.rows import Rows


def fit(rows, k, *, max_iter=25, tol=1e-2, normalize=False, advance=lambda _: None):
    return fit_by_averages(rows, k, FitOptions(max_iter, tol, 5, normalize, advance))


def distances(rows, centroids):
    """Return each row's squared distance to the nearest centroid."""
    found = reference.assign(rows, centroids)
    return reference.paired_squared_distance(rows, centroids, found)


def clumps(rng, t, k, d, spread=0.05, sizes=None):
    """Return rows in k clumps, in random order, and the clump of each."""
    centres = rng.normal(size=(k, d))
    of_row = rng.choice(k, size=t, p=sizes)
    return (centres[of_row] + spread * rng.normal(size=(t, d))).astype(np.float32), of_row


@pytest.mark.parametrize(
    ("t", "k", "d", "changes"),
    [
        (3000, 20, 6, {}),
        (20_000, 300, 33, {"max_iter": 3}),
        (5000, 40, 8, {"normalize": True}),
        (9000, 1500, 4, {"max_iter": 2}),
        (40, 40, 5, {}),
        (6000, 1, 3, {}),
    ],
    ids=["plain", "slices", "normalize", "many", "all_rows", "one"],
)
def test_one_answer(t, k, d, changes, rng):
    rows = rng.normal(size=(t, d)).astype(np.float32)
    if changes.get("normalize"):
        rows = reference.normalize_rows(rows)
    answers = set()
    for isa in RUNNABLE_ISAS:
        for threads in (1, 2, 5):
            with core(isa=isa, threads=threads):
                found = fit(rows, k, **changes)
            answers.add((found.centroids.tobytes(), found.inertia, found.n_iter))
    assert len(answers) == 1


@pytest.mark.parametrize("t", [1, 2, 50, 5000], ids="t={}".format)
def test_one_cluster_is_the_mean(t, rng):
    rows = (rng.normal(size=(t, 7)) + 3).astype(np.float32)
    found = fit(rows, 1)
    mean = rows.astype(float).mean(axis=0)
    np.testing.assert_array_max_ulp(found.centroids[0], mean.astype(np.float32), 1)
    assert found.inertia == pytest.approx(distances(rows, found.centroids).sum(), rel=1e-12)


@pytest.mark.parametrize("t", [1, 3, 200, 3000], ids="t={}".format)
def test_as_many_clusters_as_rows(t, rng):
    rows = rng.normal(size=(t, 4)).astype(np.float32)
    found = fit(rows, t)
    assert found.inertia == 0
    assert sorted(found.centroids.tolist()) == sorted(rows.tolist())


@pytest.mark.parametrize("k", [1, 2, 7, 64], ids="k={}".format)
def test_copies_of_one_row(k, rng):
    rows = np.tile(rng.normal(size=9).astype(np.float32), (500, 1))
    found = fit(rows, k)
    assert found.inertia == 0
    np.testing.assert_array_equal(found.centroids, rows[:k])


@pytest.mark.parametrize("k", [12, 30, 200], ids="k={}".format)
def test_fewer_distinct_rows_than_clusters(k, rng):
    """Each distinct row, rare ones too, ends as a centroid."""
    distinct = rng.normal(size=(12, 3)).astype(np.float32)
    shares = np.where(np.arange(12) < 3, 0.001, 0.997 / 9)
    rows = distinct[np.append(rng.choice(12, size=4000, p=shares), np.arange(12))]
    found = fit(rng.permutation(rows), k)
    assert found.inertia == 0
    assert {row.tobytes() for row in distinct} <= {row.tobytes() for row in found.centroids}


@pytest.mark.parametrize("normalize", [False, True], ids=["euclidean", "cosine"])
def test_stops_once_an_iteration_lowers_the_spread_by_less_than_tol(normalize, rng):
    rows, k = rng.normal(size=(2000, 5)).astype(np.float32), 20
    if normalize:
        rows = reference.normalize_rows(rows)
    training = averages._Training(rows, k, FitOptions(9, 0.0, 5, normalize, lambda _: None))
    spreads = [training.grow(), distances(rows, training._centroids).sum()]
    for m in range(1, 8):
        centroids = fit(rows, k, max_iter=m, tol=0.0, normalize=normalize).centroids
        spreads.append(distances(rows, centroids).sum())
    falls = [1 - after / before for before, after in itertools.pairwise(spreads)]
    for tol in (0.5, *(fall * (1 + 1e-6) for fall in falls), *(fall / 2 for fall in falls)):
        found = fit(rows, k, tol=tol, max_iter=len(falls), normalize=normalize)
        stops = [i for i, fall in enumerate(falls, 1) if fall <= tol]
        assert found.n_iter == (stops[0] if stops else len(falls))


@pytest.mark.parametrize("max_iter", [1, 2, 7], ids="max_iter={}".format)
def test_max_iter_is_of_full_iterations(max_iter, rng):
    rows = rng.normal(size=(4000, 5)).astype(np.float32)
    assert fit(rows, 30, max_iter=max_iter, tol=0.0).n_iter == max_iter


@pytest.mark.parametrize("normalize", [False, True], ids=["euclidean", "cosine"])
def test_iterations_are_those_of_lloyd(normalize, rng):
    """The inertia is of the last assignments, to the centroids returned; so it is no less."""
    rows, k = rng.normal(size=(3000, 6)).astype(np.float32), 25
    if normalize:
        rows = reference.normalize_rows(rows)
    fits = [fit(rows, k, max_iter=m, tol=0.0, normalize=normalize) for m in (1, 2, 3, 4)]
    for before, after in itertools.pairwise(fits):
        clusters = reference.assign(rows, before.centroids)
        grid = reference.feature_grid(rows)
        batch = reference.cluster_sums(rows, clusters, k, grid, len(rows))[:2]
        zeros = np.zeros(k), np.zeros((k, 6))
        *_, means = reference.centroid_update(
            batch, grid.copy(), zeros, before.centroids, 0.0, 1.0, normalize
        )
        np.testing.assert_array_equal(after.centroids, means)
        expected = reference.paired_squared_distance(rows, means, clusters).sum()
        assert after.inertia == pytest.approx(expected, rel=1e-12)
        least = distances(rows, after.centroids).sum()
        assert least <= after.inertia * (1 + 1e-12)
        assert after.inertia <= before.inertia


def test_progress_counts_slices_and_iterations(rng):
    rows, calls = rng.normal(size=(9000, 4)).astype(np.float32), []
    found = fit(rows, 30, tol=0.0, max_iter=6, advance=calls.append)
    assert set(calls) == {1}
    slices = sum(calls) - found.n_iter
    assert 4 <= slices <= 4 * averages.REPEATS  # of 480, 1920, 7680 and all rows


def test_centroids_that_are_given_no_row_stay_finite(rng):
    rows = np.repeat(rng.normal(size=(3, 2)).astype(np.float32), 100, axis=0)
    found = fit(rng.permutation(rows), 50, normalize=False)
    assert np.isfinite(found.centroids).all()


@pytest.mark.parametrize("offset", [0.0, 1e6], ids="offset={}".format)
def test_an_offset_changes_little(offset, rng):
    rows = (64 * clumps(rng, 4000, 30, 8, spread=0.3)[0] + offset).astype(np.float32)
    found = fit(rows, 30)
    assert found.inertia == pytest.approx(distances(rows, found.centroids).sum(), rel=0.01)


# Quality


@pytest.mark.parametrize("seed", range(8), ids="seed={}".format)
@pytest.mark.parametrize(("k", "t"), [(20, 2000), (100, 5000), (500, 30_000)], ids=str)
def test_finds_every_clump(k, t, seed):
    """Of very unequal sizes: the smallest has a fiftieth of the largest one's rows."""
    rng = np.random.default_rng(seed)
    sizes = np.linspace(1, 50, k)
    rows, of_row = clumps(rng, t, k, 16, spread=0.01, sizes=sizes / sizes.sum())
    present = np.unique(of_row)
    found, _ = assign(Rows(rows), packed_points(fit(rows, len(present)).centroids))
    clusters = {(c, clump) for c, clump in zip(found.tolist(), of_row.tolist(), strict=True)}
    assert len(clusters) == len(present)


def lloyd(rows, centroids, iterations=25):
    """Return the inertia that Lloyd's iterations come to."""
    wide = rows.astype(np.float64)
    for _ in range(iterations):
        found = reference.assign(rows, centroids)
        counts = np.bincount(found, minlength=len(centroids))
        sums = np.zeros(centroids.shape)
        np.add.at(sums, found, wide)
        held = counts > 0
        centroids = centroids.copy()
        centroids[held] = (sums[held] / counts[held, None]).astype(np.float32)
    return distances(rows, centroids).sum()


@pytest.mark.parametrize("kind", ["normal", "loose", "clumps", "copies", "line"])
def test_no_worse_than_random_starts(kind, rng):
    """With as many full iterations: on average, and often far better."""
    t, k = 3000, 40
    rows = {
        "normal": lambda: rng.normal(size=(t, 8)),
        "loose": lambda: clumps(rng, t, k, 12, spread=0.5)[0],
        "clumps": lambda: clumps(rng, t, k, 6, spread=0.05)[0],
        "copies": lambda: rng.normal(size=(150, 5))[(150 * rng.random(t) ** 3).astype(int)],
        "line": lambda: rng.exponential(size=(t, 1)) ** 2,
    }[kind]()
    rows = rows.astype(np.float32)
    theirs = [lloyd(rows, rows[rng.choice(t, size=k, replace=False)]) for _ in range(5)]
    fits = [fit(rng.permutation(rows), k, tol=0.0) for _ in range(3)]
    ours = [distances(rows, found.centroids).sum() for found in fits]
    assert np.mean(ours) <= np.mean(theirs)
