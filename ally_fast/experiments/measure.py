"""What a round tells: of its model on the test set, and of its batch."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast.experiments._torch import torch
from ally_fast.experiments.arm import CONSTRAINED, Arm
from ally_fast.experiments.learner import Learner
from ally_fast.experiments.protocol import Protocol
from ally_fast.experiments.query import Query
from ally_fast.experiments.round_rows import RoundRow

_PROBE_ROWS = 2000


def measured(arm: Arm, learner: Learner, seed: int, number: int) -> RoundRow:
    """Return the row of a model: how it does on the test set, and its multipliers."""
    dataset = learner.dataset
    outputs, _ = learner.predict(dataset.test_inputs)
    losses = learner.losses(outputs, dataset.test_targets)
    found: dict[str, Any] = {}
    if dataset.task == "classification":
        right = outputs[:, : dataset.classes].argmax(1) == dataset.test_targets
        found.update(accuracy=float(right.mean()), cross_entropy=float(losses.mean()))
    else:
        found.update(
            squared_error=float(losses.mean()), absolute_error=float(np.sqrt(losses).mean())
        )
    trained = learner.trained
    if arm.training == CONSTRAINED:
        kept = trained.history[trained.epoch - 1]
        quantiles = np.quantile(trained.multipliers, np.linspace(0, 1, 11))
        found.update(
            active_share=kept.active_share,
            mean_multiplier=kept.mean_multiplier,
            max_multiplier=kept.max_multiplier,
            multiplier_quantiles=quantiles.tolist(),
        )
    return RoundRow(
        arm=arm.name,
        seed=seed,
        round=number,
        labeled=len(learner.labeled),
        epochs=len(trained.history),
        kept_epoch=trained.epoch,
        train_seconds=learner.seconds,
        threads=torch.get_num_threads(),
        **found,
    )


def with_query(
    row: RoundRow, protocol: Protocol, learner: Learner, query: Query, seed: int
) -> RoundRow:
    """Return the row with the batch, and what an experiment alone can know of it."""
    dataset = learner.dataset
    probe = np.random.Generator(np.random.Philox(key=seed)).choice(
        len(dataset.inputs), min(_PROBE_ROWS, len(dataset.inputs)), replace=False
    )
    batch_outputs, batch_losses = _losses(learner, query.batch)
    targets = dataset.targets[query.batch]
    of_classes: dict[str, Any] = {}
    if dataset.task == "classification":
        wrong = batch_outputs[:, : dataset.classes].argmax(1) != targets
        of_classes = {
            "batch_error": float(wrong.mean()),
            "batch_classes": len(np.unique(targets)),
        }
    if protocol.clones > 1:
        labeled, batch = learner.labeled // protocol.clones, query.batch // protocol.clones
        new = np.setdiff1d(batch, labeled)  # sorted, each once
        of_classes["batch_known"] = 1 - len(new) / len(batch)
    return replace(
        row,
        pool_seconds=query.pool_seconds,
        query_seconds=query.query_seconds,
        head_rank_correlation=query.head_rank_correlation,
        head_error_share=query.head_error_share,
        pool_rank_correlation=query.pool_rank_correlation,
        batch_loss=float(batch_losses.mean()),
        pool_loss=float(_losses(learner, np.sort(probe))[1].mean()),
        batch=query.batch.tolist(),
        **of_classes,
    )


def _losses(
    learner: Learner, rows: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    outputs, _ = learner.predict(learner.dataset.inputs[rows])
    return outputs, learner.losses(outputs, learner.dataset.targets[rows])
