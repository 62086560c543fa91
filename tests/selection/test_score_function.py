"""Scores that a function gives: the batch is that of the same scores in an array."""

import numpy as np
import pytest

import ally_fast
from ally_fast import jobs
from ally_fast.jobs.job_folder import JobFolder
from ally_fast.pools import Rows
from ally_fast.selection.score_function import BLOCK_ROWS, ScoreFunction

N, D, B, K = 5000, 6, 60, 12
RULES = {
    "equal": {},
    "sqrt": {"allocation": "sqrt"},
    "radius": {"radius": 0.9},
    "groups": {"groups": np.arange(N) % 3, "max_per_group": 25, "tie_break": "random"},
    "excluded": {"exclude": np.arange(0, N, 3), "allocation": "proportional"},
    "max_score": {"max_score": 1.0},
    "max_score, excluded": {"max_score": 0.5, "exclude": np.arange(0, N, 3), "metric": "cosine"},
    "labeled": {"max_score": 0.5, "radius": 0.6, "labeled_embeddings": np.zeros((1, D))},
    "no picks": {"b": 0},
}


def rounded(rows):
    return np.round(rows[:, 1] * 2, 1)


@pytest.fixture
def rows(rng):
    return rng.normal(size=(N, D)).astype(np.float32)


def same(found, expected):
    np.testing.assert_array_equal(found[0], expected[0])
    for name in ("scores", "clusters", "ranks", "distances", "cluster_sizes"):
        np.testing.assert_array_equal(getattr(found[1], name), getattr(expected[1], name))
    assert found[1].eligible_rows == expected[1].eligible_rows


@pytest.mark.parametrize("rule", RULES)
def test_the_batch_is_that_of_an_array(rule, rows, tmp_path):
    options = dict(RULES[rule])
    b = options.pop("b", B)
    expected = ally_fast.select(rows, rounded(rows), b, K, return_info=True, **options)
    for chunk_rows in (None, 700):
        options["chunk_rows"] = chunk_rows
        same(ally_fast.select(rows, rounded, b, K, return_info=True, **options), expected)
    for number, part in enumerate(np.array_split(rows, 3)):
        np.save(tmp_path / f"{number}.npy", part)
    same(ally_fast.select(tmp_path, rounded, b, K, return_info=True, **options), expected)


@pytest.mark.parametrize("dtype", ["float16", "float64", "int8", "bfloat16"])
def test_what_the_function_is_given(dtype, rng):
    kind = pytest.importorskip("ml_dtypes").bfloat16 if dtype == "bfloat16" else dtype
    rows = (rng.normal(size=(1500, D)) * 9).astype(kind)
    seen = []

    def keep(block):
        seen.append(block)
        return block[:, 0]

    picks = ally_fast.select(rows, keep, 9, 3)
    wide = np.float64 if dtype == "float64" else np.float32
    assert {(block.shape, block.dtype) for block in seen} == {((BLOCK_ROWS, D), np.dtype(wide))}
    np.testing.assert_array_equal(seen[0], rows[:BLOCK_ROWS].astype(wide))
    last = rows[BLOCK_ROWS:].astype(wide)
    np.testing.assert_array_equal(seen[1][: len(last)], last)
    assert (seen[1][len(last) :] == last[-1]).all()
    np.testing.assert_array_equal(picks, ally_fast.select(rows, rows[:, 0].astype(wide), 9, 3))


def test_only_eligible_rows_are_scored(rows):
    rows[::2] = np.nan

    def score(block):
        assert np.isfinite(block).all()
        return block[:, 0]

    assert (ally_fast.select(rows, score, B, K, exclude=np.arange(0, N, 2)) % 2 == 1).all()


def test_rows_that_are_not_finite_are_refused_before_the_function_sees_them(rows):
    rows[4321, 2] = np.inf
    with pytest.raises(ValueError, match=r"embeddings: 1 of 5000 rows hold NaN .* row 4321"):
        ally_fast.select(rows, lambda block: block.sum(axis=1), B, K, train_size=K)


WRONG = {
    "length": (lambda rows: rows[:5, 0], r"returned shape \(5,\) for 1024 rows"),
    "shape": (lambda rows: rows, r"returned shape \(1024, 6\) for 1024 rows, needs one number"),
    "NaN": (lambda rows: np.where(rows[:, 0] > 3, np.nan, 1.0), r"returned nan for row \d+;"),
    "infinite": (lambda rows: np.full(1024, np.inf), "returned inf for row 0; needs finite values"),
    "integers": (lambda rows: np.full(1024, 2**60 + 1), r"integers up to 2\*\*53"),
    "texts": (lambda rows: ["high"] * 1024, "dual_scores must hold real numbers"),
    "none": (lambda rows: None, "dual_scores must hold real numbers"),
}


@pytest.mark.parametrize("rule", ["equal", "sqrt", "max_score"])
@pytest.mark.parametrize("case", WRONG)
def test_wrong_scores_are_refused(case, rule, rows):
    function, message = WRONG[case]
    with pytest.raises((ValueError, TypeError), match=message) as error:
        ally_fast.select(rows, function, B, K, **RULES[rule])
    assert str(error.value).startswith("dual_scores")
    assert len(str(error.value)) < 300
    if case == "NaN":
        first = np.flatnonzero(rows[:, 0] > 3)[0]
        assert f"row {first};" in str(error.value)


def test_an_error_of_the_function_is_the_users(rows):
    with pytest.raises(ZeroDivisionError):
        ally_fast.select(rows, lambda block: 1 / 0, B, K)


