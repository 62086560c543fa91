"""The measurements of a round: of its model on the test set, and of its batch."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast.experiments.arm import CONSTRAINED, Arm
from ally_fast.experiments.protocol import Protocol
from ally_fast.experiments.query import AnyLearner, Query
from ally_fast.experiments.round_rows import RoundRow
from ally_fast.primal_dual._torch import torch

_PROBE_ROWS = 2000


def measured(arm: Arm, learner: AnyLearner, seed: int, number: int) -> RoundRow:
    """Return the row of a model: its results on the test set, and its multipliers."""
    dataset = learner.dataset
    outputs, _ = learner.predict(dataset.test_inputs)
    losses = learner.losses(outputs, dataset.test_targets)
    facts: dict[str, Any] = {}
    if dataset.task == "classification":
        right = outputs[:, : dataset.classes].argmax(1) == dataset.test_targets
        facts.update(
            accuracy=float(right.mean()),
            macro_recall=macro_recall(right, dataset.test_targets),
            cross_entropy=float(losses.mean()),
        )
    else:
        facts.update(
            squared_error=float(losses.mean()), absolute_error=float(np.sqrt(losses).mean())
        )
    trained = learner.trained
    if arm.training == CONSTRAINED:
        assert trained is not None
        record = trained.history[trained.epoch - 1]
        quantiles = np.quantile(trained.multipliers, np.linspace(0, 1, 11))
        facts.update(
            active_share=record.active_share,
            mean_multiplier=record.mean_multiplier,
            max_multiplier=record.max_multiplier,
            multiplier_quantiles=quantiles.tolist(),
        )
    return RoundRow(
        arm=arm.name,
        seed=seed,
        round=number,
        labeled=len(learner.labeled),
        epochs=learner.epochs,
        kept_epoch=learner.kept_epoch,
        train_seconds=learner.seconds,
        threads=torch.get_num_threads(),
        **facts,
    )


def macro_recall(right: NDArray[np.bool_], targets: NDArray[np.int64]) -> float:
    """Return the mean recall over the classes of the test set."""
    counts = np.bincount(targets)
    there = counts > 0
    return float((np.bincount(targets, weights=right)[there] / counts[there]).mean())


def with_query(
    row: RoundRow, protocol: Protocol, learner: AnyLearner, query: Query, seed: int
) -> RoundRow:
    """Return the row with the batch, and facts about it that only an experiment can know."""
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
    learner: AnyLearner, rows: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    outputs, _ = learner.predict(learner.dataset.inputs[rows])
    return outputs, learner.losses(outputs, learner.dataset.targets[rows])
