"""The grid of integers that rows are summed on, in exact fractions."""

from fractions import Fraction

import numpy as np
import numpy.typing as npt

from .squared_distance import sum_of_squares

DISTANCE_BITS = 40


def grid_bits(t: int) -> int:
    """Return how many bits a step of a sum of `t` rows may have: so that sums stay below 2**62.

    Examples
    --------
    >>> [grid_bits(t) for t in (1, 4096, 4097, 2**22)]
    [50, 50, 49, 40]
    """
    return min(50, 62 - (t - 1).bit_length())


def exponent_above(value: Fraction) -> int:
    """Return the least e with ``value < 2**e``, of a positive value.

    Examples
    --------
    >>> [exponent_above(Fraction(x)) for x in (1, 3, 4)] + [exponent_above(Fraction(1, 5))]
    [1, 2, 3, -2]
    """
    e = value.numerator.bit_length() - value.denominator.bit_length()
    return e if value < Fraction(2) ** e else e + 1


def feature_grid(rows: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Compute each feature's shift and scale, and the scale of squared distances.

    Parameters
    ----------
    rows : array_like, shape (t, d), float32

    Returns
    -------
    ndarray, shape (2 d + 1,), float64

    Examples
    --------
    >>> feature_grid([[0.0], [4.0]]).tolist() == [2.0, 2.0**48, 2.0**85]
    True
    """
    x = np.asarray(rows, dtype=np.float64)
    bits = grid_bits(len(x))
    shifts, scales, widths = [], [], []
    for column in x.T.tolist():
        low, high = min(column), max(column)
        shift = low / 2 + high / 2 + 0.0  # never -0
        half = max(high - shift, shift - low)
        scale = Fraction(2) ** (bits - exponent_above(Fraction(half))) if half else Fraction(1)
        shifts.append(shift)
        scales.append(float(scale))
        widths.append(2 * half)
    widest = float(sum_of_squares(widths))
    last = 1.0
    if widest:
        last = float(Fraction(2) ** (bits + DISTANCE_BITS - exponent_above(Fraction(widest))))
    return np.array([*shifts, *scales, last])


def grid_steps(row: npt.ArrayLike, grid: npt.NDArray[np.float64]) -> list[int]:
    """Return a row in steps of the grid: differences in float64, all else exact.

    Examples
    --------
    >>> grid_steps([3.0, 1.0], np.array([1.0, 1.0, 4.0, 2.0, 1.0]))
    [8, 0]
    """
    values = np.asarray(row, dtype=np.float64).tolist()
    d = len(values)
    pairs = zip(values, grid[:d].tolist(), grid[d : 2 * d].tolist(), strict=True)
    return [round(Fraction(x - shift) * Fraction(scale)) for x, shift, scale in pairs]


def distance_words(distance: float, grid: npt.NDArray[np.float64], most: int) -> tuple[int, int]:
    """Return a squared distance as two words, of 2**40 and 1.

    Examples
    --------
    >>> distance_words(5.0, np.array([0.0, 1.0, 2.0**38]), 1)
    (1, 274877906944)
    """
    largest = Fraction(2) ** (grid_bits(most) + DISTANCE_BITS)
    v = min(Fraction(distance) * Fraction(float(grid[-1])), largest)
    high = round(v / 2**DISTANCE_BITS)
    return high, round(v - high * 2**DISTANCE_BITS)


def mean_feature(shift: float, scale: float, total: int, count: int) -> float:
    """Return the mean of a feature from its sum in steps, rounded to float32.

    Examples
    --------
    >>> mean_feature(1.0, 4.0, 10, 5)
    1.5
    """
    return float(np.float32(shift + float(total) / scale / float(count)))


def mean_row(
    totals: list[int], count: int, grid: npt.NDArray[np.float64]
) -> npt.NDArray[np.float32]:
    """Return the mean of a cluster from its sums in steps, rounded to float32.

    Examples
    --------
    >>> mean_row([10], 5, np.array([1.0, 4.0, 1.0])).tolist()
    [1.5]
    """
    d = len(totals)
    features = zip(grid[:d].tolist(), grid[d : 2 * d].tolist(), totals, strict=True)
    means = [mean_feature(shift, scale, total, count) for shift, scale, total in features]
    return np.array(means, dtype=np.float32)
