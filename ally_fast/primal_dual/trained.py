"""What primal-dual training returns."""

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
        From 1.
    loss : float
        Mean objective over the minibatches of the last primal step, each before its own update.
    validation_loss : float or None
        Mean objective over the validation split, after the primal steps; None without a split.
    active_share : float
        Share of multipliers above 0, after the dual update, as are the next two.
    mean_multiplier, max_multiplier : float
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
        The one given, with the weights kept, in evaluation mode.
    model_state : dict of str to Tensor
        A copy of its state, on the CPU.
    multipliers : ndarray of float32, shape (n_trained,)
        Those after the dual update of the epoch kept; row i belongs to ``positions[i]``.
    positions : ndarray of int64, shape (n_trained,)
        Places in the labeled set of the samples trained on, in rising order.
    validation_positions : ndarray of int64
        Places of those held out; they have no multiplier.
    epoch : int
        The epoch kept: the best on the validation split; without one, the last.
    history : tuple of EpochRecord
        All epochs, those after the one kept included.
    stopped : {"max_epochs", "patience", "nonfinite"}
        Why training ended.
    embedding_layer : str or None
    device : str
        Where it ran.
    seed : int
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
        """Return the embeddings of inputs, (n, d), as `ally_fast.primal_dual.embed` does."""
        return embed(
            self.model,
            data,
            embedding_layer=self.embedding_layer,
            batch_size=batch_size,
            out=out,
        )
