"""Squared Euclidean distances in float64, in the fixed order of additions that defines them."""

import numpy as np
import numpy.typing as npt

PARTIALS = 8
UNIT_TOLERANCE = 2.0**-20  # of a squared length; rounding to float32 stays below


def sum_of_squares(values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Sum the squares along the last axis, in the order the fast code is held to.

    Feature ``j`` is squared in float64 and added to partial sum ``j mod 8``, in order of ``j``;
    square and sum are rounded separately. The partials are then added as
    ``((a0 + a4) + (a2 + a6)) + ((a1 + a5) + (a3 + a7))``.

    Parameters
    ----------
    values : array_like, shape (..., d)
        Any real dtype; widened to float64 first.

    Returns
    -------
    ndarray, shape (...), float64

    Examples
    --------
    >>> float(sum_of_squares([3.0, 4.0]))
    25.0
    """
    wide = np.asarray(values, dtype=np.float64)
    with np.errstate(under="ignore", over="ignore"):
        return ordered_sum(wide * wide)


def ordered_sum(terms: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Add up terms along the last axis, in the order of `sum_of_squares`.

    Parameters
    ----------
    terms : ndarray, shape (..., d), float64

    Returns
    -------
    ndarray, shape (...), float64

    Examples
    --------
    >>> float(ordered_sum(np.array([3.0, 4.0])))
    7.0
    """
    a = np.zeros((*terms.shape[:-1], PARTIALS), dtype=np.float64)
    with np.errstate(under="ignore", over="ignore"):
        for first in range(0, terms.shape[-1], PARTIALS):
            piece = terms[..., first : first + PARTIALS]
            a[..., : piece.shape[-1]] += piece
        even = (a[..., 0] + a[..., 4]) + (a[..., 2] + a[..., 6])
        odd = (a[..., 1] + a[..., 5]) + (a[..., 3] + a[..., 7])
        total: npt.NDArray[np.float64] = np.asarray(even + odd, dtype=np.float64)
    return total


def squared_distance(rows: npt.ArrayLike, centroids: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Compute every squared distance between rows and centroids.

    Parameters
    ----------
    rows : array_like, shape (m, d)
    centroids : array_like, shape (k, d)

    Returns
    -------
    ndarray, shape (m, k), float64

    Examples
    --------
    >>> squared_distance([[0.0, 0.0], [1.0, 0.0]], [[3.0, 4.0]]).tolist()
    [[25.0], [20.0]]
    """
    x = np.asarray(rows, dtype=np.float64)
    c = np.asarray(centroids, dtype=np.float64)
    result = np.empty((x.shape[0], c.shape[0]), dtype=np.float64)
    for j in range(c.shape[0]):
        result[:, j] = sum_of_squares(x - c[j])
    return result


def paired_squared_distance(
    rows: npt.ArrayLike, centroids: npt.ArrayLike, assignments: npt.ArrayLike
) -> npt.NDArray[np.float64]:
    """Compute the squared distance of each row to the one centroid it is assigned to.

    Parameters
    ----------
    rows : array_like, shape (m, d)
    centroids : array_like, shape (k, d)
    assignments : array_like, shape (m,), int

    Returns
    -------
    ndarray, shape (m,), float64

    Examples
    --------
    >>> paired_squared_distance([[0.0], [5.0]], [[1.0], [7.0]], [1, 0]).tolist()
    [49.0, 16.0]
    """
    x = np.asarray(rows, dtype=np.float64)
    c = np.asarray(centroids, dtype=np.float64)
    return sum_of_squares(x - c[np.asarray(assignments, dtype=np.int64)])


def norms(rows: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Compute the norm of each row; NaN where float64 does not hold it.

    The square root of `sum_of_squares`. Where that is below ``2**-900`` or above ``2**900`` the row
    is first brought near 1 by a power of two, which the root is then multiplied with.

    Parameters
    ----------
    rows : array_like, shape (m, d)

    Returns
    -------
    ndarray, shape (m,), float64

    Examples
    --------
    >>> norms([[3.0, 4.0], [3 * 2.0**600, 4 * 2.0**600]]).tolist() == [5.0, 5 * 2.0**600]
    True
    """
    x = np.asarray(rows, dtype=np.float64)
    squares = sum_of_squares(x)
    result = np.sqrt(squares)
    for i in np.flatnonzero(~((squares >= 2.0**-900) & (squares <= 2.0**900))):
        largest = np.nanmax(np.abs(x[i]), initial=0.0)
        exponent = np.frexp(largest)[1] if 0 < largest < np.inf else 0
        with np.errstate(under="ignore", over="ignore"):
            scaled = np.ldexp(x[i], -exponent)
            result[i] = np.ldexp(np.sqrt(sum_of_squares(scaled)), exponent)
    result[~np.isfinite(result)] = np.nan
    return result


def normalize_rows(rows: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """Scale each row to length 1, rounded to float32; a row without length becomes zeros.

    Parameters
    ----------
    rows : array_like, shape (m, d)

    Returns
    -------
    ndarray, shape (m, d), float32

    Examples
    --------
    >>> normalize_rows([[0.0, 2.0], [0.0, 0.0]]).tolist()
    [[0.0, 1.0], [0.0, 0.0]]
    """
    x = np.asarray(rows, dtype=np.float64)
    lengths = norms(x)
    result = np.zeros(x.shape, dtype=np.float32)
    with np.errstate(under="ignore"):
        for i in np.flatnonzero(lengths != 0.0):
            result[i] = x[i] / lengths[i]
    return result


def unit_centroids(centroids: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """Scale centroids to length 1; one that has it up to rounding is only rounded to float32.

    Parameters
    ----------
    centroids : array_like, shape (k, d)

    Returns
    -------
    ndarray, shape (k, d), float32

    Examples
    --------
    >>> unit_centroids([[3.0, 0.0], [0.0, 1.0]]).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    with np.errstate(over="ignore"):
        narrow = np.asarray(centroids).astype(np.float32)
    is_unit = np.abs(sum_of_squares(narrow) - 1.0) <= UNIT_TOLERANCE
    return np.where(is_unit[:, None], narrow, normalize_rows(centroids))
