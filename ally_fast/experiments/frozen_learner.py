"""The head of a round on frozen embeddings, as `Learner` is the network of a round."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast.experiments.arm import CONSTRAINED, Arm
from ally_fast.experiments.datasets import Dataset
from ally_fast.experiments.heads import FittedHead, Head
from ally_fast.experiments.learner import Learner, learn, softmax_losses
from ally_fast.experiments.out_of_fold import out_of_fold
from ally_fast.experiments.protocol import Protocol
from ally_fast.primal_dual.trained import TrainedModel

_LEAST = 1e-30  # of a probability


@dataclass(frozen=True, eq=False)
class FrozenLearner:
    """A head fitted to the labeled rows, and a network if the arm needs multipliers.

    Attributes
    ----------
    dataset, labeled, seconds
        See `Learner`.
    head : FittedHead
        Makes the predictions.
    setting : Head
        The head before fitting.
    network : Learner or None
        The paper's network on the same rows, which gives the multipliers.
    """

    dataset: Dataset
    head: FittedHead
    setting: Head
    labeled: NDArray[np.int64]
    seconds: float
    network: Learner | None = None

    @property
    def trained(self) -> TrainedModel | None:
        """The trained network with the multipliers, or None."""
        return None if self.network is None else self.network.trained

    @property
    def epochs(self) -> int:
        """Number of iterations of the head."""
        return self.head.epochs

    @property
    def kept_epoch(self) -> int:
        """The last iteration."""
        return self.head.epochs

    def predict(self, inputs: NDArray[Any]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return log-probabilities (n, C), and the inputs of the head's last layer."""
        shares = np.maximum(self.head.probabilities(inputs), np.float32(_LEAST))
        return np.log(shares), self.head.last_inputs(inputs)

    def space(self, last_inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the frozen embeddings of the pool."""
        return self.dataset.inputs

    def of_space(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the head's class probabilities for rows in the space of `space`."""
        return self.head.probabilities(rows)

    def held_out(self) -> NDArray[np.float32] | None:
        """Return class probabilities of each labeled row from a head that has not seen the row."""
        return out_of_fold(self.dataset, self.setting, self.labeled)

    def losses(self, outputs: NDArray[np.float32], targets: NDArray[Any]) -> NDArray[np.float64]:
        """Return the cross-entropy of each sample."""
        return softmax_losses(outputs, targets)

    def probabilities(self, outputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return class probabilities."""
        return np.exp(outputs)


def learn_head(
    dataset: Dataset,
    protocol: Protocol,
    arm: Arm,
    labeled: NDArray[np.int64],
    seed: int,
    head: Head,
) -> FrozenLearner:
    """Fit a head to the labeled rows of the pool; see `learn` for the parameters."""
    assert dataset.classes is not None
    began = time.perf_counter()
    network = None
    if arm.training == CONSTRAINED:
        network = learn(dataset, protocol, arm, labeled, seed)
    fitted = head.fit(dataset.inputs[labeled], dataset.targets[labeled], dataset.classes, seed)
    return FrozenLearner(dataset, fitted, head, labeled, time.perf_counter() - began, network)
