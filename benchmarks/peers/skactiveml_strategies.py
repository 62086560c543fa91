"""Strategies of scikit-activeml, at their own settings, with a logistic regression.

Written against scikit-activeml 1.0. Each returns exactly b rows.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from skactiveml import pool
from skactiveml.classifier import SklearnClassifier
from sklearn.linear_model import LogisticRegression


def query(
    setting: str, rows: np.ndarray, labeled: np.ndarray, targets: np.ndarray, b: int
) -> Callable[[], np.ndarray]:
    """Return what chooses a batch.

    Parameters
    ----------
    setting : str
        The strategy's name.
    rows : numpy.ndarray of shape (n, d)
    labeled, targets : numpy.ndarray of shape (l,)
        Rows that have a label, and these.
    b : int
    """
    y = np.full(len(rows), np.nan)
    y[labeled] = targets
    strategy = getattr(pool, setting)(random_state=0)
    if setting in ("TypiClust", "MaxHerding"):
        return lambda: strategy.query(rows, y, batch_size=b)
    classes = np.arange(int(targets.max()) + 1)
    head = SklearnClassifier(LogisticRegression(max_iter=300), classes=classes, random_state=0)
    head.fit(rows[labeled], y[labeled])
    return lambda: strategy.query(rows, y, head, fit_clf=False, batch_size=b)
