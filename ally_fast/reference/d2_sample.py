"""The distribution of k-means++ starts, by enumeration of every outcome."""

from itertools import permutations

import numpy as np
import numpy.typing as npt

from .squared_distance import squared_distance


def d2_probabilities(rows: npt.ArrayLike, k: int) -> dict[tuple[int, ...], float]:
    """Compute the probability of every ordered choice of ``k`` rows by D² sampling.

    The first row is uniform; each later one has probability proportional to its squared
    distance to the nearest row chosen so far.

    Parameters
    ----------
    rows : array_like, shape (t, d)
        A tiny set with at least ``k`` distinct rows: the cost is t! / (t - k)!.
    k : int

    Returns
    -------
    dict
        Ordered positions, each a tuple of length ``k``, to probability. They sum to 1.

    Examples
    --------
    >>> d2_probabilities([[0.0], [1.0], [3.0]], 2)[(0, 2)]
    0.3
    """
    x = np.asarray(rows, dtype=np.float64)
    distances = squared_distance(x, x)
    result = {}
    for chosen in permutations(range(x.shape[0]), k):
        probability = 1.0 / x.shape[0]
        for place in range(1, k):
            nearest = distances[:, chosen[:place]].min(axis=1)
            probability *= float(nearest[chosen[place]] / nearest.sum())
        result[chosen] = probability
    return result
