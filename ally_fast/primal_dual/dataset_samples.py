"""Samples of a dataset, read by one DataLoader in changing order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast.primal_dual._torch import torch
from ally_fast.primal_dual.nests import collate, parts_of

_TARGETS = ("label", "labels")
# A namedtuple with one of these fields is a sample with its target, not a namedtuple of inputs.
_TARGET_FIELDS = {*_TARGETS, "target", "targets", "y"}
# Settings of the caller's DataLoader that say how to read, not what to read.
_KEPT = (
    *("num_workers", "prefetch_factor", "persistent_workers", "multiprocessing_context"),
    *("worker_init_fn", "timeout", "pin_memory", "collate_fn"),
)


class DatasetSamples:
    """Samples of a map-style dataset, or of the dataset of a DataLoader.

    Parameters
    ----------
    data : Dataset or DataLoader
    labeled : bool
        Whether each sample must have a target.

    Raises
    ------
    TypeError
        If `data` is neither, or its samples cannot be indexed by 0, 1, ...
    ValueError
        If the DataLoader selects samples, or its dataset makes the batches.

    Notes
    -----
    The DataLoader is built once, with the settings of the caller's DataLoader, so persistent
    workers start once. Batches always come in order, even with ``in_order=False``, because their
    places identify the samples. Worker seeds come from torch's global seed, not from `generator`.
    """

    def __init__(self, data: Any, *, labeled: bool) -> None:
        theirs = data if isinstance(data, torch.utils.data.DataLoader) else None
        dataset: Any = data if theirs is None else theirs.dataset
        if not _has_places(dataset):
            arrays = "(inputs, targets)" if labeled else "inputs"
            raise TypeError(
                f"data: got {type(data).__name__}, needs {arrays}, a dataset with __len__ and "
                "__getitem__, or a DataLoader of one"
            )
        options: dict[str, Any] = {"collate_fn": collate}
        if theirs is not None:
            _check_all_are_meant(theirs)
            options = {name: getattr(theirs, name) for name in _KEPT}
            if options["collate_fn"] is torch.utils.data.default_collate:
                options["collate_fn"] = collate
        self._dataset, self._labeled = dataset, labeled
        self._plain = options["collate_fn"] is collate
        self._order, self._seeds = _Order(), torch.Generator()
        self._loader: Any = torch.utils.data.DataLoader(
            dataset, batch_sampler=self._order, generator=self._seeds, **options
        )

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self._dataset)

    def batches(self, positions: Sequence[NDArray[np.int64]]) -> Iterator[tuple[Any, Any]]:
        """Yield (inputs, targets) for each array of positions; only one iteration at a time."""
        self._order.batches = [rows.tolist() for rows in positions]
        self._seeds.manual_seed(torch.initial_seed())
        for batch in self._loader:
            yield self._split(batch)

    def at_hand(self) -> tuple[torch.Tensor, torch.Tensor] | None:
        """Return the inputs and targets of all samples if they are in tensors, else None."""
        if type(self._dataset) is torch.utils.data.TensorDataset and self._plain:
            inputs, *others = self._dataset.tensors
            return (inputs, others[0]) if others else None
        return None

    def _split(self, batch: Any) -> tuple[Any, Any]:
        inputs, targets = _by_name(batch) or self._by_place(batch)
        if self._labeled and targets is None:
            raise ValueError(
                f"data: a batch is {_described(batch)}, needs (inputs, targets), "
                "(inputs, targets, index), or a mapping with the targets under 'label' or 'labels'"
            )
        return inputs, targets

    def _by_place(self, batch: Any) -> tuple[Any, Any]:
        if not isinstance(batch, tuple | list) or not 1 <= len(batch) <= 3:
            return batch, None
        fields = getattr(batch, "_fields", None)
        if fields is not None:
            if not self._labeled and not _TARGET_FIELDS & {*fields}:
                return batch, None
            if any(name in _TARGETS for place, name in enumerate(fields) if place != 1):
                raise ValueError(
                    f"data: a batch has the fields {', '.join(fields)}; needs the inputs first "
                    "and the targets second"
                )
        if len(batch) == 1:
            return (batch, None) if self._labeled else (batch[0], None)
        if len(batch) == 3:
            _check_index(batch[2])
        return batch[0], batch[1]


def _has_places(dataset: Any) -> bool:
    """Return whether 0, 1, ... index the samples, unlike those of a mapping or a table."""
    if isinstance(dataset, torch.utils.data.IterableDataset):
        return False
    by_place = hasattr(dataset, "__getitem__") and hasattr(dataset, "__len__")
    of_torch = isinstance(dataset, torch.utils.data.Dataset)
    return by_place and (of_torch or not hasattr(dataset, "keys"))


class _Order:
    """The positions of the next batches."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []

    def __iter__(self) -> Iterator[list[int]]:
        return iter(self.batches)

    def __len__(self) -> int:
        return len(self.batches)


def _by_name(batch: Any) -> tuple[Any, Any] | None:
    """Return the inputs of a mapping or dataclass by name, and its targets; else None."""
    if isinstance(batch, tuple | list) or (parts := parts_of(batch)) is None:
        return None
    names = [name for name in _TARGETS if name in parts]
    if len(names) > 1:
        raise ValueError("data: a batch has both 'label' and 'labels'; needs one of them")
    if not names and not isinstance(batch, Mapping):
        return batch, None
    inputs = {name: part for name, part in parts.items() if name not in names}
    return inputs, parts[names[0]] if names else None


def _check_index(index: Any) -> None:
    """Check that the third part of a batch is an index, which is ignored, and not weights."""
    values = index.tolist() if isinstance(index, torch.Tensor | np.ndarray) else index
    if isinstance(values, list | tuple):
        kinds = {type(value) for value in values}
        if kinds in ({int}, {str}) and len(set(values)) == len(values):
            return
    raise ValueError(
        f"data: the third part of a batch is {_described(index)}, needs an index: one integer or "
        "string for each sample, all distinct; it must not hold weights or other inputs"
    )


def _check_all_are_meant(loader: Any) -> None:
    """Raise ValueError if the DataLoader selects samples, or the dataset makes its batches.

    Its order and batch size are ignored, so samples that it leaves out would be used too.
    """
    if loader.batch_sampler is None:
        raise ValueError(
            "data: got a DataLoader with batch_size=None, whose dataset returns whole batches; "
            "needs one whose dataset returns samples"
        )
    sampler = getattr(loader.batch_sampler, "sampler", loader.sampler)
    weighted = isinstance(sampler, torch.utils.data.WeightedRandomSampler)
    repeats = weighted or getattr(sampler, "replacement", False) is True
    try:
        count = len(sampler)
    except TypeError:
        count = len(loader.dataset)
    if repeats or count != len(loader.dataset):
        how = "repeats samples" if repeats else f"gives {count} of {len(loader.dataset)} samples"
        raise ValueError(
            f"data: the DataLoader's {type(sampler).__name__} {how}, but training reads each "
            "sample once; needs a loader of only the labeled samples, such as "
            "torch.utils.data.Subset(dataset, indices)"
        )


def _described(x: Any) -> str:
    if isinstance(x, torch.Tensor):
        return f"{str(x.dtype).removeprefix('torch.')} of shape {tuple(x.shape)}"
    size = f" of {len(x)}" if isinstance(x, tuple | list) else ""
    return f"{type(x).__name__}{size}"
