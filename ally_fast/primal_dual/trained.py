"""The result of primal-dual training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast.primal_dual._torch import torch
from ally_fast.primal_dual.embeddings import embed


@dataclass(frozen=True)
class EpochRecord:
    """One iteration of Algorithm 1.

    Attributes
    ----------
    epoch : int
        Number of the epoch, from 1.
    loss : float
        Mean objective over the minibatches of the last primal step, each before its own update.
    validation_loss : float or None
        Mean objective over the validation split, after the primal steps; None without a split.
    active_share : float
        Share of multipliers above 0, after the dual update.
    mean_multiplier, max_multiplier : float
        Mean and largest multiplier, after the dual update.
    """

    epoch: int
    loss: float
    validation_loss: float | None
    active_share: float
    mean_multiplier: float
    max_multiplier: float


@dataclass(frozen=True, eq=False)
class TrainedModel:
    """A model and the multipliers that belong to its weights.

    Attributes
    ----------
    model : nn.Module
        Your model, with the weights of the kept epoch, in evaluation mode.
    model_state : dict of str to Tensor
        A copy of its state, on the CPU.
    multipliers : ndarray of float32, shape (n_trained,)
        The multipliers after the dual update of the kept epoch; row i belongs to ``positions[i]``.
    positions : ndarray of int64, shape (n_trained,)
        Positions of the training samples in the labeled set, ascending.
    validation_positions : ndarray of int64
        Positions of the held-out samples, which have no multiplier.
    epoch : int
        The kept epoch: the best on the validation split, or the last without a split.
    history : tuple of EpochRecord
        All epochs, including those after the kept one.
    stopped : {"max_epochs", "patience", "nonfinite"}
        Why training ended.
    embedding_layer : str or None
        The trainer's setting.
    device : str
        The device of the training.
    seed : int
        The trainer's setting.
    """

    model: torch.nn.Module
    model_state: Mapping[str, Any]
    multipliers: NDArray[np.float32]
    positions: NDArray[np.int64]
    validation_positions: NDArray[np.int64]
    epoch: int
    history: tuple[EpochRecord, ...]
    stopped: str
    embedding_layer: str | None
    device: str
    seed: int

    def embed(
        self, data: Any, *, batch_size: int = 256, out: NDArray[Any] | None = None
    ) -> NDArray[Any]:
        """Return the embeddings of inputs, (n, d); see `ally_fast.primal_dual.embed`."""
        return embed(
            self.model,
            data,
            embedding_layer=self.embedding_layer,
            batch_size=batch_size,
            out=out,
        )
