"""Digests of what models learn from: equal contents, equal digests."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from ally_fast.primal_dual._torch import torch
from ally_fast.primal_dual.nests import parts_of
from ally_fast.primal_dual.random_streams import batches
from ally_fast.primal_dual.samples import Samples

_BYTES_AT_A_TIME = 1 << 26
_ROWS_READ = 256
_VARIES = "another at each read"


def digest(x: Any) -> str:
    """Return a digest of tensors, arrays, numbers, strings, and nests of them.

    Of any other object it is that of its class.
    """
    found = hashlib.blake2b(digest_size=16)
    _add(found, x)
    return found.hexdigest()


def digests_of_samples(samples: Samples, batch_size: int | None) -> tuple[str, str]:
    """Return the digests of inputs and of targets.

    Of all samples, if they lie in tensors. Of a dataset, 256 samples (all, if there are fewer),
    evenly spread, are read twice, with torch's global generator seeded: what is another thing each
    time (drawn by a generator that is not torch's) has no digest, and a text that says so.
    """
    if (held := samples.at_hand()) is not None:
        return digest(held[0]), digest(held[1])
    n = len(samples)
    places = np.unique(np.linspace(0, n - 1, min(n, _ROWS_READ)).round().astype(np.int64))
    rows = batches(places, batch_size)
    first, second = (_read(samples, rows) for _ in range(2))
    inputs, targets = (a if a == b else _VARIES for a, b in zip(first, second, strict=True))
    return inputs, targets


def _read(samples: Samples, rows: Sequence[Any]) -> tuple[str, str]:
    torch.default_generator.manual_seed(0)
    found = [hashlib.blake2b(digest_size=16) for _ in range(2)]
    for batch in samples.batches(rows):
        for part, of_part in zip(batch, found, strict=True):
            _add(of_part, part)
    return found[0].hexdigest(), found[1].hexdigest()


def _add(found: Any, x: Any) -> None:
    if isinstance(x, torch.Tensor):
        _add_tensor(found, x)
    elif isinstance(x, np.ndarray | np.generic) and x.dtype != object:
        _add_text(found, f"array {x.dtype.str} {x.shape}")
        found.update(np.ascontiguousarray(x).reshape(-1).view(np.uint8))
    elif (parts := parts_of(x)) is not None:
        _add_text(found, f"{len(parts)} parts")
        for name, part in parts.items():
            _add_text(found, repr(name))
            _add(found, part)
    elif x is None or isinstance(x, bool | int | float | complex | str | bytes):
        _add_text(found, repr(x))
    else:
        _add_text(found, type(x).__qualname__)


def _add_tensor(found: Any, x: torch.Tensor) -> None:
    _add_text(found, f"tensor {x.dtype} {tuple(x.shape)}")
    x = x.detach()
    if x.layout != torch.strided:
        x = x.to_dense()
    rows = x.reshape(1) if x.dim() == 0 else x
    row_bytes = rows[:1].numel() * rows.element_size()
    for part in rows.split(max(1, _BYTES_AT_A_TIME // max(1, row_bytes))):
        plain = part.resolve_conj().resolve_neg().cpu().contiguous()
        found.update(plain.reshape(-1).view(torch.uint8).numpy())


def _add_text(found: Any, text: str) -> None:
    found.update(f"{len(text)}:{text}".encode())
