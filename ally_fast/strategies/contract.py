"""What a strategy is given, and what it gives back."""

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
        Opens its messages.
    """

    name: str

    def query(self, context: Context, b: int) -> NDArray[np.int64]:
        """Return exactly `b` distinct pool indices, none of them excluded.

        The answer depends on the strategy's arguments, the pieces of the context it needs, its
        seed and `b`. Nothing that it is given is changed, nor the random state of any library.

        Raises
        ------
        ValueError
            If the context lacks a piece (named), a piece cannot be used, or there are fewer than
            `b` rows to choose from.
        """
        ...


@dataclass(frozen=True, eq=False, kw_only=True)
class Context:
    """What is known of a pool of ``n`` rows; each strategy takes only what it needs.

    Arrays are of any kind that `ally_fast.select` takes, in any memory: NumPy, memory maps,
    tensors. Pieces that can be given by chunk are an array, or a callable ``(lo, hi) -> part`` that
    gives the same part whenever it is asked. Of excluded rows nothing is asked or used.

    Attributes
    ----------
    n : int, optional
        Rows of the pool; needed if no array says it.
    embeddings : array, shape (n, d), or pool
        Of the pool.
    exclude : array, optional
        Rows never taken, those labeled already say: a bool mask, shape (n,), or integer indices.
    labeled_embeddings : array, shape (l, d)
        Of the labeled set.
    labeled_targets : array, shape (l, ...)
        Class numbers are integers: from floating-point targets follows a regression task.
    labeled_probabilities : array, shape (l, C), optional
        Class probabilities of labeled rows, each by a model that was not trained on it
        (cross-validation): `ClusterMargin` then warns of a model near chance.
    probabilities : array, shape (n, C), or by chunk
        The model's class probabilities.
    mc_probabilities : array, shape (T, n, C), or by chunk
        The same of T stochastic passes (MC dropout). By chunk: an array (T, m, C), or an iterable
        of T arrays (m, C), so that one of them is in memory at a time.
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
        Rows asked for at once. Does not change the answer.

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
        """Check the numbers; pieces are checked by who needs them."""
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