def test_too_few_rows_below_the_highest_score(rows):
    count = int((rounded(rows) <= -5).sum())
    with pytest.raises(ValueError, match=rf"b: got 60, needs at most the {count} .*max_score -5"):
        ally_fast.select(rows, rounded, B, K, max_score=-5)


def test_a_product_rounds_a_row_alike_wherever_it_stands(rng):
    """On its own it does not: the chunk's size, and where the row stands, choose the kernel."""
    rows = rng.normal(size=(4000, 768)).astype(np.float32)
    weights = rng.normal(size=768).astype(np.float32)
    function = ScoreFunction(lambda block: block @ weights)
    whole = function.scores(Rows(rows), 0, None)
    for first in (1, 7, 1023, 1500):
        np.testing.assert_array_equal(function.scores(Rows(rows[first:]), 0, None), whole[first:])
    mask = rng.random(4000) < 0.3
    np.testing.assert_array_equal(function.scores(Rows(rows), 0, mask)[mask], whole[mask])


def test_a_dual_head_scores_alike_on_any_number_of_threads(rng):
    torch = pytest.importorskip("torch")
    from ally_fast.primal_dual import DualHead

    rows = rng.normal(size=(4000, 33)).astype(np.float32)
    head = DualHead(max_epochs=20).fit(rows[:1000], np.maximum(0, rows[:1000, 0]))
    expected = ally_fast.select(rows, head, B, K, return_info=True)
    before = torch.get_num_threads()
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            same(ally_fast.select(rows, head, B, K, chunk_rows=999, return_info=True), expected)
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)


class Head:
    """A function of which a job can tell whether it is the same."""

    def __init__(self, fingerprint="v1", factor=2):
        self.fingerprint, self.factor, self.calls = fingerprint, factor, 0

    def __call__(self, rows):
        self.calls += 1
        return np.round(rows[:, 1] * self.factor, 1)


@pytest.fixture
def folder(rows, tmp_path):
    (tmp_path / "pool").mkdir()
    for number, part in enumerate(np.array_split(rows, 3)):
        np.save(tmp_path / "pool" / f"{number}.npy", part)
    return tmp_path / "pool"


@pytest.mark.parametrize("rule", RULES)
def test_a_job_keeps_what_the_function_gave(rule, rows, folder, tmp_path):
    options = dict(RULES[rule])
    b, head = options.pop("b", B), Head()
    expected = ally_fast.select(rows, rounded(rows), b, K, return_info=True, **options)
    same(jobs.select(tmp_path / "job", folder, head, b, K, **options), expected)
    calls = head.calls
    same(jobs.select(tmp_path / "job", folder, head, b, K, **options), expected)
    if "max_score" not in options:  # these are looked for before there is a job
        assert head.calls == calls
    later = jobs.select(
        tmp_path / "later",
        folder,
        Head("v2", 3),
        b,
        K,
        start_from=tmp_path / "job",
        **options,
    )
    centroids = {"centroids": expected[1].centroids}
    scores = Head(factor=3)(rows)
    same(later, ally_fast.select(rows, scores, b, K, return_info=True, **options, **centroids))


def test_shards_with_the_same_content_and_other_exclusions(rows, tmp_path):
    """They share the files of a job, of which two are written one after the other."""
    (tmp_path / "pool").mkdir()
    for name in ("a", "b"):
        np.save(tmp_path / "pool" / f"{name}.npy", rows[:2000])
    exclude = np.arange(2500, 3000)
    call = (tmp_path / "pool", Head(), B, K)
    expected = jobs.select(tmp_path / "job", *call, exclude=exclude)
    for path in (tmp_path / "job" / "scores").rglob("*.npy"):  # b's scores and a's clusters
        held = np.load(path)
        held[500:1000] = np.nan
        JobFolder._keep(str(path), held[:-2])
    for path in (tmp_path / "job" / "assignments").rglob("*.npy"):
        path.unlink()
        assigned = ally_fast.assign(rows[:2000], expected[1].centroids)
        JobFolder._keep(str(path), assigned)
    same(jobs.select(tmp_path / "job", *call, exclude=exclude), expected)


def test_a_job_refuses_another_function(folder, tmp_path):
    jobs.select(tmp_path / "job", folder, Head(), B, K)
    with pytest.raises(ValueError, match="holds another job: dual_scores changed"):
        jobs.select(tmp_path / "job", folder, Head("v2"), B, K)
    with pytest.raises(ValueError, match="holds another job: dual_scores changed"):
        jobs.select(tmp_path / "job", folder, np.zeros(N), B, K)


def test_a_job_refuses_a_function_that_it_cannot_tell_from_another(folder, tmp_path):
    with pytest.raises(ValueError, match="needs an attribute fingerprint") as error:
        jobs.select(tmp_path / "job", folder, rounded, B, K)
    assert len(str(error.value)) < 300
    assert not (tmp_path / "job" / "job.json").exists()


def test_damaged_scores_of_a_job_are_an_error(folder, tmp_path):
    jobs.select(tmp_path / "job", folder, Head(), B, K)
    path = next((tmp_path / "job" / "scores").rglob("*.npy"))
    held = np.load(path)
    held[3] += 1
    np.save(path, held)
    with pytest.raises(ValueError, match=r"\.npy: is damaged; remove it"):
        jobs.select(tmp_path / "job", folder, Head(), B, K)
    path.unlink()
    jobs.select(tmp_path / "job", folder, Head(), B, K)
