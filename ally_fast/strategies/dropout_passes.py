"""Stochastic passes of a head over frozen embeddings, each without some of the features."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast import checks
from ally_fast.pools import as_pool
from ally_fast.pools.pool import as_float

_WORDS, _SHORTS = 4, 16  # of 64 and of 16 bits, that one count of Philox4x64 gives


def dropout_passes(
    predict: Callable[[NDArray[Any]], Any],
    embeddings: Any,
    *,
    passes: int = 3,
    rate: float = 0.75,
    seed: int = 0,
) -> Callable[[int, int], Iterator[Any]]:
    """Return ``mc_probabilities`` of a head on frozen embeddings, for `DropQuery` and `BALD`.

    Each pass sets each feature of each row to 0 with probability `rate`, and otherwise divides it
    by ``1 - rate``.

    Parameters
    ----------
    predict : callable
        Takes rows, shape (m, d), float32 or float64; returns class probabilities, shape (m, C).
    embeddings : array, shape (n, d), or pool
    passes : int
        Number of passes.
    rate : float
        In (0, 1), rounded to a multiple of 2**-16.
    seed : int

    Returns
    -------
    callable
        ``(lo, hi) -> passes over rows lo to hi``, one at a time.

    Notes
    -----
    Which features are left out depends only on (seed, pass, row, feature): neither chunks nor the
    machine matter. Source of the defaults: Gupte, Aklilu, Nirschl, Yeung-Levy, TMLR 2024.

    Examples
    --------
    >>> import numpy as np
    >>> rows = np.ones((1000, 8), np.float32)
    >>> passes = dropout_passes(lambda rows: rows, rows)
    >>> [float(part.mean().round(1)) for part in passes(0, 1000)]
    [1.0, 1.0, 1.0]
    """
    if not callable(predict):
        raise TypeError(f"predict: got {checks.shown(predict)}, needs a callable")
    pool = as_pool(embeddings)
    checks.integer(passes, "passes", 1)
    checks.seed(seed)
    if not 0 < checks.number(rate, "rate") < 1:
        raise ValueError(f"rate: got {rate}, needs a number in (0, 1)")
    dropped = round(rate * 2**16)

    def part(lo: int, hi: int) -> Iterator[Any]:
        rows = as_float(pool.read(lo, hi))
        scale = rows.dtype.type(1 / (1 - rate))
        for number in range(int(passes)):
            mask = _bits(seed, number, lo, hi, pool.d) >= dropped
            yield predict(np.where(mask, rows * scale, rows.dtype.type(0)))

    return part


def _bits(seed: int, number: int, lo: int, hi: int, d: int) -> NDArray[np.uint16]:
    """Return 16 random bits for each feature of rows `lo` to `hi`."""
    counts = -(-d // _SHORTS)  # of each row
    key, counter = np.array([seed, number], np.uint64), np.array([lo * counts, 0, 0, 0], np.uint64)
    source = np.random.Philox(key=key, counter=counter)
    words = source.random_raw((hi - lo) * counts * _WORDS).astype("<u8")
    return words.view("<u2").reshape(hi - lo, counts * _SHORTS)[:, :d]
