"""Choose a batch with the model of a round. Each strategy gets only the inputs that it needs."""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast.experiments.arm import MARGIN_SCORES, RANDOM_SCORES, Arm
from ally_fast.experiments.frozen_learner import FrozenLearner
from ally_fast.experiments.learner import Learner
from ally_fast.experiments.protocol import Protocol
from ally_fast.primal_dual import DualHead, DualHeadWarning, rank_correlation
from ally_fast.strategies import Context, WeakHeadWarning, dropout_passes


@dataclass(frozen=True, eq=False)
class Query:
    """A batch, the time it took, and the quality of the dual head.

    Attributes
    ----------
    batch : ndarray of int64
        Pool rows.
    pool_seconds, query_seconds : float
        Time to run the model over the pool; time to choose, including the dual head.
    head_rank_correlation, head_error_share, pool_rank_correlation : float or None
        See `RoundRow`.
    """

    batch: NDArray[np.int64]
    pool_seconds: float
    query_seconds: float
    head_rank_correlation: float | None = None
    head_error_share: float | None = None
    pool_rank_correlation: float | None = None


AnyLearner = Learner | FrozenLearner


def choose(
    arm: Arm, learner: AnyLearner, b: int, seed: int, protocol: Protocol | None = None
) -> Query:
    """Choose `b` unlabeled rows of the pool; the protocol says how to fit dual heads."""
    began = time.perf_counter()
    outputs, pieces = _pieces(arm, learner, seed)
    pool_seconds = time.perf_counter() - began
    began = time.perf_counter()
    head = None
    if arm.scores == RANDOM_SCORES:
        generator = np.random.Generator(np.random.Philox(key=seed))
        pieces["dual_scores"] = generator.random(len(learner.dataset.inputs))
    elif arm.scores == MARGIN_SCORES:
        shares = np.sort(pieces.pop("probabilities"), axis=1)
        pieces["dual_scores"] = shares[:, -2] - shares[:, -1]
    elif arm.of_duals:
        embeddings = pieces["embeddings"]
        refit = protocol is not None and protocol.refit_head
        seeds = range(seed, seed + arm.heads)
        heads = [_fitted_head(learner, embeddings, own, refit) for own in seeds]
        head = heads[0]
        pieces["dual_scores"] = np.mean([one.score(embeddings) for one in heads], axis=0)
    context = Context(exclude=learner.labeled, seed=seed, device="cpu", **pieces)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", WeakHeadWarning)  # the accuracy is in the row
        batch = arm.make().query(context, b)
    query = Query(batch, pool_seconds, time.perf_counter() - began)
    if head is None or outputs is None:
        return query
    unlabeled = np.ones(len(outputs), np.bool_)
    unlabeled[learner.labeled] = False
    losses = learner.losses(outputs, learner.dataset.targets)
    report = head.fit_report
    return Query(
        batch,
        query.pool_seconds,
        query.query_seconds,
        report.rank_correlation,
        report.error / report.error_of_mean if report.error_of_mean > 0 else None,
        rank_correlation(pieces["dual_scores"][unlabeled], losses[unlabeled]),
    )


def _fitted_head(
    learner: AnyLearner, embeddings: NDArray[np.float32], seed: int, refit: bool
) -> DualHead:
    """Return a dual head that is fitted to the rows with a multiplier."""
    trained = learner.trained
    assert trained is not None  # that of constrained training
    with warnings.catch_warnings():
        # The row has numbers that show how much the head says.
        warnings.simplefilter("ignore", DualHeadWarning)
        return DualHead(seed=seed, refit=refit, device=trained.device).fit(
            embeddings[learner.labeled[trained.positions]], trained.multipliers
        )


def _pieces(
    arm: Arm, learner: AnyLearner, seed: int
) -> tuple[NDArray[np.float32] | None, dict[str, Any]]:
    """Return the model's outputs on the pool, and the inputs of the strategy."""
    dataset, strategy = learner.dataset, arm.strategy
    if strategy == "random":
        return None, {"n": len(dataset.inputs)}
    if strategy == "bald":
        assert isinstance(learner, Learner)
        passes = [
            learner.probabilities(learner.predict(dataset.inputs, dropout_seed=seed + t)[0])
            for t in range(arm.of_model["passes"])
        ]
        return None, {"mc_probabilities": np.stack(passes)}
    outputs, last_inputs = learner.predict(dataset.inputs)
    if strategy == "learning_loss":
        return outputs, {"n": len(outputs), "predicted_losses": outputs[:, -1]}
    probabilities = {"probabilities": learner.probabilities(outputs)} if arm.classification else {}
    if strategy in ("entropy", "margin"):
        return outputs, probabilities
    if strategy == "badge":
        return outputs, {"embeddings": last_inputs, **probabilities}
    embeddings = learner.space(last_inputs)
    pieces = {"embeddings": embeddings, **probabilities}
    if strategy == "cluster_margin":
        return outputs, pieces
    if strategy == "drop_query":
        by_chunk = dropout_passes(learner.of_space, embeddings, seed=seed, **arm.of_model)
        return outputs, {**pieces, "mc_probabilities": by_chunk}
    pieces["labeled_embeddings"] = embeddings[learner.labeled]
    if strategy == "uncertainty_herding" and (held_out := learner.held_out()) is not None:
        pieces["labeled_probabilities"] = held_out
        pieces["labeled_targets"] = dataset.targets[learner.labeled]
    return outputs, pieces
