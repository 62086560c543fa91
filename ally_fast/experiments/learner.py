"""The model of a round, trained on the labeled set."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast.experiments.arm import CONSTRAINED, Arm
from ally_fast.experiments.datasets import Dataset
from ally_fast.experiments.joint_model import JointModel, joint_loss
from ally_fast.experiments.models import build_model
from ally_fast.experiments.protocol import CONSTANT, Protocol
from ally_fast.primal_dual._torch import torch
from ally_fast.primal_dual.trained import TrainedModel
from ally_fast.primal_dual.trainer import PrimalDualTrainer

_ROWS_AT_A_TIME = 2048


@dataclass(frozen=True, eq=False)
class Learner:
    """A trained model and its training rows.

    Attributes
    ----------
    dataset : Dataset
    trained : TrainedModel
    labeled : ndarray of int64
        Pool rows of the labeled set; ``trained.positions`` are positions in it.
    seconds : float
        Time of the training.
    """

    dataset: Dataset
    trained: TrainedModel
    labeled: NDArray[np.int64]
    seconds: float

    @property
    def epochs(self) -> int:
        """Number of epochs trained."""
        return len(self.trained.history)

    @property
    def kept_epoch(self) -> int:
        """The epoch whose weights were kept."""
        return self.trained.epoch

    def space(self, embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the embeddings that strategies cluster: the model's embeddings."""
        return embeddings

    def predict(
        self, inputs: NDArray[Any], *, dropout_seed: int | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return outputs (n, C) and embeddings (n, d).

        Parameters
        ----------
        inputs : array, shape (n, ...)
        dropout_seed : int, optional
            Keep dropout on and draw it from this seed; all other modules are in evaluation mode.
        """
        parts = list(self._parts(inputs, dropout_seed))
        outputs, embeddings = (np.concatenate(of) for of in zip(*parts, strict=True))
        return outputs, embeddings

    def _parts(
        self, inputs: NDArray[Any], dropout_seed: int | None
    ) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
        model, device = self.trained.model, torch.device(self.trained.device)
        model.eval()
        with torch.no_grad(), torch.random.fork_rng([device] if device.type == "cuda" else []):
            if dropout_seed is not None:
                torch.manual_seed(dropout_seed)
                for module in model.modules():
                    module.training = isinstance(module, torch.nn.Dropout)
            for lo in range(0, len(inputs), _ROWS_AT_A_TIME):
                part = torch.from_numpy(inputs[lo : lo + _ROWS_AT_A_TIME]).to(device)
                outputs, embeddings = model(part)
                yield outputs.float().cpu().numpy(), embeddings.float().cpu().numpy()
        model.eval()

    def of_space(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the last layer's class probabilities for rows in the space of `space`."""
        model: Any = self.trained.model
        with torch.no_grad():
            outputs = model.last(torch.from_numpy(rows).to(self.trained.device))
        return softmax(outputs.float().cpu().numpy())

    def held_out(self) -> NDArray[np.float32] | None:
        """Return None: no network is trained that has not seen the labeled rows."""
        return None

    def losses(self, outputs: NDArray[np.float32], targets: NDArray[Any]) -> NDArray[np.float64]:
        """Return the loss of each sample: cross-entropy, or squared error."""
        if self.dataset.task == "regression":
            squares: NDArray[np.float64] = np.square(outputs[:, 0].astype(np.float64) - targets)
            return squares
        return softmax_losses(outputs[:, : self.dataset.classes], targets)

    def probabilities(self, outputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return class probabilities."""
        return softmax(outputs[:, : self.dataset.classes])


def softmax_losses(logits: NDArray[np.float32], targets: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the cross-entropy of each sample."""
    own = softmax(logits).astype(np.float64)[np.arange(len(targets)), targets]
    losses: NDArray[np.float64] = -np.log(np.maximum(own, 1e-30))
    return losses


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return class probabilities in float32, computed in float64."""
    wide = logits.astype(np.float64)
    wide = np.exp(wide - wide.max(axis=1, keepdims=True))
    shares: NDArray[np.float32] = (wide / wide.sum(axis=1, keepdims=True)).astype(np.float32)
    return shares


def learn(
    dataset: Dataset,
    protocol: Protocol,
    arm: Arm,
    labeled: NDArray[np.int64],
    seed: int,
) -> Learner:
    """Train a new model on the labeled rows of the pool.

    Parameters
    ----------
    labeled : ndarray of int64
        Pool rows.
    seed : int
        Seed of weights, split, shuffles and dropout. It is the same for every arm, so that arms
        differ only in the rows that they label.
    """
    began = time.perf_counter()
    model = build_model(dataset, seed, arm.of_model.get("dropout", 0.0))
    joint = arm.strategy == "learning_loss"
    if joint:
        model = JointModel(model, seed)
    inputs = torch.from_numpy(dataset.inputs[labeled])
    targets = torch.from_numpy(dataset.targets[labeled])
    trained = trainer_of(dataset.task, protocol, arm, seed).fit(model, (inputs, targets))
    return Learner(dataset, trained, labeled, time.perf_counter() - began)


def trainer_of(task: str, protocol: Protocol, arm: Arm, seed: int) -> PrimalDualTrainer:
    """Return the trainer of an arm's models.

    Raises
    ------
    ValueError
        If a setting of the protocol cannot be used.
    """
    loss: Any = "cross_entropy" if task == "classification" else "squared_error"
    if arm.strategy == "learning_loss":
        loss = joint_loss(loss, arm.of_model["weight"])
    constrained = arm.training == CONSTRAINED
    return PrimalDualTrainer(
        epsilon=protocol.epsilon_for(task),
        loss=loss,
        primal_lr=protocol.primal_lr if protocol.schedule == CONSTANT else protocol.rate_at,
        # With multipliers of 0 the objective is the mean loss; "batch" avoids the pass for slacks.
        dual_lr=protocol.dual_lr if constrained else 0.0,
        dual_update=protocol.dual_update if constrained else "batch",
        primal_steps=protocol.primal_steps,
        max_epochs=protocol.max_epochs,
        batch_size=protocol.batch_size,
        validation=protocol.validation,
        patience=protocol.patience,
        device=protocol.device,
        seed=seed,
    )
