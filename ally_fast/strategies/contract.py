"""What a strategy gets, and what it returns."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ally_fast import checks


@runtime_checkable
class Strategy(Protocol):
    """A rule that says which rows of a pool to label next.

    Attributes
    ----------
    name : str
        Its messages begin with this name.
    """

    name: str

    def query(self, context: Context, b: int) -> NDArray[np.int64]:
        """Return exactly `b` distinct pool indices, none of them excluded.

        The answer depends only on the arguments of the strategy, on `b`, and on the context: the
        pieces that the strategy needs, and the seed. The call changes none of these, nor the random
        state of any library.

        Raises
        ------
        ValueError
            If the context lacks a piece (the message names it), a piece cannot be used, or there
            are fewer than `b` rows to choose from.
        """
        ...


@dataclass(frozen=True, eq=False, kw_only=True)
class Context:
    """What is known about a pool of ``n`` rows; each strategy takes only what it needs.

    Arrays may be of any kind that `ally_fast.select` takes, in any memory: NumPy, memory maps,
    tensors. A piece that may come by chunk is an array, or a callable ``(lo, hi) -> part`` that
    always returns the same part for the same rows. Excluded rows may hold anything.

    Attributes
    ----------
    n : int, optional
        Number of rows of the pool; needed if no array tells it.
    embeddings : array, shape (n, d), or pool
        Embeddings of the pool.
    exclude : array, optional
        Rows that are never taken, such as labeled ones: a bool mask, shape (n,), or integer
        indices.
    labeled_embeddings : array, shape (l, d)
        Embeddings of the labeled set.
    labeled_targets : array, shape (l, ...)
        Targets of the labeled set. Class numbers must be integers: floating-point targets mean a
        regression task.
    labeled_probabilities : array, shape (l, C), optional
        Class probabilities of labeled rows, each from a model that was not trained on the row
        (cross-validation). `ClusterMargin` then warns you of a model near chance.
    probabilities : array, shape (n, C), or by chunk
        Class probabilities of the pool.
    mc_probabilities : array, shape (T, n, C), or by chunk
        Class probabilities of T stochastic passes (MC dropout). A chunk is an array (T, m, C), or
        an iterable of T arrays (m, C), so that only one of them need be in memory.
    predicted_losses : array, shape (n,), or by chunk
        From a loss-prediction module, such as `ally_fast.strategies.loss_module.LossModule`.
    multipliers : array, shape (l,)
        Dual variables of the labeled set.
    dual_scores : array, shape (n,)
        Predicted dual variables of the pool.
    seed : int
        In ``[0, 2**64)``.
    device : str
        As for `ally_fast.select`.
    chunk_rows : int, optional
        Number of rows to ask for at once. It does not change the answer.

    Examples
    --------
    >>> import numpy as np
    >>> from ally_fast.strategies import MarginSampling
    >>> probabilities = np.array([[0.9, 0.1], [0.5, 0.5], [0.4, 0.6], [0.0, 1.0]])
    >>> MarginSampling().query(Context(probabilities=probabilities, exclude=[1]), b=2)
    array([2, 0])
    """

    n: int | None = None
    embeddings: Any = None
    exclude: Any = None
    labeled_embeddings: Any = None
    labeled_targets: Any = None
    labeled_probabilities: Any = None
    probabilities: Any = None
    mc_probabilities: Any = None
    predicted_losses: Any = None
    multipliers: Any = None
    dual_scores: Any = None
    seed: int = 0
    device: Any = "auto"
    chunk_rows: int | None = None

    def __post_init__(self) -> None:
        """Check the numbers; each strategy checks the pieces that it needs."""
        checks.seed(self.seed)
        for name in ("n", "chunk_rows"):
            if getattr(self, name) is not None:
                checks.integer(getattr(self, name), name, name == "chunk_rows")

    def demand(self, strategy: str, *pieces: str) -> None:
        """Raise ValueError if one of the pieces is missing."""
        missing = [piece for piece in pieces if getattr(self, piece) is None]
        if missing:
            names = [
                field.name
                for field in fields(self)
                if getattr(self, field.name) is not field.default
            ]
            raise ValueError(
                f"{strategy}: the context lacks {', '.join(missing)}; it has "
                f"{', '.join(names) or 'nothing'}"
            )
