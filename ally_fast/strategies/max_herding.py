"""MaxHerding: cover the pool within a kernel."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ally_fast.strategies.contract import Context
from ally_fast.strategies.herding import Herding
from ally_fast.strategies.request import Request


class MaxHerding(Herding):
    """Cover the pool: each pick adds most to how well a Gaussian kernel covers it.

    A row is covered by the nearest labeled or chosen one, as ``exp(-(distance / width)**2)``.

    Parameters
    ----------
    width : float, optional
        Of the kernel, above 0. None: the smallest distance above 0 between two labeled rows; where
        no two differ, between the first 50 target rows, as if these were labeled.
    targets : int, optional
        Rows that are to be covered, drawn at random; ``max(4096, 4 b)`` if None, at most 65,536.
    metric : "euclidean" or "cosine"
        Cosine: between rows of unit length, as in the paper.

    Notes
    -----
    Needs ``embeddings`` and ``labeled_embeddings`` (none of these: shape (0, d)).

    What is exact: the greedy choice, among all candidates, of the row that adds most; the kernel is
    a multiple of 2**-30, a target's weight one of 2**-20 (fewer bits with more than 4096 targets),
    sums are integers. Ties go to the lower index; once all targets are covered the lowest rows
    follow. The same answer on any machine, for any number of threads and any chunks.

    What is bounded: targets are a random sample, without those that weigh nothing. Candidates are
    all rows as long as those pairs of a candidate and a target in which the candidate is nearer
    than every labeled row are at most ``2**27``, by a count of 1024 candidates: one pair in
    ``l + 1``, were the l labeled rows drawn at random. If there are more, candidates are a random
    sample of as many rows as keep to it: 32,768 of them with no label and 4096 targets.

    Time: one product of matrices of ``n t d`` multiply-adds in float32, then the pairs; reads the
    pool once, by chunk. Memory: 6 bytes a pair, twice for a moment, and 40 bytes a candidate.
    Computes on the CPU; rows on a GPU are copied to the host. Source: Bae, Noh, Sutherland,
    "Generalized coverage for more robust low-budget active learning", ECCV 2024. There the kernel's
    width is a constant, and a part of the pool is both candidates and targets; the width by labeled
    rows is that of Bae, Oliveira, Sutherland, ICLR 2025.

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
