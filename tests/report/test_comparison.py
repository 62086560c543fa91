"""How far a batch covers its pool, and how alike its picks are."""

import numpy as np
import pytest

import ally_fast
from ally_fast.report.comparison import BATCH, BEST, EXCLUDED, RANDOM, compare
from ally_fast.report.evidence import gather_evidence


def evidence_of(embeddings, scores, b=40, k=10, **options):
    batch, info = ally_fast.select(embeddings, scores, b, k, return_info=True, **options)
    return gather_evidence(embeddings, scores, batch, info, options, compare=True), batch


def distances(rows, others):
    return np.linalg.norm(rows[:, None] - others[None], axis=2)


@pytest.fixture
def pool(rng):
    return rng.normal(size=(600, 5)), rng.random(600)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_distances_are_those_of_all_pairs(metric, pool):
    embeddings, scores = pool
    found, batch = evidence_of(embeddings, scores, metric=metric, exclude=np.arange(100))
    seen = embeddings
    if metric == "cosine":
        norms = np.linalg.norm(embeddings, axis=1, keepdims=True)
        seen = (embeddings / norms).astype(np.float32).astype(np.float64)
    result = compare(found)
    best = 100 + np.argsort(-scores[100:], kind="stable")[:40]
    for name, rows in ((BATCH, batch), (BEST, best), (EXCLUDED, np.arange(100))):
        expected = np.sort(distances(seen[100:], seen[rows]).min(axis=1))
        np.testing.assert_allclose(result.coverage[name], expected, atol=1e-6)
    for name, rows in ((BATCH, batch), (BEST, best)):
        between = distances(seen[rows], seen[rows]) + np.diag(np.full(40, np.inf))
        np.testing.assert_allclose(result.gaps[name], np.sort(between.min(axis=1)), atol=1e-6)
    assert (result.rows, result.compared) == (500, 40)


def test_the_random_batch_says_what_is_near_and_what_is_far(pool):
    result = compare(evidence_of(*pool)[0])
    assert result.alike(RANDOM) == pytest.approx(0.1, abs=0.03)
    assert result.covered(RANDOM) == pytest.approx(0.9, abs=0.01)


def test_with_a_radius_no_picks_are_near_duplicates(pool):
    embeddings = np.concatenate([pool[0], pool[0] + 1e-9])
    scores = np.concatenate([pool[1], pool[1]])
    result = compare(evidence_of(embeddings, scores, radius=0.1)[0])
    assert result.near == 0.1
    assert result.alike(BATCH) == 0
    assert result.alike(BEST) == 1


def test_near_duplicates_far_from_the_origin_are_found(rng):
    embeddings = (1e4 + rng.normal(size=(300, 8))).astype(np.float32)
    embeddings[150:] = embeddings[:150]
    embeddings[150:, 0] += 2**-8
    found, _ = evidence_of(embeddings, np.repeat(rng.random(150), 2).reshape(150, 2).T.ravel())
    gaps = compare(found).gaps[BEST]
    np.testing.assert_allclose(gaps, np.sort(_gaps(found.best)), rtol=1e-12)


def _gaps(rows):
    between = distances(rows.astype(np.float64), rows.astype(np.float64))
    return (between + np.diag(np.full(len(rows), np.inf))).min(axis=1)


def test_no_picks_are_compared_with_nothing(pool):
    assert compare(evidence_of(*pool, b=0)[0]) is None


def test_wide_rows_are_fewer(pool, monkeypatch):
    from ally_fast.report import evidence

    monkeypatch.setattr(evidence, "_MOST_BYTES", 42_000 * 5 * 8 // 400)
    found, _ = evidence_of(*pool)
    assert (len(found.sample), len(found.picks), len(found.best)) == (50, 12, 12)


def test_rows_that_reading_drops_are_in_no_random_batch_but_among_the_excluded(pool):
    embeddings, scores = pool
    labeled = embeddings[:12]
    options = {"radius": 1.5, "labeled_embeddings": labeled, "b": 20}
    found, _ = evidence_of(embeddings, scores, **options)
    near = (distances(embeddings, labeled) <= 1.5).any(axis=1)
    assert 20 < near.sum() < 300
    assert found.eligible_rows == len(found.sample) == 600 - near.sum()
    for rows in (found.sample, found.random):
        assert (distances(rows, labeled) > 1.5).all()
    assert len(found.excluded) == near.sum() + len(labeled)
    assert len(found.random) == compare(found).compared == 20


def test_batches_are_compared_at_the_size_that_all_have(pool):
    embeddings, scores = pool
    options = {"radius": 1e-3, "labeled_embeddings": embeddings[:500]}
    found, _ = evidence_of(embeddings, scores, **options)
    assert 0 < len(found.random) < 40 == len(found.picks) == len(found.best)
    result = compare(found)
    assert result.compared == len(found.random)
    assert {len(gaps) for gaps in result.gaps.values()} == {result.compared}


FUNCTIONS = {
    "plain": {},
    "max_score": {"max_score": 0.5},
    "all": {"max_score": 0.5, "exclude": np.arange(0, 600, 3), "metric": "cosine"},
}


@pytest.mark.parametrize("case", FUNCTIONS)
def test_a_function_scores_the_rows_that_are_read(case, pool, monkeypatch):
    from ally_fast.report import evidence

    embeddings, options = pool[0], FUNCTIONS[case]
    expected, _ = evidence_of(embeddings, embeddings[:, 0], **options)
    monkeypatch.setattr(evidence, "_MOST_SAMPLED", 150)
    asked = []

    def scored(rows):
        asked.append(len(np.unique(rows, axis=0)))
        return rows[:, 0]

    batch, info = ally_fast.select(embeddings, scored, 40, 10, return_info=True, **options)
    asked.clear()
    found = evidence.gather_evidence(embeddings, scored, batch, info, options, compare=True)
    assert sum(asked) < 400
    assert found.eligible_rows == expected.eligible_rows
    assert len(found.sample) <= found.scores.rows <= 150
    could = {row.tobytes() for row in expected.sample}
    assert could.issuperset(row.tobytes() for rows in (found.sample, found.random) for row in rows)
    result = compare(found)
    assert result.coverage.keys() - {EXCLUDED} == {BATCH, RANDOM}
    assert result.compared == len(found.random)


def test_a_function_that_says_something_else_is_told_by_row(pool):
    embeddings = pool[0]
    batch, info = ally_fast.select(embeddings, embeddings[:, 0], 40, 10, return_info=True)
    wrong = int(embeddings[:, 0].argmin())

    def scored(rows):
        return np.where(rows[:, 0] == embeddings[wrong, 0], np.nan, rows[:, 0])

    with pytest.raises(
        ValueError, match=f"dual_scores: the function returned nan for row {wrong};"
    ):
        gather_evidence(embeddings, scored, batch, info, {}, compare=True)


def test_labeled_rows_from_elsewhere_are_among_the_excluded(pool):
    labeled = np.full((3, 5), 9.0)
    found, _ = evidence_of(*pool, radius=0.1, labeled_embeddings=labeled, exclude=[5, 7])
    assert sorted(found.excluded[:, 0].tolist()) == sorted([*pool[0][[5, 7], 0], 9, 9, 9])
