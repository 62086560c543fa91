"""The identity of a run. Only the same run may continue from a checkpoint."""

from __future__ import annotations

import functools
import numbers
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ally_fast.primal_dual._torch import torch
from ally_fast.primal_dual.digests import digest, digests_of_samples
from ally_fast.primal_dual.rates import rate_at
from ally_fast.primal_dual.samples import Samples
from ally_fast.primal_dual.training_run import TrainingRun

_SHOWN = 80


class RunIdentity:
    """The data, settings, optimizer and model of a run, by name.

    Parameters
    ----------
    trainer : PrimalDualTrainer
        Its settings.
    run : TrainingRun
        Before its first epoch.
    samples : Samples
    """

    def __init__(self, trainer: Any, run: TrainingRun, samples: Samples) -> None:
        self._trainer = trainer
        inputs, targets = digests_of_samples(samples, trainer.batch_size)
        bounds = run.duals.epsilon
        self._fixed = {
            "samples": len(samples),
            **dict(_of_settings(trainer)),
            "epsilon": digest(bounds.cpu()) if bounds.dim() else _plain(trainer.epsilon),
            "validation split": digest(run.split.validation),
            **dict(_of_optimizer(run.optimizer)),
            **dict(_of_model(run.module)),
            "digest of inputs": inputs,
            "digest of targets": targets,
            "digest of warm_start": digest(run.duals.multipliers.cpu()),
        }

    def after(self, epochs: int) -> dict[str, Any]:
        """Return the identity, with those learning rates of the past epochs that the trainer sets.

        It consists of numbers, strings, and lists and mappings of them.
        """
        trainer = self._trainer
        of_primal = trainer.optimizer is None or callable(trainer.primal_lr)
        rates = {
            f"{name} of epoch {epoch}": rate_at(getattr(trainer, name), epoch, name)
            for name in (("primal_lr", "dual_lr") if of_primal else ("dual_lr",))
            for epoch in range(1, epochs + 1)
        }
        return {**self._fixed, **rates}

    def check(
        self, there: Mapping[str, Any], history: Sequence[Mapping[str, Any]], path: str
    ) -> None:
        """Raise ValueError unless a file holds this run, with no more epochs than allowed.

        Parameters
        ----------
        there : mapping
            The identity that `after` returned when the file was written.
        history : sequence of mapping
            The epochs in the file.
        path : str
            The file, for the message.
        """
        here = self.after(len(history))
        for name in dict.fromkeys([*here, *there]):
            if name not in there or name not in here or there[name] != here[name]:
                stored, value = _shown(
                    *(repr(of[name]) if name in of else "nothing" for of in (there, here))
                )
                raise ValueError(
                    f"checkpoint: {path} holds another run: {name} is {stored} there, {value} here"
                )
        most, patience = self._trainer.max_epochs, self._trainer.patience
        losses = [record["validation_loss"] for record in history]
        ended = _stopped_after(losses, patience)
        if len(history) > most or ended < len(history):
            limit = f"max_epochs={most}" if len(history) > most else f"patience={patience}"
            raise ValueError(
                f"checkpoint: {path} has {len(history)} epochs, but with {limit} this run has only "
                f"{min(most, ended)}"
            )


def _of_settings(trainer: Any) -> Iterator[tuple[str, Any]]:
    """Yield the settings of a trainer that change the result of a run, by name."""
    yield "loss", _plain(trainer.loss)
    yield "dual_loss", _plain(trainer.loss if trainer.dual_loss is None else trainer.dual_loss)
    for name in ("primal_steps", "dual_update", "batch_size", "seed", "embedding_layer"):
        yield name, _plain(getattr(trainer, name))


def _of_model(model: torch.nn.Module) -> Iterator[tuple[str, str]]:
    """Yield the classes and settings of modules, and shapes and dtypes of their tensors."""
    for name, module in model.named_modules():
        said = " ".join(_without_addresses(module.extra_repr()).split())
        yield f"model: {name or 'itself'}", f"{_qualified(type(module))}({said})"
    for name, parameter in model.named_parameters():
        fixed = "" if parameter.requires_grad else ", fixed"
        yield f"model: {name}", f"{parameter.dtype} {tuple(parameter.shape)}{fixed}"
    for name, buffer in model.named_buffers():
        yield f"model: {name}", f"{buffer.dtype} {tuple(buffer.shape)}"


def _of_optimizer(optimizer: torch.optim.Optimizer) -> Iterator[tuple[str, Any]]:
    """Yield the class of an optimizer and the settings of its parameter groups."""
    yield "optimizer", _qualified(type(optimizer))
    for number, group in enumerate(optimizer.param_groups):
        for name, value in group.items():
            shown = len(value) if name == "params" else _plain(value)
            yield f"optimizer, group {number}: {name}", shown


def _stopped_after(losses: Sequence[float | None], patience: int | None) -> int:
    """Return the number of epochs after which this patience ends a run; all if it never does."""
    best = 0
    for place, loss in enumerate(losses):
        if loss is None or patience is None:
            break
        best = min(best, place, key=lambda i: (losses[i], i))
        if place - best >= patience:
            return place + 1
    return len(losses)


def _plain(value: Any) -> Any:
    """Return a setting as numbers, strings, lists and mappings; a callable by its full name."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, numbers.Real):
        return int(value) if isinstance(value, numbers.Integral) else float(value)
    if isinstance(value, torch.Tensor):
        return value.tolist() if value.numel() <= 16 else digest(value)
    if isinstance(value, tuple | list):
        return [_plain(part) for part in value]
    if isinstance(value, Mapping):
        return {str(name): _plain(part) for name, part in value.items()}
    if isinstance(value, functools.partial):
        return [_plain(value.func), _plain(value.args), _plain(value.keywords)]
    if callable(value):
        return _qualified(value if hasattr(value, "__qualname__") else type(value))
    return _without_addresses(repr(value))


def _qualified(x: Any) -> str:
    return f"{x.__module__}.{x.__qualname__}"


def _without_addresses(text: str) -> str:
    return re.sub(r" at 0x[0-9a-fA-F]+", "", text)


def _shown(a: str, b: str) -> list[str]:
    """Return two texts short enough for a message, cut to where they begin to differ."""
    begin = 0
    if max(len(a), len(b)) > _SHOWN:
        same = next((i for i, pair in enumerate(zip(a, b, strict=False)) if len({*pair}) > 1), 0)
        begin = max(0, same - 20)
    cut = ["..." * (begin > 0) + text[begin:] for text in (a, b)]
    return [text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..." for text in cut]
