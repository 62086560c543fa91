"""D-squared sampling among outer products, without forming them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ally_fast import _cpu, _settings
from ally_fast.rows import Rows


def d2_sample_outer(
    left: Rows,
    right: Rows,
    b: int,
    seed: int,
    *,
    targets: NDArray[np.int64] | None = None,
    positions: NDArray[np.int64] | None = None,
) -> NDArray[np.int64]:
    """Draw `b` rows by D-squared sampling among the outer products of their two factors.

    Equivalent in law to the code below, where ``a`` is ``left``, or ``left`` less 1 at
    ``[i, targets[i]]``::

        d2_sample((a[:, :, None] * right[:, None, :]).reshape(n, -1), b, seed)

    Parameters
    ----------
    left : Rows
        Of shape (n, C), in host memory; not normalized, and without positions.
    right : Rows
        Of shape (n, d), the same.
    b : int
        At most the number of rows to visit. With 0 nothing is read.
    seed : int
        The draw depends only on the factors of the visited rows, on `b` and on the seed.
    targets : ndarray of int64, shape (n,), optional
        Where to subtract 1 from `left`. With class probabilities and their arg max, this gives the
        gradients of a cross-entropy with respect to the last layer.
    positions : ndarray of int64, optional
        Rows to choose from, ascending, each once; None: all rows.

    Returns
    -------
    ndarray of int64, shape (b,)
        Distinct rows in the order of the draw. The first is uniform; the probability of each later
        one is proportional to its squared distance to the earlier ones. With fewer than `b`
        distinct products, the rest are the lowest rows not taken.

    Raises
    ------
    ValueError
        If a row to visit is not finite, or has a factor of squared length 1e100 or more; if a
        factor is to be normalized, or has positions.

    Notes
    -----
    Squared distances follow from those of the factors. So time is at most O(n b (C + d)), and far
    less if lengths differ or factors point apart. Memory: 24 bytes a row. The answer does not
    depend on instruction set or threads. Source: Ash, Zhang, Krishnamurthy, Langford, Agarwal,
    "Deep batch active learning by diverse, uncertain gradient lower bounds", ICLR 2020.
    """
    for name, factor in (("left", left), ("right", right)):
        if factor.normalize or factor.positions is not None:
            raise ValueError(f"{name}: is normalized or has positions; needs neither")
    return _cpu.d2_sample_outer(
        left.array,
        right.array,
        b,
        seed,
        _settings.isa(),
        targets=targets,
        left_bf16=left.bf16,
        right_bf16=right.bf16,
        positions=positions,
        threads=_settings.threads(),
    )
