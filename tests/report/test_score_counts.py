"""Scores in bounded memory give what all of them at once do."""

from functools import partial

import numpy as np
import pytest

from ally_fast.report import score_counts
from ally_fast.report.score_counts import best_rows, count_scores, known_parts
from ally_fast.selection.scores import Scores

N = 1000


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(score_counts, "_ROWS", 64)


@pytest.fixture(params=["all", "some", "none"])
def eligible(request, rng):
    return {"all": None, "some": rng.random(N) < 0.4, "none": np.zeros(N, bool)}[request.param]


def parts_of(values, eligible=None):
    return partial(known_parts, Scores(values, len(values), eligible), len(values), eligible)


@pytest.mark.parametrize("size", [0, 1, 7, 100, N])
@pytest.mark.parametrize("levels", [3, 10**6])
def test_the_best_rows_are_those_of_a_sort(size, levels, eligible, rng):
    values = rng.integers(0, levels, N).astype(float)
    rows = np.arange(N) if eligible is None else np.flatnonzero(eligible)
    expected = rows[np.lexsort((rows, -values[rows]))][:size]
    assert best_rows(Scores(values, N), N, eligible, size).tolist() == expected.tolist()


def test_shares_are_those_of_one_histogram(eligible, rng):
    values = rng.normal(size=N)
    if eligible is not None:
        values[~eligible] = np.nan
    seen = values if eligible is None else values[eligible]
    counts = count_scores(parts_of(values, eligible), seen[:20])
    np.testing.assert_allclose(counts.edges, np.histogram_bin_edges(seen, bins=40), atol=1e-15)
    edges = counts.edges
    assert counts.rows == len(seen)
    for found, given in ((counts.pool, seen), (counts.picks, seen[:20])):
        expected = np.histogram(given, edges)[0] / max(1, len(given))
        np.testing.assert_allclose(found, expected)


def test_equal_scores_are_in_one_bin():
    counts = count_scores(parts_of(np.full(N, 3.0)), np.full(5, 3.0))
    assert counts.pool.max() == counts.picks.max() == 1


def test_picks_may_lie_beyond_a_sample_of_the_pool(rng):
    values = rng.random(N)
    counts = count_scores(parts_of(values), np.array([-3.0, 5.0]))
    assert (counts.edges[0], counts.edges[-1]) == (-3, 5)
    assert counts.picks[[0, -1]].tolist() == [0.5, 0.5]


MOST = np.finfo(np.float64).max
EXTREMES = {
    "neighbours": (1.0, np.nextafter(1, 2)),
    "subnormal": (0.0, 5e-324),
    "large neighbours": (1e308, np.nextafter(1e308, np.inf)),
    "largest": (MOST, MOST),
    "all there are": (-MOST, MOST),
}


@pytest.mark.parametrize("case", EXTREMES)
def test_extreme_scores_are_counted(case):
    ends = np.array(EXTREMES[case])
    counts = count_scores(parts_of(np.resize(ends, N)), ends[1:])
    assert np.isfinite(counts.edges).all()
    assert (np.diff(counts.edges / 2) > 0).all()
    assert counts.edges[0] <= ends[0] <= ends[1] <= counts.edges[-1]
    assert (counts.rows, counts.pool.sum(), counts.picks.sum()) == (N, 1, 1)
