"""Primal-dual constrained learning: Algorithm 1 for any model."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ally_fast import checks
from ally_fast.primal_dual._torch import torch
from ally_fast.primal_dual.checkpoint import Checkpoint
from ally_fast.primal_dual.devices import checked_device, device_of_model
from ally_fast.primal_dual.dual_variables import DualVariables
from ally_fast.primal_dual.embedding_model import EmbeddingModel
from ally_fast.primal_dual.losses import CROSS_ENTROPY, Loss, check_classes, check_loss
from ally_fast.primal_dual.nests import to_device
from ally_fast.primal_dual.nonfinite import NonFiniteLossError
from ally_fast.primal_dual.random_streams import SPLIT, own_torch_state, permutation
from ally_fast.primal_dual.rates import Rate, rate_at
from ally_fast.primal_dual.run_identity import RunIdentity
from ally_fast.primal_dual.samples import Samples, labeled_samples
from ally_fast.primal_dual.trained import EpochRecord, TrainedModel
from ally_fast.primal_dual.training_run import Split, TrainingRun
from ally_fast.progress import Progress


@dataclass(frozen=True, kw_only=True)
class PrimalDualTrainer:
    """Train a model under one constraint for each sample, ``l'_i <= epsilon_i``.

    Parameters
    ----------
    epsilon : float or array of shape (n,)
        One bound, or one for each sample of the labeled set, including the validation split.
    loss, dual_loss : {"cross_entropy", "squared_error"} or callable
        The objective ``l``, and the bounded loss ``l'`` (if None, the objective). A callable takes
        outputs and targets and returns a tensor of shape (m,).
    primal_lr, dual_lr : float or callable
        ``eta_p`` and ``eta_d``. A callable is a schedule: it takes the epoch, from 1, and returns
        the rate of that epoch.
    primal_steps : int
        ``T_p``: primal steps before each dual update. A step goes once through the labeled set in
        minibatches; with ``batch_size=None`` it is the single gradient step of Algorithm 1.
    dual_update : {"epoch", "batch"}
        "epoch": after the primal steps, compute the slacks of all samples with the current model in
        evaluation mode, then update all multipliers once. "batch": update the multipliers of each
        minibatch from its own forward pass.
    max_epochs : int
        ``T``: most dual updates ("epoch"), or most rounds of `primal_steps` ("batch").
    batch_size : int or None
        Most samples in a minibatch; None takes all. Sizes differ by at most one; no sample is
        dropped.
    validation : float or int
        Share or number of labeled samples to hold out, to choose the best epoch. With 0 the last
        epoch is kept.
    patience : int or None
        Stop when the validation loss has not fallen for this many epochs; with None, never.
    optimizer : callable, optional
        Takes the parameters and returns an optimizer; by default ``Adam(parameters, primal_lr)``.
        Your optimizer keeps its own rate, unless `primal_lr` is a schedule: that sets the rate of
        all groups.
    embedding_layer : str, optional
        The submodule whose output is the embedding, for a model that does not return (outputs,
        embeddings). If ``torch.compile`` has compiled the model, it then runs uncompiled, with a
        warning.
    device : str or torch.device
        Where to train; "auto" uses the device of the model.
    seed : int
        Seed of split, shuffles, and the model's draws from torch. You seed the initial weights.
    progress : bool
        Show each epoch with its loss, share of active constraints, mean and largest multiplier.

    Examples
    --------
    >>> import torch
    >>> from ally_fast.primal_dual import PrimalDualTrainer
    >>> _ = torch.manual_seed(0)
    >>> inputs = torch.randn(40, 2)
    >>> targets = (inputs[:, 0] > 0).long()
    >>> body, last = torch.nn.Linear(2, 8), torch.nn.Linear(8, 2)
    >>> model = torch.nn.Sequential(body, torch.nn.ReLU(), last)
    >>> trainer = PrimalDualTrainer(epsilon=0.2, max_epochs=5, embedding_layer="1")
    >>> trained = trainer.fit(model, (inputs, targets))
    >>> trained.multipliers.shape, trained.embed(inputs).shape
    ((36,), (40, 8))
    """

    epsilon: Any
    loss: Loss = "cross_entropy"
    dual_loss: Loss | None = None
    primal_lr: Rate = 0.005
    dual_lr: Rate = 0.05
    primal_steps: int = 1
    dual_update: str = "epoch"
    max_epochs: int = 100
    batch_size: int | None = 64
    validation: float = 0.1
    patience: int | None = 6
    optimizer: Callable[[Any], torch.optim.Optimizer] | None = None
    embedding_layer: str | None = None
    device: Any = "auto"
    seed: int = 0
    progress: bool = False

    def __post_init__(self) -> None:
        """Check what can be checked without data."""
        check_loss(self.loss, "loss")
        if self.dual_loss is not None:
            check_loss(self.dual_loss, "dual_loss")
        for name in ("primal_lr", "dual_lr"):
            rate_at(getattr(self, name), 1, name)
        if checks.number(self.validation, "validation") < 0:
            raise ValueError(f"validation: got {self.validation}, needs at least 0")
        for name in ("primal_steps", "max_epochs", "batch_size", "patience"):
            if getattr(self, name) is not None or name in ("primal_steps", "max_epochs"):
                checks.integer(getattr(self, name), name, 1)
        checks.choice(self.dual_update, "dual_update", ("epoch", "batch"))
        checks.seed(self.seed)

    def fit(
        self,
        model: torch.nn.Module,
        data: Any,
        *,
        warm_start: Any = None,
        checkpoint: str | os.PathLike[str] | None = None,
    ) -> TrainedModel:
        """Train a model; return it and the multipliers as they were at the best epoch.

        Parameters
        ----------
        model : nn.Module
            Changed in place. Returns (outputs, embeddings), or has the `embedding_layer`.
        data : (inputs, targets), Dataset or DataLoader
            The labeled set: two arrays or tensors, a map-style dataset, or a DataLoader, of which
            dataset, collation and workers are used. A sample of a dataset is (input, target),
            (input, target, index), or a mapping or dataclass with the target as "label" or
            "labels"; its other parts go to the model by name. An input is a tensor or a nest of
            tensors: mappings, sequences, namedtuples, dataclasses.
        warm_start : TrainedModel or array of shape (m,), optional
            Initial multipliers of the first m samples; all others start at 0. A `TrainedModel`
            gives its multipliers; its labeled set must be the first samples of `data`.
        checkpoint : path, optional
            A file that is replaced as a whole after each epoch. If it exists, training continues
            the run that it holds: after an interruption the same call gives the same result, on the
            CPU bit for bit. See Notes.

        Returns
        -------
        TrainedModel

        Raises
        ------
        NonFiniteLossError
            If a loss is not finite. The error names the samples, and its `result` is the last good
            state, which `model` then holds too.
        ValueError
            Before any training: if the labeled set is too small for the validation split, `epsilon`
            does not fit it, a target is not a class, the model returns no embeddings, or the
            checkpoint is damaged or holds another run.

        Notes
        -----
        Source: ALLY, Algorithm 1. torch's global random state does not change. Random draws of a
        dataset from other sources (NumPy, `random`), or in persistent workers, are not seeded.

        A checkpoint has a checksum. It holds this run only if these agree: data, `warm_start`,
        settings, the optimizer's class and groups, and the model: classes, settings that modules
        print, and names, shapes and dtypes of parameters and buffers. You may raise `max_epochs`
        and `patience`. Callables are compared by their full names, schedules by the rates of the
        past epochs. Two arrays are compared whole, in one pass over their bytes. Of a dataset, 256
        samples spread over it are read twice; parts that it draws anew each time are not compared.
        """
        samples = labeled_samples(data)
        split = self._split(len(samples))
        embedding_model = EmbeddingModel(model, self.embedding_layer)
        device = device_of_model(model) if self.device == "auto" else checked_device(self.device)
        saved = None if checkpoint is None else Checkpoint(checkpoint)
        state = saved.read() if saved is not None and saved.exists() else None
        duals = DualVariables(
            len(samples),
            self.epsilon,
            rate_at(self.dual_lr, 1, "dual_lr"),
            loss=self.loss,
            dual_loss=self.dual_loss,
            device=device,
            warm_start=_multipliers(warm_start),
        )
        model.to(device)
        with own_torch_state(device):
            self._rehearse(embedding_model, samples, duals, device)
            run = TrainingRun(
                self, embedding_model, samples, split, duals, self._optimizer(model), device
            )
            if saved is None:
                return self._train(run, model, device, None)
            identity = RunIdentity(self, run, samples)
            if state is not None:
                identity.check(state["identity"], state["run"]["history"], saved.path)
                run.load_state_dict(state["run"])

            def save() -> None:
                saved.write({"identity": identity.after(run.epoch), "run": run.state_dict()})

            return self._train(run, model, device, save)

    def _train(
        self,
        run: TrainingRun,
        model: torch.nn.Module,
        device: torch.device,
        save: Callable[[], None] | None,
    ) -> TrainedModel:
        at_first = {name: value.detach().clone() for name, value in _tensors(model)}
        bounded = self.patience is not None and len(run.split.validation) > 0
        with Progress(
            self.progress, self.max_epochs, "train", unit="epochs", at_most=bounded
        ) as line:
            line.advance(run.epoch)
            while run.epoch < self.max_epochs and not run.out_of_patience:
                try:
                    record = run.run_epoch()
                except NonFiniteLossError as error:
                    if run.kept:
                        error.result = self._result(run, model, device, "nonfinite")
                    else:
                        model.load_state_dict(at_first, strict=False)
                    raise
                if save is not None:
                    save()
                line.advance(1, _note(record))
        stopped = "patience" if run.out_of_patience else "max_epochs"
        return self._result(run, model, device, stopped)

    def _result(
        self, run: TrainingRun, model: torch.nn.Module, device: torch.device, stopped: str
    ) -> TrainedModel:
        model.load_state_dict(run.kept["model"])
        model.eval()
        return TrainedModel(
            model=model,
            model_state=run.kept["model"],
            multipliers=run.kept["multipliers"].numpy()[run.split.trained],
            positions=run.split.trained,
            validation_positions=run.split.validation,
            epoch=run.kept["epoch"],
            history=tuple(run.history),
            stopped=stopped,
            embedding_layer=self.embedding_layer,
            device=str(device),
            seed=self.seed,
        )

    def _split(self, n: int) -> Split:
        """Hold the validation split out of the labeled set."""
        share = self.validation < 1 and not isinstance(self.validation, int)
        count = round(self.validation * n) if share else int(self.validation)
        if self.validation > 0:
            count = max(1, count)
        if not share and count != self.validation:
            raise ValueError(f"validation: got {self.validation}, needs a share or a whole number")
        if n - count < 1:
            raise ValueError(
                f"data: got {n} labeled samples, but validation={self.validation} holds out "
                f"{count} and at least one must remain; needs at least {count + 1}"
            )
        order = permutation(n, self.seed, SPLIT)
        return Split(np.sort(order[count:]), np.sort(order[:count]))

    def _rehearse(
        self,
        model: EmbeddingModel,
        samples: Samples,
        duals: DualVariables,
        device: torch.device,
    ) -> None:
        """Run a step on two samples, so that a setting that cannot work fails at once."""
        rows = [np.arange(min(2, len(samples)))]
        with model.evaluating():
            for inputs, targets in samples.batches(rows):
                outputs, _ = model(to_device(inputs, device))
                ids = torch.from_numpy(rows[0]).to(device)
                try:
                    duals.step(outputs, to_device(targets, device), ids, update=False)
                except NonFiniteLossError:
                    pass  # belongs to the first epoch, which says so
        content = samples.at_hand()
        if content is not None and CROSS_ENTROPY in (self.loss, self.dual_loss or self.loss):
            check_classes(content[1], outputs.shape[1])

    def _optimizer(self, model: torch.nn.Module) -> torch.optim.Optimizer:
        parameters = [p for p in model.parameters() if p.requires_grad]
        if not parameters:
            raise ValueError("model: needs at least one parameter that requires a gradient")
        if self.optimizer is None:
            return torch.optim.Adam(parameters, rate_at(self.primal_lr, 1, "primal_lr"))
        made = self.optimizer(parameters)
        if not isinstance(made, torch.optim.Optimizer):
            raise TypeError(
                f"optimizer: returned {type(made).__name__}, needs a torch.optim.Optimizer of the "
                "parameters that it gets"
            )
        return made


def _tensors(model: torch.nn.Module) -> list[tuple[str, torch.Tensor]]:
    return [(k, v) for k, v in model.state_dict().items() if isinstance(v, torch.Tensor)]


def _multipliers(warm_start: Any) -> Any:
    """Return the initial multipliers, in the order of the labeled set."""
    if not isinstance(warm_start, TrainedModel):
        return warm_start
    first = np.zeros(len(warm_start.positions) + len(warm_start.validation_positions), np.float32)
    first[warm_start.positions] = warm_start.multipliers
    return first


def _note(record: EpochRecord) -> str:
    validation = record.validation_loss
    held_out = "" if validation is None else f" (validation {validation:.3g})"
    return (
        f"loss {record.loss:.3g}{held_out}, {record.active_share:.0%} active, "
        f"multipliers: mean {record.mean_multiplier:.3g}, max {record.max_multiplier:.3g}"
    )
