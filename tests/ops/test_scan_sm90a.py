"""The Hopper scan alone: smallest and second smallest score of every row, against NumPy."""

import numpy as np
import pytest
from cuda_arrays import need_hopper, put

pytestmark = pytest.mark.gpu
LARGEST = np.finfo(np.float32).max


@pytest.fixture(autouse=True)
def _on_hopper():
    need_hopper()


def padded(matrix, rows, columns):
    return np.pad(matrix, [(0, -len(matrix) % rows), (0, -matrix.shape[1] % columns)])


def scan(rows, centroids, half_norm, norm, error, stream):
    """Return best, second, index of the kernel."""
    from ally_fast import _cuda

    k = len(centroids)
    out = [put(np.full(len(rows), np.nan, np.float32), stream) for _ in range(2)]
    out.append(put(np.full(len(rows), -7, np.int32), stream))
    _cuda._scan_sm90a(
        put(padded(rows, 1, 64).view(np.uint16), stream),
        put(padded(centroids, 128, 64).view(np.uint16), stream),
        put(np.pad(half_norm, (0, -k % 128), constant_values=LARGEST), stream),
        put(np.pad(norm, (0, -k % 128)), stream),
        put(error, stream),
        *out,
    )
    return [array.to_host() for array in out]


def problem(rng, n, k, d, scale=1.0):
    """Return operands as the packing makes them: float16 rows and centroids, norms, errors."""
    rows = (scale * rng.normal(size=(n, d))).astype(np.float16)
    centroids = rng.normal(size=(k, d)).astype(np.float16)
    wide = centroids.astype(np.float64)
    half_norm = ((wide**2).sum(1) / 2).astype(np.float32)
    norm = np.sqrt((wide**2).sum(1)).astype(np.float32)
    error = rng.uniform(0, 1e-2, size=n).astype(np.float32)
    return rows, centroids, half_norm, norm, error


def scores(rows, centroids, half_norm, norm, error):
    """Return L in float64, and a bound on what the kernel's float32 arithmetic may add to it."""
    rows, centroids = rows.astype(np.float64), centroids.astype(np.float64)
    constant = half_norm.astype(np.float64) - np.outer(error, norm.astype(np.float64))
    magnitude = np.abs(rows) @ np.abs(centroids).T + half_norm + np.outer(error, norm)
    return constant - rows @ centroids.T, (rows.shape[1] + 16) * 2.0**-24 * magnitude


def check(operands, stream):
    expected, slack = scores(*operands)
    best, second, index = scan(*operands, stream)
    n, k = expected.shape
    each = np.arange(n)
    assert ((index >= 0) & (index < k)).all()
    assert (np.abs(best - expected[each, index]) <= slack[each, index]).all()
    assert (expected[each, index] - slack[each, index] <= (expected + slack).min(1)).all()
    others = expected.copy()
    others[each, index] = np.inf
    if k == 1:
        assert (second == LARGEST).all()
        return
    assert (second >= (others - slack).min(1)).all()
    assert (second <= (others + slack).min(1)).all()
    assert (second >= best).all()


@pytest.mark.parametrize(
    ("n", "k", "d"),
    [
        (1, 1, 1),
        (128, 128, 64),
        (300, 5, 64),
        (257, 300, 100),
        (1500, 130, 128),
        (130, 400, 192),
        (600, 257, 250),
        (300, 260, 300),
        (270, 130, 700),
        (150, 260, 768),
        (270, 130, 800),
    ],
    ids=str,
)
def test_finds_the_two_smallest(n, k, d, stream, rng):
    check(problem(rng, n, k, d), stream)


# So many tiles of rows that a block takes several, and its row boxes are filled anew.
@pytest.mark.parametrize(
    ("n", "k", "d"),
    [(4000, 300, 40), (1700, 260, 250), (900, 260, 330), (600, 200, 750), (600, 200, 900)],
)
def test_many_tiles(n, k, d, stream, rng):
    check(problem(rng, n, k, d), stream)


@pytest.mark.parametrize("d", [64, 128, 320])
def test_is_exact_where_sums_are(d, stream, rng):
    # Small integers: every sum is exact, so that equality holds; on a tie any index may come.
    n, k = 700, 500
    rows = rng.integers(-2, 3, size=(n, d)).astype(np.float16)
    centroids = rng.integers(-2, 3, size=(k, d)).astype(np.float16)
    centroids[k // 2 :] = centroids[: k // 2][rng.permutation(k // 2)]
    half_norm = (rng.integers(-9, 9, size=k) * 0.5).astype(np.float32)
    norm = rng.integers(0, 3, size=k).astype(np.float32)
    error = rng.integers(0, 3, size=n).astype(np.float32)
    operands = rows, centroids, half_norm, norm, error
    expected, _ = scores(*operands)
    best, second, index = scan(*operands, stream)
    single = second > best
    assert n / 2 < single.sum() < n
    np.testing.assert_array_equal(index[single], expected.argmin(1)[single])
    assert ((index >= 0) & (index < 512)).all()
    np.testing.assert_array_equal(best, expected.min(1).astype(np.float32))
    np.testing.assert_array_equal(second, np.sort(expected, axis=1)[:, 1].astype(np.float32))


def test_every_column_and_row_can_win(stream):
    # Row r is one feature times r + 1; centroid c wins for the rows that point at it.
    k = 256
    rows = np.zeros((k, k), np.float16)
    np.fill_diagonal(rows, 1)
    order = np.random.default_rng(5).permutation(k)
    operands = (
        rows[order],
        rows,
        np.zeros(k, np.float32),
        np.zeros(k, np.float32),
        np.zeros(k, np.float32),
    )
    best, second, index = scan(*operands, stream)
    np.testing.assert_array_equal(index, order)
    assert (best == -1).all()
    assert (second == 0).all()


@pytest.mark.parametrize("first", [0, 9, 73, 130])
def test_the_second_may_be_any_column(first, stream):
    """It may share tile, band or spot with the best, or none of them (hopper_track.h)."""
    k = 256
    others = np.setdiff1d(np.arange(k), first)
    rows = np.zeros((k - 1, k), np.float16)
    rows[:, first] = 3
    rows[np.arange(k - 1), others] = np.arange(k - 1) % 2 + 1
    nothing = np.zeros(k, np.float32)
    operands = rows, np.eye(k, dtype=np.float16), nothing, nothing, nothing[1:]
    best, second, index = scan(*operands, stream)
    assert (index == first).all()
    assert (best == -3).all()
    np.testing.assert_array_equal(second, -(np.arange(k - 1) % 2) - 1)


def test_a_row_that_is_not_finite_leaves_the_others_alone(stream, rng):
    operands = problem(rng, 400, 200, 70)
    expected = scan(*operands, stream)
    rows, error = operands[0].copy(), operands[4].copy()
    rows[17] = np.inf
    rows[140, 3] = np.nan
    error[301] = np.inf
    found = scan(rows, *operands[1:4], error, stream)
    others = np.setdiff1d(np.arange(400), [17, 140, 301])
    for before, after in zip(expected, found, strict=True):
        np.testing.assert_array_equal(after[others], before[others])
    assert ((found[2] >= 0) & (found[2] < 200)).all()


def test_the_answer_does_not_depend_on_the_other_rows(stream, rng):
    operands = problem(rng, 900, 300, 128)
    whole = scan(*operands, stream)
    part = scan(operands[0][300:701], *operands[1:4], operands[4][300:701], stream)
    for a, b in zip(whole, part, strict=True):
        np.testing.assert_array_equal(a[300:701], b)
