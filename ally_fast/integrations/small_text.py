"""A query strategy for small-text."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

import ally_fast
from ally_fast._optional import require

_library = require("small_text", "small-text", "ally_fast.integrations.small_text")
_Strategy: Any = _library.query_strategies.QueryStrategy


class ClusteredSampling(_Strategy):
    """Query the best texts of each cluster of the unlabeled texts.

    Parameters
    ----------
    k : int, optional
        Number of clusters; by default the number of texts queried. At most one cluster per text.
    **options
        As for `ally_fast.select`: ``metric``, ``allocation``, ``radius``, ``seed``.
    """

    def __init__(self, k: int | None = None, **options: Any) -> None:
        self.k = k
        self.options = options

    def query(
        self,
        clf: Any,
        dataset: Any,
        indices_unlabeled: NDArray[np.int64],
        indices_labeled: NDArray[np.int64],
        y: Any,
        n: int = 10,
        *,
        embeddings: Any = None,
        scores: Any = None,
    ) -> NDArray[np.int64]:
        """Return `n` of the unlabeled indices, in priority order.

        Parameters
        ----------
        clf : small_text Classifier
        dataset : small_text Dataset
        indices_unlabeled, indices_labeled : ndarray of int
        y : ndarray or csr_matrix
        n : int
            Number of texts to query.
        embeddings : array, shape (len(dataset), d), optional
            By default those of the classifier (``clf.embed``), if it has that method. Pass your own
            with ``learner.query(query_strategy_kwargs={"embeddings": ...})``.
        scores : array, shape (len(dataset),), optional
            Texts with higher scores are queried first. The default is one minus the largest class
            probability.
        """
        self._validate_query_input(indices_unlabeled, n)
        unlabeled: NDArray[np.int64] = np.asarray(indices_unlabeled)
        if embeddings is None and not hasattr(clf, "embed"):
            raise ValueError(
                f"embeddings: got None, but {type(clf).__name__} has no embed method; pass them"
            )
        if embeddings is None:
            rows = np.asarray(clf.embed(dataset[unlabeled]))
        else:
            rows = _of_all("embeddings", embeddings, dataset)[unlabeled]
        if scores is None:
            values = 1 - np.asarray(clf.predict_proba(dataset[unlabeled])).max(axis=1)
        else:
            values = _of_all("scores", scores, dataset)[unlabeled]
        clusters = min(n if self.k is None else self.k, len(rows))
        picks: NDArray[np.int64] = ally_fast.select(rows, values, n, clusters, **self.options)
        return unlabeled[picks]

    def __str__(self) -> str:
        """Return a call of the constructor."""
        options = {"k": self.k, **self.options}
        return f"ClusteredSampling({', '.join(f'{name}={options[name]!r}' for name in options)})"


def _of_all(name: str, values: Any, dataset: Any) -> NDArray[Any]:
    array = np.asarray(values)
    if array.shape[:1] != (len(dataset),):
        raise ValueError(
            f"{name}: got shape {array.shape}, needs one for each of {len(dataset)} texts"
        )
    return array
