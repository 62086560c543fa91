"""Samples by position, from arrays, tensors, datasets or loaders."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ally_fast.arrays import as_array, is_torch
from ally_fast.primal_dual._torch import torch
from ally_fast.primal_dual.dataset_samples import DatasetSamples


class Samples(Protocol):
    """Labeled samples, or unlabeled samples with None as targets."""

    def __len__(self) -> int:
        """Return the number of samples."""

    def batches(self, positions: Sequence[NDArray[np.int64]]) -> Iterator[tuple[Any, Any]]:
        """Yield (inputs, targets) for each array of positions; only one iteration at a time."""

    def at_hand(self) -> tuple[torch.Tensor, torch.Tensor] | None:
        """Return the inputs and targets of all samples if they are in tensors, else None."""


def labeled_samples(data: Any) -> Samples:
    """Return the samples of a labeled set.

    Parameters
    ----------
    data : (inputs, targets), Dataset or DataLoader
        Any form that `PrimalDualTrainer.fit` takes.
    """
    if isinstance(data, tuple | list) and len(data) == 2 and not _is_dataset(data):
        inputs, targets = (_as_tensor(x, name) for x, name in zip(data, _NAMES, strict=True))
        if len(inputs) != len(targets):
            raise ValueError(
                f"data: got {len(inputs)} inputs and {len(targets)} targets, needs as many targets "
                "as inputs"
            )
        return _Tensors(inputs, targets)
    return DatasetSamples(data, labeled=True)


def unlabeled_samples(data: Any) -> Samples:
    """Return samples without targets: targets in `data` are ignored; an array holds inputs."""
    if is_torch(data) or hasattr(data, "__array__") or hasattr(data, "__dlpack__"):
        return _Tensors(_as_tensor(data, "inputs"), None)
    if isinstance(data, tuple | list) and len(data) == 2 and not _is_dataset(data):
        return _Tensors(_as_tensor(data[0], "inputs"), None)
    return DatasetSamples(data, labeled=False)


_NAMES = ("inputs", "targets")


def _as_tensor(x: Any, name: str) -> torch.Tensor:
    if isinstance(x, torch.Tensor):
        return x.detach()
    array = as_array(x, name, allow_bool=True)
    writable = array.array if array.array.flags.writeable else array.array.copy()
    tensor = torch.from_numpy(writable.view(np.int16) if array.bf16 else writable)
    return tensor.view(torch.bfloat16) if array.bf16 else tensor


def _is_dataset(data: Any) -> bool:
    return isinstance(data, torch.utils.data.Dataset | torch.utils.data.DataLoader)


class _Tensors:
    def __init__(self, inputs: torch.Tensor, targets: torch.Tensor | None) -> None:
        self._inputs, self._targets = inputs, targets

    def __len__(self) -> int:
        return len(self._inputs)

    def batches(self, positions: Sequence[NDArray[np.int64]]) -> Iterator[tuple[Any, Any]]:
        for rows in positions:
            index = torch.from_numpy(rows)
            targets = None if self._targets is None else self._targets[index]
            yield self._inputs[index], targets

    def at_hand(self) -> tuple[torch.Tensor, torch.Tensor] | None:
        return None if self._targets is None else (self._inputs, self._targets)
