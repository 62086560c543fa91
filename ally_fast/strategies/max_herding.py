"""MaxHerding: cover the pool within a kernel."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ally_fast.strategies.contract import Context
from ally_fast.strategies.herding import Herding
from ally_fast.strategies.request import Request


class MaxHerding(Herding):
    """Cover the pool: each pick is the row that adds most to how well a Gaussian kernel covers it.

    The nearest labeled or chosen row covers a row by ``exp(-(distance / width)**2)``.

    Parameters
    ----------
    width : float, optional
        Width of the kernel, above 0. None: the smallest distance above 0 between two labeled rows.
        If no two labeled rows differ, the first 50 target rows take their place.
    targets : int, optional
        Number of rows to cover, drawn at random. None: ``max(4096, 4 b)``, at most 65,536.
    metric : "euclidean" or "cosine"
        "cosine" compares rows at unit length, as in the paper.

    Notes
    -----
    Needs ``embeddings`` and ``labeled_embeddings`` (without labels: shape (0, d)).

    What is exact: each pick is the candidate that adds most. The kernel is a multiple of 2**-30,
    and the weight of a target one of 2**-20 (fewer bits with more than 4096 targets), so sums are
    integers. Ties go to the lower index. Once all targets are covered, the lowest rows follow. The
    answer is the same on any machine, with any number of threads and any chunks.

    What is bounded: targets are a random sample, without those whose weight is 0. Count the pairs
    of a candidate and a target in which the candidate is nearer than every labeled row; the count
    is estimated from 1024 candidates. If all rows have at most ``2**27`` such pairs, all rows are
    candidates. Otherwise candidates are a random sample, as large as that limit allows. If the l
    labeled rows were drawn at random, about one pair in ``l + 1`` counts. Without labels and with
    4096 targets, there are 32,768 candidates.

    Time: a matrix product of ``n t d`` multiply-adds in float32, then the pairs. It reads the pool
    once, by chunk. Memory: 6 bytes a pair, twice for a moment, and 40 bytes a candidate. It
    computes on the CPU; rows on a GPU are copied to the host. Source: Bae, Noh, Sutherland,
    "Generalized coverage for more robust low-budget active learning", ECCV 2024. In the paper the
    width of the kernel is a constant, and one part of the pool is both candidates and targets. The
    width from labeled rows is that of Bae, Oliveira, Sutherland, ICLR 2025.

    Examples
    --------
    >>> import numpy as np
    >>> from ally_fast.strategies import Context
    >>> rows = np.array([[0.0], [1.0], [1.5], [9.0], [9.1]])
    >>> context = Context(embeddings=rows, labeled_embeddings=np.empty((0, 1)))
    >>> MaxHerding(width=1.0).query(context, b=2)
    array([1, 3])
    """

    name = "MaxHerding"

    def _weights(
        self, context: Context, request: Request, indices: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        return np.ones(len(indices))
