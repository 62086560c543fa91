"""Heads on frozen embeddings: the logistic regression and the MLP of scikit-learn."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast._optional import require
from ally_fast.experiments.protocol import HEADS

_PENALTIES = {
    "logistic": tuple(10.0**power for power in range(-3, 4)),
    "mlp": tuple(10.0**power for power in range(-4, 2)),
}
_HIDDEN, _EPOCHS, _BATCH, _RATE = 128, 200, 64, 0.002
_LOGISTIC_ITERATIONS = 300
_ROWS_AT_A_TIME = 8192


@dataclass(frozen=True)
class Head:
    """A head and its tuned setting.

    Attributes
    ----------
    kind : {"logistic", "mlp"}
        Multinomial logistic regression, fitted to its optimum; or an MLP with one hidden layer of
        128 units, ReLU, trained for 200 epochs of Adam at 0.002 with minibatches of 64.
    penalty : float
        Penalty on squared weights: 1 / C of scikit-learn's logistic regression, alpha of its MLP.
    """

    kind: str
    penalty: float

    def fit(
        self, rows: NDArray[np.float32], targets: NDArray[np.int64], classes: int, seed: int
    ) -> FittedHead:
        """Fit rows, shape (l, d), to targets in [0, classes); return the fitted head."""
        if len(np.unique(targets)) == 1:
            return FittedHead(None, targets[:1].copy(), classes, 0)
        if self.kind == "logistic":
            linear: Any = require("sklearn.linear_model", "sklearn", "a head")
            model = linear.LogisticRegression(C=1 / self.penalty, max_iter=_LOGISTIC_ITERATIONS)
        else:
            neural: Any = require("sklearn.neural_network", "sklearn", "a head")
            model = neural.MLPClassifier(
                (_HIDDEN,),
                alpha=self.penalty,
                batch_size=min(_BATCH, len(rows)),
                learning_rate_init=_RATE,
                max_iter=_EPOCHS,
                random_state=seed % 2**32,
            )
        with warnings.catch_warnings():
            # The number of epochs is fixed; a convex fit that ends early is close to its optimum.
            warnings.filterwarnings("ignore", message=".*(not|failed to|hasn't) converge")
            model.fit(rows, targets)
        return FittedHead(model, model.classes_, classes, int(np.max(model.n_iter_)))


@dataclass(frozen=True, eq=False)
class FittedHead:
    """A fitted head.

    Attributes
    ----------
    model : scikit-learn estimator, or None
        None if there was only one class to learn.
    known : ndarray of int64
        Classes among the training rows.
    classes : int
        Number of classes in all.
    epochs : int
        Number of epochs or iterations.
    """

    model: Any
    known: NDArray[np.int64]
    classes: int
    epochs: int

    def probabilities(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return class probabilities, shape (m, classes); 0 for a class not seen in training."""
        probabilities = np.zeros((len(rows), self.classes), np.float32)
        if self.model is None:
            probabilities[:, self.known[0]] = 1.0
            return probabilities
        for lo in range(0, len(rows), _ROWS_AT_A_TIME):
            part = self.model.predict_proba(rows[lo : lo + _ROWS_AT_A_TIME])
            probabilities[lo : lo + _ROWS_AT_A_TIME, self.known] = part
        return probabilities

    def last_inputs(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the inputs of the last layer: the rows, or the hidden layer."""
        if not hasattr(self.model, "coefs_"):
            return rows
        weights, bias = self.model.coefs_[0], self.model.intercepts_[0]
        hidden = np.empty((len(rows), len(bias)), np.float32)
        for lo in range(0, len(rows), _ROWS_AT_A_TIME):
            part = rows[lo : lo + _ROWS_AT_A_TIME] @ weights + bias
            hidden[lo : lo + _ROWS_AT_A_TIME] = np.maximum(part, 0)
        return hidden


def candidates(kind: str) -> tuple[Head, ...]:
    """Return the heads to choose from, in order of rising penalty."""
    assert kind in HEADS
    return tuple(Head(kind, penalty) for penalty in _PENALTIES[kind])
