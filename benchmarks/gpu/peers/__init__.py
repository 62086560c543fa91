"""Rivals on the GPU, one file each: ``load_peer(name, device)``.

A peer has ``given`` (what it was handed off the clock) and

- ``assigner(rows, centroids, dtype)``: a call that labels device rows, a tensor;
- ``fit(rows, k, iterations)``: train on all rows given, None for its default; returns
  (labels or None, centroids);
- ``predict(rows, centroids)``: label rows;
- ``prepare(rows)``: rows in the form it takes, off the clock.
"""

from __future__ import annotations

import importlib
from typing import Any

PEERS = {
    "flash_kmeans": "FlashKMeansPeer",
    "flashlib": "FlashlibPeer",
    "fastkmeans": "FastKMeansPeer",
    "faiss_gpu": "FaissPeer",
    "cuvs": "CuvsPeer",
    "torch_matmul": "TorchPeer",
}


def load_peer(name: str, device: Any) -> Any:
    """Import a rival, found on the path or in the folder of rivals.

    Raises
    ------
    ModuleNotFoundError
        If its package is not there.
    MissingError
        If torch with CUDA is not there: every rival is given torch tensors.
    """
    assert device.torch is not None
    from benchmarks.gpu.peers import folder

    folder.extend_path()
    module = importlib.import_module(f"benchmarks.gpu.peers.{name}")
    return getattr(module, PEERS[name])(device.torch)
