"""A model's outputs together with its embeddings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ally_fast.primal_dual._torch import torch


class EmbeddingModel:
    """Call a model; get (outputs, embeddings).

    Parameters
    ----------
    model : nn.Module
        Gives (outputs, embeddings); or, with `embedding_layer`, outputs in one of the common forms:
        a tensor, a tuple that begins with it, or an object with ``logits``. Inputs that are a
        mapping are passed by keyword.
    embedding_layer : str, optional
        Name of a submodule, as in ``model.named_modules()``: what it gives is the embedding.

    Raises
    ------
    TypeError
        If `model` is no module.
    ValueError
        If it has no submodule of that name.
    """

    def __init__(self, model: torch.nn.Module, embedding_layer: str | None) -> None:
        if not isinstance(model, torch.nn.Module):
            raise TypeError(f"model: got {type(model).__name__}, needs a torch.nn.Module")
        self.module = model
        self._captured: Any = None
        self._layer: torch.nn.Module | None = None
        if embedding_layer is not None:
            self._layer = dict(model.named_modules()).get(embedding_layer)
            if self._layer is None:
                names = ", ".join(repr(name) for name, _ in model.named_modules() if name)
                raise ValueError(
                    f"embedding_layer: got {embedding_layer!r}, needs one of {names or 'none'}"
                )

    def __call__(self, inputs: Any) -> tuple[Any, torch.Tensor]:
        """Return (outputs, embeddings), the latter of shape (m, d).

        Raises
        ------
        ValueError
            If the model gives no embeddings.
        """
        hook = self._layer.register_forward_hook(self._capture) if self._layer else None
        try:
            given = self.module(**inputs) if isinstance(inputs, Mapping) else self.module(inputs)
        finally:
            captured, self._captured = self._captured, None
            if hook is not None:
                hook.remove()
        if self._layer is None:
            if not (isinstance(given, tuple | list) and len(given) == 2):
                raise ValueError(
                    f"model: gave {type(given).__name__}, needs (outputs, embeddings); or name the "
                    "submodule that computes the embeddings: embedding_layer='...'"
                )
            outputs, embeddings = given
        else:
            outputs, embeddings = _outputs_of(given), _first_tensor(captured)
        if not isinstance(embeddings, torch.Tensor) or embeddings.dim() < 2:
            raise ValueError(
                f"model: its embeddings are {_describe(embeddings)}, needs a tensor (m, d)"
            )
        return outputs, embeddings.flatten(1)

    def _capture(self, layer: Any, inputs: Any, output: Any) -> None:
        self._captured = output

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """Without gradients, every submodule in evaluation mode; modes are restored."""
        training = [module for module in self.module.modules() if module.training]
        self.module.eval()
        try:
            with torch.no_grad():
                yield
        finally:
            for module in training:
                module.training = True


def _outputs_of(given: Any) -> Any:
    if hasattr(given, "logits"):
        return given.logits
    return given[0] if isinstance(given, tuple | list) else given


def _first_tensor(captured: Any) -> Any:
    while isinstance(captured, tuple | list) and captured:
        captured = captured[0]
    return captured


def _describe(x: Any) -> str:
    return f"of shape {tuple(x.shape)}" if isinstance(x, torch.Tensor) else f"a {type(x).__name__}"
