"""The settings that all arms of an experiment share."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

from ally_fast import checks

NETWORK = "network"
CONSTANT, COSINE = "constant", "cosine"
HEADS = ("logistic", "mlp")
# Settings added later, with their defaults: a folder without them holds the same experiment.
_LATER = {
    **{"labels": None, "column": None, "ids": None, "budgets": None, "head": NETWORK},
    **{"schedule": CONSTANT, "refit_head": False, "split_by_seed": False},
}


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """The settings of an experiment. The defaults are those of the paper.

    Attributes
    ----------
    dataset : str
        A name, or the path of an ``.npz``; see `ally_fast.experiments.datasets.load_dataset`. With
        `labels`, a pool of embeddings as `ally_fast.open_pool` takes it.
    labels, column, ids : str, optional
        Columns of a pool; see `ally_fast.experiments.datasets.labeled_pool.load`.
    split : str
        Split of Parkinsons: "subjects" or "rows".
    split_by_seed : bool
        Whether each seed has its own test set; only for Parkinsons.
    pool_rows : int, optional
        Number of random pool rows to use; None uses all.
    clones : int
        Copies of each row of the pool (Appendix D.2).
    initial, b : int
        Number of rows labeled at the start; number of rows labeled in each round.
    budgets : tuple of int, optional
        Total number of labels in each round, in place of `initial` and `b`.
    head : {"network", "logistic", "mlp"}
        What learns: the paper's network, or a head on frozen embeddings. The penalty of a head is
        chosen once for the data set; see `ally_fast.experiments.heads.Head`.
    epsilon : float, optional
        Bound of the constraints; by default 0.2 for classification and 0.1 for regression.
    schedule : {"constant", "cosine"}
        Schedule of `primal_lr`: constant, or a cosine that falls to 0 over `max_epochs`.
    primal_lr, dual_lr, primal_steps, dual_update, batch_size, max_epochs, patience, validation
        Settings of `ally_fast.primal_dual.PrimalDualTrainer`.
    refit_head : bool
        Whether dual heads are trained again on all rows; see `refit` of
        `ally_fast.primal_dual.DualHead`.
    device : str
        Device for training.

    Notes
    -----
    Source: ALLY, section 5.1. The paper gives neither the minibatch size (64 here) nor the
    validation split for early stopping (a tenth of the labeled set here).
    """

    dataset: str
    labels: str | None = None
    column: str | None = None
    ids: str | None = None
    split: str = "subjects"
    split_by_seed: bool = False
    pool_rows: int | None = None
    clones: int = 1
    initial: int = 100
    b: int = 200
    budgets: tuple[int, ...] | None = None
    head: str = NETWORK
    epsilon: float | None = None
    schedule: str = CONSTANT
    primal_lr: float = 0.005
    dual_lr: float = 0.05
    primal_steps: int = 1
    dual_update: str = "epoch"
    batch_size: int = 64
    max_epochs: int = 100
    patience: int = 6
    validation: float = 0.1
    refit_head: bool = False
    device: str = "cpu"

    def __post_init__(self) -> None:
        """Check what can be checked without data; the trainer checks its own settings."""
        if self.epsilon is not None and checks.number(self.epsilon, "epsilon") < 0:
            raise ValueError(f"epsilon: got {self.epsilon}, needs at least 0")
        checks.choice(self.schedule, "schedule", (CONSTANT, COSINE))
        checks.choice(self.dual_update, "dual_update", ("epoch", "batch"))
        for name in ("clones", "initial", "b"):
            checks.integer(getattr(self, name), name, 1)
        if self.pool_rows is not None:
            checks.integer(self.pool_rows, "pool_rows", 1)
        checks.choice(self.head, "head", (NETWORK, *HEADS))
        if self.labels is None and (self.column is not None or self.ids is not None):
            raise ValueError("labels: got none, but a pool (with a column or ids) needs them")
        if (self.split != "subjects" or self.split_by_seed) and (
            self.labels is not None or self.dataset != "parkinsons"
        ):
            name = "split_by_seed" if self.split_by_seed else "split"
            raise ValueError(f"{name}: got the data set {self.dataset}, needs parkinsons")
        if self.budgets is not None:
            steps = [checks.integer(labels, "budgets", 1) for labels in self.budgets]
            if len(steps) < 2 or any(a >= b for a, b in pairwise(steps)):
                raise ValueError(f"budgets: got {steps}, needs at least two rising numbers")

    def labels_in(self, number: int) -> int:
        """Return the total number of labels in a round."""
        if self.budgets is None:
            return self.initial + number * self.b
        return self.budgets[number]

    def batch_after(self, number: int) -> int:
        """Return the number of rows to label after a round."""
        return self.labels_in(number + 1) - self.labels_in(number)

    def to_dict(self) -> dict[str, Any]:
        """Return the settings, ready for JSON, without later additions that have their default."""
        settings = asdict(self)
        if self.budgets is not None:
            settings["budgets"] = list(self.budgets)
        for name, default in _LATER.items():
            if settings[name] == default:
                del settings[name]
        return settings

    def rate_at(self, epoch: int) -> float:
        """Return the primal learning rate of an epoch, counted from 1."""
        if self.schedule == CONSTANT:
            return self.primal_lr
        share = (epoch - 1) / self.max_epochs
        return self.primal_lr * (1 + math.cos(math.pi * share)) / 2

    def epsilon_for(self, task: str) -> float:
        """Return the bound of the constraints for a task."""
        if self.epsilon is not None:
            return self.epsilon
        return 0.2 if task == "classification" else 0.1
