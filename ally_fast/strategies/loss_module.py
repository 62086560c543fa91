"""The loss-prediction module of learning loss, and the loss that trains it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ally_fast._optional import require

if TYPE_CHECKING:
    import torch
else:
    torch = require("torch", "torch", "LossModule")

__all__ = ["LossModule", "ranking_loss"]


class LossModule(torch.nn.Module):  # type: ignore[misc, unused-ignore]
    """Predict a sample's loss from features at several depths of the model.

    The features of each block are averaged over space, mapped to `width` features and rectified.
    One linear layer reads them all.

    Parameters
    ----------
    channels : sequence of int
        Number of features of each block: axis 1 of its output.
    width : int
        Number of features that each block is mapped to.
    """

    def __init__(self, channels: Sequence[int], width: int = 128) -> None:
        super().__init__()
        self.blocks = torch.nn.ModuleList(torch.nn.Linear(size, width) for size in channels)
        self.head = torch.nn.Linear(width * len(channels), 1)

    def forward(self, features: Sequence[torch.Tensor]) -> torch.Tensor:
        """Return predicted losses, shape (m,), from one tensor (m, channels, ...) of each block."""
        if len(features) != len(self.blocks):
            raise ValueError(f"features: got {len(features)} blocks, needs {len(self.blocks)}")
        read = [
            torch.relu(block(feature.flatten(2).mean(2) if feature.ndim > 2 else feature))
            for block, feature in zip(self.blocks, features, strict=True)
        ]
        predicted: torch.Tensor = self.head(torch.cat(read, 1)).squeeze(1)
        return predicted


def ranking_loss(
    predicted: torch.Tensor, losses: torch.Tensor, margin: float = 1.0
) -> torch.Tensor:
    """Return the mean over pairs of ``max(0, margin - sign(l_i - l_j) (p_i - p_j))``.

    Sample i of the first half of the minibatch is paired with the i-th sample from its end. If the
    number of samples is odd, the middle one is left out. Losses are targets: no gradient flows into
    them.

    Parameters
    ----------
    predicted, losses : tensor, shape (m,)
    margin : float

    Raises
    ------
    ValueError
        If shapes differ, or if there is no pair.

    Notes
    -----
    Source: Yoo, Kweon, "Learning loss for active learning", CVPR 2019, eq. (2).
    """
    if predicted.shape != losses.shape or predicted.ndim != 1 or len(predicted) < 2:
        raise ValueError(
            f"predicted, losses: got shapes {tuple(predicted.shape)} and {tuple(losses.shape)}, "
            "needs the same (m,), m at least 2"
        )
    half = len(predicted) // 2
    gap = predicted[:half] - predicted.flip(0)[:half]
    order = torch.sign((losses - losses.flip(0))[:half].detach())
    return torch.clamp(margin - order * gap, min=0).mean()
