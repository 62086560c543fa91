"""Samples by their places, from whatever holds them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from ally_fast.arrays import as_array, is_torch
from ally_fast.primal_dual._torch import torch


class Samples(Protocol):
    """Labeled samples, or unlabeled ones, whose targets are None."""

    def __len__(self) -> int:
        """Return how many there are."""

    def batches(self, positions: Sequence[NDArray[np.int64]]) -> Iterator[tuple[Any, Any]]:
        """Yield (inputs, targets) for each array of places."""

    def all_targets(self) -> torch.Tensor | None:
        """Return the targets of all samples, if they are at hand."""


def labeled_samples(data: Any) -> Samples:
    """Return the samples of a labeled set.

    Parameters
    ----------
    data : (inputs, targets), Dataset or DataLoader
        Two arrays or tensors of as many rows; or a map-style dataset whose samples are (input,
        target) or mappings with a key "labels"; or a DataLoader, of which dataset, collation and
        workers are used, not its order or batch size.
    """
    if isinstance(data, tuple | list) and len(data) == 2 and not _is_dataset(data):
        inputs, targets = (_as_tensor(x, name) for x, name in zip(data, _NAMES, strict=True))
        if len(inputs) != len(targets):
            raise ValueError(f"data: got {len(inputs)} inputs and {len(targets)} targets")
        return _Tensors(inputs, targets)
    return _dataset(data, labeled=True)


def unlabeled_samples(data: Any) -> Samples:
    """Return samples whose targets, if there are any, play no part; an array holds inputs."""
    if is_torch(data) or hasattr(data, "__array__") or hasattr(data, "__dlpack__"):
        return _Tensors(_as_tensor(data, "inputs"), None)
    if isinstance(data, tuple | list) and len(data) == 2 and not _is_dataset(data):
        return _Tensors(_as_tensor(data[0], "inputs"), None)
    return _dataset(data, labeled=False)


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


def _dataset(data: Any, *, labeled: bool) -> Samples:
    loader = data if isinstance(data, torch.utils.data.DataLoader) else None
    dataset = data if loader is None else loader.dataset
    if isinstance(dataset, torch.utils.data.IterableDataset) or not (
        hasattr(dataset, "__getitem__") and hasattr(dataset, "__len__")
    ):
        raise TypeError(
            f"data: got {type(data).__name__}, needs {'(inputs, targets)' if labeled else 'inputs'}"
            ", a dataset with __len__ and __getitem__, or a DataLoader of one"
        )
    return _Dataset(dataset, loader, labeled)


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

    def all_targets(self) -> torch.Tensor | None:
        return self._targets


class _Dataset:
    def __init__(self, dataset: Any, loader: Any, labeled: bool) -> None:
        self._dataset, self._labeled = dataset, labeled
        self._options = {
            name: getattr(loader, name)
            for name in ("collate_fn", "num_workers", "pin_memory", "worker_init_fn")
            if loader is not None
        }

    def __len__(self) -> int:
        return len(self._dataset)

    def batches(self, positions: Sequence[NDArray[np.int64]]) -> Iterator[tuple[Any, Any]]:
        rows: Any = [batch.tolist() for batch in positions]
        loader: Any = torch.utils.data.DataLoader(
            self._dataset, batch_sampler=rows, generator=_worker_seeds(), **self._options
        )
        for batch in loader:
            yield self._split(batch)

    def all_targets(self) -> torch.Tensor | None:
        return None

    def _split(self, batch: Any) -> tuple[Any, Any]:
        if isinstance(batch, Mapping):
            inputs = {name: batch[name] for name in batch if name != "labels"}
            targets = batch.get("labels")
        elif isinstance(batch, tuple | list) and len(batch) == 2:
            inputs, targets = batch
        else:
            inputs, targets = batch, None
        if self._labeled and targets is None:
            raise ValueError(
                f"data: a batch is {type(batch).__name__}, needs (inputs, targets), or a mapping "
                "with the targets under 'labels'"
            )
        return inputs, targets


def _worker_seeds() -> torch.Generator:
    """Return a generator with the seed of torch's global one, from which it draws nothing."""
    return torch.Generator().manual_seed(torch.initial_seed())


def to_device(x: Any, device: torch.device) -> Any:
    """Move tensors, and mappings and sequences of them."""
    if isinstance(x, torch.Tensor):
        return x.to(device, non_blocking=True)
    if isinstance(x, Mapping):
        return {name: to_device(value, device) for name, value in x.items()}
    if isinstance(x, tuple | list):
        return type(x)(cast(Any, [to_device(value, device) for value in x]))
    return x
