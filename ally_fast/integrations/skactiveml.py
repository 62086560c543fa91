"""A query strategy for scikit-activeml."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import ally_fast
from ally_fast._optional import require

_library = require("skactiveml.base", "skactiveml", "ally_fast.integrations.skactiveml")
_Strategy: Any = _library.SingleAnnotatorPoolQueryStrategy


class ALLYSampling(_Strategy):
    """Query the best samples of each cluster of the candidates.

    Parameters
    ----------
    k : int, optional
        Number of clusters; by default the batch size. At most one cluster per candidate.
    allocation, metric : str
        As for `ally_fast.select`.
    missing_label : scalar, str, None or nan
        The value in `y` of a sample without a label.
    random_state : int, RandomState or None, the seed of k-means
    """

    def __init__(
        self,
        k: int | None = None,
        allocation: str = "equal",
        metric: str = "euclidean",
        missing_label: Any = _library.MISSING_LABEL,
        random_state: Any = None,
    ) -> None:
        super().__init__(missing_label=missing_label, random_state=random_state)
        self.k = k
        self.allocation = allocation
        self.metric = metric

    def query(
        self,
        X: Any,
        y: Any,
        scores: Any | Callable[..., Any],
        candidates: Any = None,
        batch_size: int = 1,
        return_utilities: bool = False,
    ) -> Any:
        """Return the candidates to label next, in priority order.

        Parameters
        ----------
        X, y : array-like of shape (n_samples, n_features), and of shape (n_samples,)
            Embeddings and labels of all samples; `missing_label` for a sample without a label.
        scores : array-like or callable
            One score per sample in `X`, or per row of `candidates` if these are rows; higher ones
            come first. Or a function of rows: ``lambda X: 1 - clf.predict_proba(X).max(1)``.
        candidates : None, array-like of int, or array-like of shape (n_candidates, n_features)
            None: the unlabeled samples. Otherwise indices into `X`, or rows.
        batch_size, return_utilities : int, bool

        Returns
        -------
        query_indices : ndarray of int, shape (batch_size,), into `X`, or `candidates` if rows
        utilities : ndarray of float, shape (batch_size, n_samples or n_candidates)
            Row i is largest at pick i, and NaN for earlier picks and samples that cannot be picked.
        """
        X, y, candidates, batch_size, return_utilities = self._validate_data(
            X, y, candidates, batch_size, return_utilities, reset=True, check_X_dict={}
        )
        rows, mapping = self._transform_candidates(candidates, X, y)
        if not len(rows):
            raise ValueError("y: every sample has a label; needs unlabeled samples, or candidates")
        total = len(rows) if mapping is None else len(X)
        indices = np.arange(total) if mapping is None else mapping
        values = np.asarray(scores(rows) if callable(scores) else scores)
        needed = len(rows) if callable(scores) else total
        if values.shape != (needed,):
            raise ValueError(f"scores: got shape {values.shape}, needs one for each of {needed}")
        ranked = ally_fast.select(
            rows,
            values if callable(scores) else values[indices],
            len(rows) if return_utilities else batch_size,
            min(batch_size if self.k is None else self.k, len(rows)),
            allocation=self.allocation,
            metric=self.metric,
            seed=int(self.random_state_.randint(2**31 - 1)),
        )
        order = indices[ranked]
        if not return_utilities:
            return order
        utilities = np.full((batch_size, total), np.nan)
        for number, row in enumerate(utilities):
            row[order[number:]] = np.arange(len(order) - number, 0, -1) / len(order)
        return order[:batch_size], utilities
