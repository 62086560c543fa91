"""Nests: mappings, sequences, namedtuples and dataclasses of tensors, at any depth."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol, runtime_checkable

from ally_fast.primal_dual._torch import torch


def parts_of(x: Any) -> dict[Any, Any] | None:
    """Return the parts of a nest by key, field or place; None for anything else."""
    if isinstance(x, Mapping):
        return dict(x)
    if isinstance(x, _Dataclass):
        return {name: getattr(x, name) for name in x.__dataclass_fields__ if hasattr(x, name)}
    if isinstance(x, tuple | list):
        return dict(enumerate(x))
    return None


def with_parts(x: Any, parts: Mapping[Any, Any]) -> Any:
    """Return a nest of the same class as `x`, with other parts under the same names.

    A mapping becomes a dict if its class cannot be built from a mapping, as with torch's
    ``default_collate``. A dataclass is copied, not built: its checks of a sample may fail a batch.
    """
    cls: Any = type(x)
    if isinstance(x, Mapping):
        try:
            return cls(parts)
        except TypeError:
            return dict(parts)
    if isinstance(x, _Dataclass):
        filled = copy.copy(x)
        for name, part in parts.items():
            object.__setattr__(filled, name, part)  # a frozen one, too
        return filled
    return getattr(cls, "_make", cls)(parts.values())


def to_device(x: Any, device: torch.device) -> Any:
    """Move tensors, other objects with a method ``to``, and nests of them to a device."""
    if isinstance(x, torch.Tensor):
        return x.to(device, non_blocking=True)
    if callable(getattr(x, "to", None)):
        return x.to(device)
    parts = parts_of(x)
    if parts is None:
        return x
    return with_parts(x, {name: to_device(part, device) for name, part in parts.items()})


def collate(samples: Sequence[Any]) -> Any:
    """Collate samples as torch's ``default_collate`` does, and dataclasses too."""
    module: Any = torch.utils.data._utils.collate
    functions = {**module.default_collate_fn_map, _Dataclass: _collate_dataclasses}
    return module.collate(samples, collate_fn_map=functions)


@runtime_checkable
class _Dataclass(Protocol):
    """Any instance of a dataclass."""

    __dataclass_fields__: ClassVar[dict[str, Any]]


def _collate_dataclasses(samples: Sequence[Any], *, collate_fn_map: Any = None) -> Any:
    rows = [parts_of(sample) or {} for sample in samples]
    return with_parts(samples[0], {name: collate([row[name] for row in rows]) for name in rows[0]})
