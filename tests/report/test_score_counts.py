"""Scores in bounded memory give what all of them at once do."""

import numpy as np
import pytest

from ally_fast.report import score_counts
from ally_fast.report.score_counts import best_rows, count_scores
from ally_fast.selection.scores import Scores

N = 1000


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(score_counts, "_ROWS", 64)


@pytest.fixture(params=["all", "some", "none"])
def eligible(request, rng):
    return {"all": None, "some": rng.random(N) < 0.4, "none": np.zeros(N, bool)}[request.param]


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
    counts = count_scores(Scores(values, N, eligible), N, eligible, seen[:20])
    edges = np.histogram_bin_edges(seen, bins=40)
    np.testing.assert_array_equal(counts.edges, edges)
    for found, given in ((counts.pool, seen), (counts.picks, seen[:20])):
        expected = np.histogram(given, edges)[0] / max(1, len(given))
        np.testing.assert_allclose(found, expected)


def test_equal_scores_are_in_one_bin():
    counts = count_scores(Scores(np.full(N, 3.0), N), N, None, np.full(5, 3.0))
    assert counts.pool.max() == counts.picks.max() == 1
