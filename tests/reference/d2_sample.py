"""D² sampling: its distribution by enumeration of every outcome, and the picks of a seed."""

from itertools import permutations

import numpy as np
import numpy.typing as npt

from .philox import philox4x32
from .squared_distance import squared_distance

PURPOSE = 2  # the third word of the counter keeps this stream apart from others of the seed
BLOCK = 1024  # rows whose weights are added up in order
LARGEST_ROUND = 256


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


def uniforms(seed: int, index: int) -> tuple[float, float]:
    """Return the two numbers in [0, 1) of a draw.

    Examples
    --------
    >>> all(0 <= value < 1 for value in uniforms(seed=3, index=0))
    True
    """
    counter = [index & 0xFFFFFFFF, index >> 32, PURPOSE, 0]
    words = [int(word) for word in philox4x32(counter, [seed & 0xFFFFFFFF, seed >> 32])]
    first, second = (words[1] << 32 | words[0]) >> 11, (words[3] << 32 | words[2]) >> 11
    return first * 2.0**-53, second * 2.0**-53


def d2_sample(rows: npt.ArrayLike, k: int, seed: int) -> npt.NDArray[np.int64]:
    """Draw ``k`` rows by D² sampling, in rounds of proposals.

    Proposals are drawn by the weights at the start of a round, and kept with the probability that
    their weight has fallen to since, which leaves the law of `d2_probabilities`.

    Parameters
    ----------
    rows : array_like, shape (t, d)
    k, seed : int

    Returns
    -------
    ndarray, shape (k,), int64
        In the order drawn. Once every row lies on a drawn one, the lowest rows not yet drawn.

    Examples
    --------
    >>> sorted(d2_sample([[0.0], [1.0], [1.0]], 3, seed=0).tolist())
    [0, 1, 2]
    """
    x = np.asarray(rows, dtype=np.float64)
    picks = [min(int(uniforms(seed, 0)[0] * len(x)), len(x) - 1)]
    weights = squared_distance(x, x[picks])[:, 0]
    draws = 1
    while len(picks) < k and _block_sums(weights)[1] > 0:
        sums, total = _block_sums(weights)
        lowered, rejected = weights.copy(), 0
        before, wanted = len(picks), min(k - len(picks), len(picks), LARGEST_ROUND)
        while len(picks) - before < wanted and rejected <= 8 + (len(picks) - before) // 2:
            where, whether = uniforms(seed, draws)
            draws += 1
            j = _locate(weights, sums, where * total)
            if whether * weights[j] < lowered[j]:
                picks.append(j)
                lowered = np.minimum(lowered, squared_distance(x, x[j : j + 1])[:, 0])
            else:
                rejected += 1
        weights = lowered
    picks += [j for j in range(len(x)) if j not in set(picks)][: k - len(picks)]
    return np.array(picks, dtype=np.int64)


def _block_sums(weights: npt.NDArray[np.float64]) -> tuple[list[float], float]:
    """Return the weights of blocks of rows, each added up in order, and their sum."""
    blocks = [weights[first : first + BLOCK] for first in range(0, len(weights), BLOCK)]
    sums = [_added(block.tolist()) for block in blocks]
    return sums, _added(sums)


def _added(values: list[float]) -> float:
    """Return the sum, added in order: `sum` compensates its rounding since Python 3.12."""
    total = 0.0
    for value in values:
        total += value
    return total


def _locate(weights: npt.NDArray[np.float64], sums: list[float], target: float) -> int:
    """Return the row on which the target falls, weights laid end to end."""
    block = 0
    while block + 1 < len(sums) and target >= sums[block]:
        target -= sums[block]
        block += 1
    last = block * BLOCK
    for j, weight in enumerate(weights[last : last + BLOCK].tolist(), last):
        if weight <= 0:
            continue
        last = j  # rounding can leave a remainder past the end
        if target < weight:
            break
        target -= weight
    return last
