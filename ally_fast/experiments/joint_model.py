"""A model and the module that predicts its losses, trained together (learning loss)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ally_fast.primal_dual._torch import torch
from ally_fast.primal_dual.losses import per_sample
from ally_fast.strategies.loss_module import LossModule, ranking_loss


class JointModel(torch.nn.Module):  # type: ignore[misc, unused-ignore]
    """Append the predicted loss of each sample to the outputs of a model.

    Parameters
    ----------
    model : module
        Has ``features``, ``last`` and ``widths``, as the models of `ally_fast.experiments.models`.
    seed : int
        Seed of the loss module's weights.
    """

    def __init__(self, model: Any, seed: int) -> None:
        super().__init__()
        self.model = model
        with torch.random.fork_rng([]):
            torch.manual_seed(seed)
            self.loss_module = LossModule(model.widths)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return (outputs with the predicted losses as an extra column, embeddings)."""
        features = self.model.features(x)
        outputs = self.model.last(features[-1])
        predicted = self.loss_module(features)
        return torch.cat([outputs, predicted[:, None]], 1), features[-1]


def joint_loss(loss: str, weight: float) -> Callable[[Any, Any], torch.Tensor]:
    """Return a loss: each sample's own loss plus the ranking loss of the minibatch.

    Without gradients, as on the validation split, it is only the sample's own loss. So the module
    does not affect when training stops.
    """

    def joint(outputs: Any, targets: Any) -> torch.Tensor:
        own = per_sample(loss, outputs[:, :-1], targets, "loss", len(outputs))
        if not torch.is_grad_enabled() or len(own) < 2:
            return own
        return own + weight * ranking_loss(outputs[:, -1], own)

    return joint
