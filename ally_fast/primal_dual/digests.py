"""Digests of training data: equal contents have equal digests."""

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

    Any other object has the digest of its class.
    """
    hasher = hashlib.blake2b(digest_size=16)
    _add(hasher, x)
    return hasher.hexdigest()


def digests_of_samples(samples: Samples, batch_size: int | None) -> tuple[str, str]:
    """Return the digests of inputs and of targets.

    If the samples are in tensors, the digests are of all of them. Of a dataset, 256 evenly spread
    samples (or all, if there are fewer) are read twice, with torch's global generator seeded. If
    the two reads differ, because another generator draws them, a text says so in place of a digest.
    """
    if (content := samples.at_hand()) is not None:
        return digest(content[0]), digest(content[1])
    n = len(samples)
    positions = np.unique(np.linspace(0, n - 1, min(n, _ROWS_READ)).round().astype(np.int64))
    rows = batches(positions, batch_size)
    first, second = (_read(samples, rows) for _ in range(2))
    inputs, targets = (a if a == b else _VARIES for a, b in zip(first, second, strict=True))
    return inputs, targets


def _read(samples: Samples, rows: Sequence[Any]) -> tuple[str, str]:
    torch.default_generator.manual_seed(0)
    hashers = [hashlib.blake2b(digest_size=16) for _ in range(2)]
    for batch in samples.batches(rows):
        for part, of_part in zip(batch, hashers, strict=True):
            _add(of_part, part)
    return hashers[0].hexdigest(), hashers[1].hexdigest()


def _add(hasher: Any, x: Any) -> None:
    if isinstance(x, torch.Tensor):
        _add_tensor(hasher, x)
    elif isinstance(x, np.ndarray | np.generic) and x.dtype != object:
        _add_text(hasher, f"array {x.dtype.str} {x.shape}")
        hasher.update(np.ascontiguousarray(x).reshape(-1).view(np.uint8))
    elif (parts := parts_of(x)) is not None:
        _add_text(hasher, f"{len(parts)} parts")
        for name, part in parts.items():
            _add_text(hasher, repr(name))
            _add(hasher, part)
    elif x is None or isinstance(x, bool | int | float | complex | str | bytes):
        _add_text(hasher, repr(x))
    else:
        _add_text(hasher, type(x).__qualname__)


def _add_tensor(hasher: Any, x: torch.Tensor) -> None:
    _add_text(hasher, f"tensor {x.dtype} {tuple(x.shape)}")
    x = x.detach()
    if x.layout != torch.strided:
        x = x.to_dense()
    rows = x.reshape(1) if x.dim() == 0 else x
    row_bytes = rows[:1].numel() * rows.element_size()
    for part in rows.split(max(1, _BYTES_AT_A_TIME // max(1, row_bytes))):
        plain = part.resolve_conj().resolve_neg().cpu().contiguous()
        hasher.update(plain.reshape(-1).view(torch.uint8).numpy())


def _add_text(hasher: Any, text: str) -> None:
    hasher.update(f"{len(text)}:{text}".encode())
