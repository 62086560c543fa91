"""A model's outputs together with its embeddings."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any

from ally_fast.primal_dual._torch import torch

_NAMED = 10
_OF_COMPILED = "_orig_mod"  # how torch.compile calls the module it wraps
_NOT_RUN = object()


class EmbeddingModel:
    """Call a model and return (outputs, embeddings).

    Parameters
    ----------
    model : nn.Module
        Returns (outputs, embeddings). With `embedding_layer` it returns outputs in a common form: a
        tensor, a tuple that begins with one, or an object with ``logits``. If the inputs are a
        mapping, they are passed by keyword.
    embedding_layer : str, optional
        Name of a submodule, as in ``model.named_modules()``. Its output is the embedding, which a
        hook captures. Hooks do not see into a model that ``torch.compile`` has compiled. Such a
        model runs uncompiled here, with a warning; use the name from before compilation.

    Raises
    ------
    TypeError
        If `model` is not a module.
    ValueError
        If `model` has no submodule of that name.
    """

    def __init__(self, model: torch.nn.Module, embedding_layer: str | None) -> None:
        if not isinstance(model, torch.nn.Module):
            raise TypeError(f"model: got {type(model).__name__}, needs a torch.nn.Module")
        self.module = model
        self._name = embedding_layer
        self._captured: Any = _NOT_RUN
        self._layer: torch.nn.Module | None = None
        self._uncompiled = False
        if embedding_layer is not None:
            path = _path_to(model, embedding_layer)
            self._layer = path[-1]
            self._uncompiled = _is_compiled(path)
            if self._uncompiled:
                warnings.warn(
                    f"embedding_layer: torch.compile has compiled the model around "
                    f"{embedding_layer!r}, so the model runs uncompiled: hooks do not see into "
                    "compiled code; a model that returns (outputs, embeddings) stays compiled",
                    UserWarning,
                    stacklevel=3,
                )

    def __call__(self, inputs: Any) -> tuple[Any, torch.Tensor]:
        """Return (outputs, embeddings); the embeddings have shape (m, d).

        Raises
        ------
        ValueError
            If the model returns no embeddings.
        """
        hook = None if self._layer is None else self._layer.register_forward_hook(self._capture)
        try:
            with torch.compiler.set_stance("force_eager") if self._uncompiled else nullcontext():
                answer = (
                    self.module(**inputs) if isinstance(inputs, Mapping) else self.module(inputs)
                )
        finally:
            captured, self._captured = self._captured, _NOT_RUN
            if hook is not None:
                hook.remove()
        if self._layer is None:
            if not (isinstance(answer, tuple | list) and len(answer) == 2):
                raise ValueError(
                    f"model: returned {type(answer).__name__}, needs (outputs, embeddings); or "
                    "name the submodule that computes the embeddings: embedding_layer='...'"
                )
            outputs, embeddings = answer
        elif captured is _NOT_RUN:
            raise ValueError(
                f"embedding_layer: {self._name!r} did not run: the model's forward pass does not "
                "call it, or calls it in code that torch.compile has compiled"
            )
        else:
            outputs, embeddings = _outputs_of(answer), _first_tensor(captured)
        if not isinstance(embeddings, torch.Tensor) or embeddings.dim() < 2:
            raise ValueError(
                f"model: its embeddings are {_describe(embeddings)}, needs a tensor (m, d)"
            )
        return outputs, embeddings.flatten(1)

    def _capture(self, layer: Any, inputs: Any, output: Any) -> None:
        self._captured = output

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """Put every submodule in evaluation mode, without gradients; restore the modes after."""
        training = [module for module in self.module.modules() if module.training]
        self.module.eval()
        try:
            with torch.no_grad():
                yield
        finally:
            for module in training:
                module.training = True


def _path_to(model: torch.nn.Module, name: str) -> list[torch.nn.Module]:
    """Return the modules from the model to a submodule; its name may be that before compilation."""
    modules = dict(model.named_modules())
    paths = {_uncompiled(full): full for full in modules} | {full: full for full in modules}
    if name not in paths:
        names = list(dict.fromkeys(filter(None, map(_uncompiled, modules))))
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        named = ", ".join(map(repr, names[:_NAMED])) or "none"
        raise ValueError(f"embedding_layer: got {name!r}, needs one of {named}{more}")
    steps = paths[name].split(".") if name else []
    return [modules[".".join(steps[:n])] for n in range(len(steps) + 1)]


def _uncompiled(name: str) -> str:
    return ".".join(step for step in name.split(".") if step != _OF_COMPILED)


def _is_compiled(path: list[torch.nn.Module]) -> bool:
    """Return whether the last module of a path runs in compiled code."""
    # By torch.compile(module) round a module above it, or by module.compile().
    wrapped = any(hasattr(module, _OF_COMPILED) for module in path[:-1])
    return wrapped or any(
        getattr(module, "_compiled_call_impl", None) is not None for module in path
    )


def _outputs_of(answer: Any) -> Any:
    if hasattr(answer, "logits"):
        return answer.logits
    return answer[0] if isinstance(answer, tuple | list) else answer


def _first_tensor(captured: Any) -> Any:
    while isinstance(captured, tuple | list) and captured:
        captured = captured[0]
    return captured


def _describe(x: Any) -> str:
    return f"of shape {tuple(x.shape)}" if isinstance(x, torch.Tensor) else f"a {type(x).__name__}"
