"""The models of the paper: an MLP, and a ResNet-18 of 16-32-64-128 channels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast.experiments.datasets import Dataset
from ally_fast.primal_dual._torch import torch

_STATISTICS_ROWS = 10_000


class Standardize(torch.nn.Module):  # type: ignore[misc, unused-ignore]
    """Scale images of bytes to mean 0 and deviation 1 by channel; leave features unchanged.

    Parameters
    ----------
    inputs : array, shape (n, d) or (n, channels, height, width)
        The pool; only some evenly spaced rows are read.
    """

    mean: torch.Tensor
    scale: torch.Tensor

    def __init__(self, inputs: NDArray[Any]) -> None:
        super().__init__()
        self.images = inputs.dtype == np.uint8
        mean, deviation = np.zeros(1), np.ones(1)
        if self.images:
            sample = inputs[:: max(1, len(inputs) // _STATISTICS_ROWS)] / 255.0
            axes = (0, *range(2, inputs.ndim)) if inputs.ndim > 2 else None
            mean, deviation = sample.mean(axes, keepdims=True), sample.std(axes, keepdims=True)
            deviation = np.where(deviation > 0, deviation, 1.0)
        self.register_buffer("mean", torch.tensor(255.0 * mean, dtype=torch.float32))
        self.register_buffer("scale", torch.tensor(1 / (255.0 * deviation), dtype=torch.float32))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the inputs as float32, scaled if they are images."""
        return (x.float() - self.mean) * self.scale if self.images else x.float()


class MLP(torch.nn.Module):  # type: ignore[misc, unused-ignore]
    """An MLP with two hidden layers of 256 and ReLU; its last layer reads the embedding.

    Parameters
    ----------
    standardize : module
        The first module.
    d, outputs : int
        Number of input features; number of classes, or 1.
    dropout : float
        Dropout after each hidden layer.
    """

    widths = (256, 256)

    def __init__(
        self, standardize: torch.nn.Module, d: int, outputs: int, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.standardize = standardize
        self.first = torch.nn.Linear(d, 256)
        self.second = torch.nn.Linear(256, 256)
        self.dropout = torch.nn.Dropout(dropout)
        self.last = torch.nn.Linear(256, outputs)

    def features(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Return the output of each block; the last one is the embedding."""
        first = self.dropout(torch.relu(self.first(self.standardize(x).flatten(1))))
        return [first, self.dropout(torch.relu(self.second(first)))]

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return (outputs, embeddings)."""
        embeddings = self.features(x)[-1]
        return self.last(embeddings), embeddings


class _Block(torch.nn.Module):  # type: ignore[misc, unused-ignore]
    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        convolution = torch.nn.Conv2d
        self.body = torch.nn.Sequential(
            convolution(inputs, width, 3, stride, 1, bias=False),
            torch.nn.BatchNorm2d(width),
            torch.nn.ReLU(),
            convolution(width, width, 3, 1, 1, bias=False),
            torch.nn.BatchNorm2d(width),
        )
        self.past: torch.nn.Module = torch.nn.Identity()
        if stride != 1 or inputs != width:
            self.past = torch.nn.Sequential(
                convolution(inputs, width, 1, stride, bias=False), torch.nn.BatchNorm2d(width)
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.body(x) + self.past(x))


class ResNet18(torch.nn.Module):  # type: ignore[misc, unused-ignore]
    """A ResNet-18 for images of 32 x 32: four stages of two blocks, embeddings of 128.

    Parameters
    ----------
    standardize : module
        The first module.
    channels, outputs : int
        Number of image channels; number of classes, or 1.
    dropout : float
        Dropout before the last layer.

    Notes
    -----
    Source: He et al. 2016.
    """

    widths = (16, 32, 64, 128)

    def __init__(
        self, standardize: torch.nn.Module, channels: int, outputs: int, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.standardize = standardize
        self.stem = torch.nn.Sequential(
            torch.nn.Conv2d(channels, 16, 3, 1, 1, bias=False),
            torch.nn.BatchNorm2d(16),
            torch.nn.ReLU(),
        )
        stages, before = [], 16
        for width in self.widths:
            stride = 1 if width == 16 else 2
            stages.append(
                torch.nn.Sequential(_Block(before, width, stride), _Block(width, width, 1))
            )
            before = width
        self.stages = torch.nn.ModuleList(stages)
        self.dropout = torch.nn.Dropout(dropout)
        self.last = torch.nn.Linear(128, outputs)

    def features(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Return the output of each stage; the last one is the embedding."""
        x = self.stem(self.standardize(x))
        outputs = []
        for stage in self.stages:
            x = stage(x)
            outputs.append(x)
        outputs[-1] = self.dropout(x.mean((2, 3)))
        return outputs

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return (outputs, embeddings)."""
        embeddings = self.features(x)[-1]
        return self.last(embeddings), embeddings


def build_model(dataset: Dataset, seed: int, dropout: float = 0.0) -> torch.nn.Module:
    """Return the paper's model for a data set: the ResNet for images with channels, else the MLP.

    Its weights depend only on `seed`; torch's random state does not change.
    """
    standardize = Standardize(dataset.inputs)
    outputs = dataset.classes or 1
    shape: Sequence[int] = dataset.inputs.shape[1:]
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        if len(shape) == 3:
            return ResNet18(standardize, shape[0], outputs, dropout)
        return MLP(standardize, int(np.prod(shape)), outputs, dropout)
