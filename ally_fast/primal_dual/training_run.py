"""Algorithm 1 as it runs: the state between two epochs, and the work of an epoch."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast.primal_dual._torch import torch
from ally_fast.primal_dual.dual_variables import DualVariables
from ally_fast.primal_dual.embedding_model import EmbeddingModel
from ally_fast.primal_dual.losses import per_sample
from ally_fast.primal_dual.nests import to_device
from ally_fast.primal_dual.nonfinite import NonFiniteLossError
from ally_fast.primal_dual.random_streams import SHUFFLE, batches, permutation, seed_torch
from ally_fast.primal_dual.rates import rate_at
from ally_fast.primal_dual.samples import Samples
from ally_fast.primal_dual.trained import EpochRecord


@dataclass(frozen=True, eq=False)
class Split:
    """Positions in the labeled set, ascending."""

    trained: NDArray[np.int64]
    validation: NDArray[np.int64]


class TrainingRun:
    """Model, optimizer and multipliers between two epochs, and the best epoch so far.

    Parameters
    ----------
    trainer : PrimalDualTrainer
        Its settings.
    """

    def __init__(
        self,
        trainer: Any,
        model: EmbeddingModel,
        samples: Samples,
        split: Split,
        duals: DualVariables,
        optimizer: torch.optim.Optimizer,
        device: torch.device,
    ) -> None:
        self._settings, self._model, self._samples = trainer, model, samples
        self.split, self.duals, self.optimizer, self._device = split, duals, optimizer, device
        self._trained = torch.from_numpy(split.trained).to(device)
        self.history: list[EpochRecord] = []
        self.kept: dict[str, Any] = {}

    @property
    def module(self) -> torch.nn.Module:
        """The model in training."""
        return self._model.module

    @property
    def epoch(self) -> int:
        """Number of finished epochs."""
        return len(self.history)

    @property
    def out_of_patience(self) -> bool:
        """Whether the validation loss has not fallen for `patience` epochs."""
        patience = self._settings.patience
        return bool(
            patience is not None
            and len(self.split.validation)
            and self.history
            and self.epoch - self.kept["epoch"] >= patience
        )

    def run_epoch(self) -> EpochRecord:
        """Run one iteration of Algorithm 1, lines 4-11, and keep the state if it is the best.

        Raises
        ------
        NonFiniteLossError
            If a loss or weight is not finite. The error names the samples; `kept` does not change.
        """
        settings, epoch = self._settings, self.epoch + 1
        self.duals.lr = rate_at(settings.dual_lr, epoch, "dual_lr")
        if callable(settings.primal_lr):
            for group in self.optimizer.param_groups:
                group["lr"] = rate_at(settings.primal_lr, epoch, "primal_lr")
        for step in range(settings.primal_steps):
            loss = self._primal_step((epoch - 1) * settings.primal_steps + step)
        with self._model.evaluating():
            if settings.dual_update == "epoch":
                self.duals.ascend(self._slacks(), self._trained)
            self.duals.check()
            validation_loss = self._validation_loss() if len(self.split.validation) else None
        multipliers = self.duals.multipliers[self._trained].double()
        record = EpochRecord(
            epoch,
            loss,
            validation_loss,
            float((multipliers > 0).double().mean()),
            float(multipliers.mean()),
            float(multipliers.max()),
        )
        self.history.append(record)
        if not self.kept or validation_loss is None or validation_loss < self.kept["loss"]:
            self.kept = {
                "epoch": epoch,
                "loss": validation_loss,
                "model": _copy(self._model.module.state_dict()),
                "multipliers": self.duals.multipliers.cpu().clone(),
            }
        return record

    def _primal_step(self, number: int) -> float:
        """Go once through the samples in minibatches; return their mean objective."""
        settings, ids = self._settings, np.empty(0, np.int64)
        seed_torch(settings.seed, number, self._device)
        order = self.split.trained[
            permutation(len(self.split.trained), settings.seed, SHUFFLE, number)
        ]
        rows = batches(order, settings.batch_size)
        total = torch.zeros((), dtype=torch.float64, device=self._device)
        self._model.module.train()
        for ids, (inputs, targets) in zip(rows, self._samples.batches(rows), strict=True):
            outputs, _ = self._model(to_device(inputs, self._device))
            step = self.duals.step(
                outputs,
                to_device(targets, self._device),
                torch.from_numpy(ids).to(self._device),
                update=settings.dual_update == "batch",
            )
            self.optimizer.zero_grad()
            torch.autograd.backward(step.lagrangian)
            self.optimizer.step()
            total += step.losses.double().sum()
        parameters = self._model.module.parameters()
        if not all(bool(torch.isfinite(parameter).all()) for parameter in parameters):
            # Any earlier minibatch would have shown in the losses of the next.
            raise NonFiniteLossError("weights are not finite after the minibatch", ids.tolist())
        return float(total) / len(order)

    def _slacks(self) -> torch.Tensor:
        """Return the slacks ``l' - epsilon`` of all training samples: Algorithm 1, line 9."""
        rows = batches(self.split.trained, self._settings.batch_size)
        slacks = []
        for ids, (inputs, targets) in zip(rows, self._samples.batches(rows), strict=True):
            outputs, _ = self._model(to_device(inputs, self._device))
            slacks.append(
                self.duals.slacks(
                    outputs,
                    to_device(targets, self._device),
                    torch.from_numpy(ids).to(self._device),
                )
            )
        return torch.cat(slacks)

    def _validation_loss(self) -> float:
        total, rows = 0.0, batches(self.split.validation, self._settings.batch_size)
        for ids, (inputs, targets) in zip(rows, self._samples.batches(rows), strict=True):
            outputs, _ = self._model(to_device(inputs, self._device))
            targets = to_device(targets, self._device)
            losses = per_sample(self._settings.loss, outputs, targets, "loss", len(ids)).double()
            if not bool(torch.isfinite(losses).all()):
                wrong = ids[~torch.isfinite(losses).cpu().numpy()]
                raise NonFiniteLossError("the validation loss is not finite", wrong.tolist())
            total += float(losses.sum())
        return total / len(self.split.validation)

    def state_dict(self) -> dict[str, Any]:
        """Return everything that the next epoch depends on: tensors, numbers, strings, lists."""
        return {
            "model": self._model.module.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "duals": self.duals.state_dict(),
            "kept": self.kept,
            "history": [asdict(record) for record in self.history],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Load the state of a run with the same settings."""
        self._model.module.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.duals.load_state_dict(state["duals"])
        self.kept = state["kept"]
        self.history = [EpochRecord(**record) for record in state["history"]]


def _copy(state: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value.detach().cpu().clone() if isinstance(value, torch.Tensor) else value
        for name, value in state.items()
    }
