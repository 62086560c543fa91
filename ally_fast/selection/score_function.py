"""Dual scores that a function computes from the rows themselves."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast.arrays import as_array, beyond_float64
from ally_fast.device_arrays import host_copy
from ally_fast.memory import to_host
from ally_fast.pools.pool import as_float
from ally_fast.rows import Rows

# Every call has this many rows, so a matrix product rounds a row alike wherever it stands.
BLOCK_ROWS = 1024


class ScoreFunction:
    """Dual scores that a function computes from embeddings as they are read.

    Parameters
    ----------
    function : callable
        Takes an ndarray, float32 or float64, shape (`BLOCK_ROWS`, d), and returns one finite number
        for each row. If fewer rows are left, the last one is repeated.
    """

    def __init__(self, function: Callable[[NDArray[Any]], Any]) -> None:
        self._function = function

    @property
    def fingerprint(self) -> str | None:
        """The function's own `fingerprint`, which tells it from other functions, if it has one."""
        text = getattr(self._function, "fingerprint", None)
        return text if isinstance(text, str) and text else None

    def scores(
        self, rows: Rows, first: int, eligible: NDArray[np.bool_] | None
    ) -> NDArray[np.float64]:
        """Return the scores of rows from pool index `first` on; NaN if not eligible.

        Raises
        ------
        ValueError, TypeError
            As `scores_of` does.
        """
        return self.scores_of(rows, range(first, first + len(rows)), eligible)

    def scores_of(
        self,
        rows: Rows,
        indices: Sequence[int] | NDArray[np.int64],
        eligible: NDArray[np.bool_] | None,
    ) -> NDArray[np.float64]:
        """Return the scores of the rows with these pool `indices`; NaN if not eligible.

        Raises
        ------
        ValueError, TypeError
            If the function does not return one finite number for each row. Errors that the function
            itself raises pass through.
        """
        rows = Rows(to_host(rows.array), rows.bf16)
        positions = np.arange(len(rows)) if eligible is None else np.flatnonzero(eligible)
        scores = np.full(len(rows), np.nan)
        for lo in range(0, len(positions), BLOCK_ROWS):
            part = positions[lo : lo + BLOCK_ROWS]
            block = as_float(rows.taken(_whole(part)))
            with _one_torch_thread():
                answer = self._function(block)
            scores[part] = _checked(answer)[: len(part)]
            if not (finite := np.isfinite(scores[part])).all():
                position = int(part[finite.argmin()])
                raise ValueError(
                    f"dual_scores: the function returned {scores[position]} for row "
                    f"{indices[position]}; needs finite values"
                )
        return scores


def _whole(positions: NDArray[np.int64]) -> slice | NDArray[np.int64]:
    """Return the positions of a whole block, as a slice if possible; the last one is repeated."""
    if positions[-1] - positions[0] == BLOCK_ROWS - 1:
        return slice(int(positions[0]), int(positions[-1]) + 1)
    return np.append(positions, np.full(BLOCK_ROWS - len(positions), positions[-1]))


@contextmanager
def _one_torch_thread() -> Iterator[None]:
    """Let torch compute on one thread: sharing rows among several changes how it rounds."""
    torch = sys.modules.get("torch")
    if torch is None:
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _checked(answer: Any) -> NDArray[np.float64]:
    """Return what the function gave for a block, as float64."""
    view = as_array(host_copy(answer), "dual_scores")
    if view.array.shape != (BLOCK_ROWS,):
        raise ValueError(
            f"dual_scores: the function returned shape {view.array.shape} for {BLOCK_ROWS} rows, "
            f"needs one number a row, ({BLOCK_ROWS},)"
        )
    if view.array.dtype.kind in "iu" and not view.bf16 and beyond_float64(view.array).any():
        raise ValueError(
            "dual_scores: the function returned integers that float64 cannot hold; needs integers "
            "up to 2**53"
        )
    return view.numbers().astype(np.float64)
