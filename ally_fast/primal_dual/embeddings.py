"""Embeddings of many inputs."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast import checks
from ally_fast.primal_dual._torch import torch
from ally_fast.primal_dual.devices import device_of_model
from ally_fast.primal_dual.embedding_model import EmbeddingModel
from ally_fast.primal_dual.nests import to_device
from ally_fast.primal_dual.random_streams import batches, own_torch_state
from ally_fast.primal_dual.samples import unlabeled_samples


def embed(
    model: torch.nn.Module,
    data: Any,
    *,
    embedding_layer: str | None = None,
    batch_size: int = 256,
    out: NDArray[Any] | None = None,
) -> NDArray[Any]:
    """Return the embeddings of inputs, computed in evaluation mode on the model's device.

    Parameters
    ----------
    model : nn.Module
        Returns (outputs, embeddings), or has the `embedding_layer`.
    data : array, tensor, Dataset or DataLoader
        The inputs; targets are ignored. Samples and loaders are those that
        `ally_fast.primal_dual.PrimalDualTrainer.fit` takes.
    embedding_layer : str, optional
        The submodule whose output is the embedding.
    batch_size : int
        Number of inputs at a time.
    out : ndarray of shape (n, d), optional
        Array to write to, such as a memory map; by default a new float32 array.

    Returns
    -------
    ndarray, shape (n, d)
        Row i is the embedding of input i. This is `out` if you passed it.

    Raises
    ------
    ValueError
        If the model returns no embeddings, there is no input, or `out` has another shape.

    Notes
    -----
    The model's modes and torch's random state do not change. Memory: one batch besides `out`.
    """
    checks.integer(batch_size, "batch_size", 1)
    samples = unlabeled_samples(data)
    if not len(samples):
        raise ValueError("data: got no inputs, needs at least one")
    embedding_model = EmbeddingModel(model, embedding_layer)
    device = device_of_model(model)
    positions = batches(np.arange(len(samples)), batch_size)
    with own_torch_state(device), embedding_model.evaluating():
        for rows, (inputs, _) in zip(positions, samples.batches(positions), strict=True):
            part = embedding_model(to_device(inputs, device))[1].float().cpu().numpy()
            shape = (len(samples), part.shape[1])
            if out is None:
                out = np.empty(shape, np.float32)
            elif out.shape != shape:
                raise ValueError(f"out: got shape {out.shape}, needs {shape}")
            out[rows[0] : rows[-1] + 1] = part
    assert out is not None
    return out
