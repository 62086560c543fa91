"""A primal-dual step on a minibatch, in float64."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

_BLOCK = 256


class Ascent(NamedTuple):
    """A step on given losses, float32 where the core rounds to float32."""

    slacks: npt.NDArray[np.float32]
    before: npt.NDArray[np.float32]
    multipliers: npt.NDArray[np.float32]
    lagrangian: float
    nonfinite: int
    first_nonfinite: int


def cross_entropy(
    outputs: npt.ArrayLike, targets: npt.ArrayLike
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Compute each row's cross-entropy, its log-sum-exp, and the loss's gradient.

    Parameters
    ----------
    outputs : array_like, shape (m, C)
        Logits; minus infinity is a class of probability 0.
    targets : array_like of int, shape (m,)

    Returns
    -------
    losses, log_sum_exp : ndarray of float64, shape (m,)
    gradient : ndarray of float64, shape (m, C)
        Softmax less the one-hot target.
    """
    o = np.asarray(outputs, dtype=np.float64)
    rows, y = np.arange(o.shape[0]), np.asarray(targets, dtype=np.int64)
    own = o[rows, y]
    others = o.copy()
    others[rows, y] = -np.inf
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        peak = others.max(axis=1, initial=-np.inf)
        peak[np.isneginf(peak)] = 0.0
        rest = np.log(np.exp(others - peak[:, None]).sum(axis=1))
        losses = np.logaddexp(0.0, (peak - own) + rest)
        log_sum_exp = np.logaddexp(own, peak + rest)
        gradient = np.exp(o - log_sum_exp[:, None])
        gradient[rows, y] = np.expm1(-losses)
    return losses, log_sum_exp, gradient


def squared_error(
    outputs: npt.ArrayLike, targets: npt.ArrayLike
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Compute each row's mean squared error, and the loss's gradient.

    Parameters
    ----------
    outputs, targets : array_like, shape (m, C)

    Returns
    -------
    losses : ndarray of float64, shape (m,)
    gradient : ndarray of float64, shape (m, C)
    """
    difference = np.asarray(outputs, dtype=np.float64) - np.asarray(targets, dtype=np.float64)
    return (difference**2).mean(axis=1), 2 / difference.shape[1] * difference


def ascend(
    losses: npt.ArrayLike,
    dual_losses: npt.ArrayLike,
    ids: npt.ArrayLike,
    multipliers: npt.ArrayLike,
    epsilon: npt.ArrayLike,
    lr: float,
) -> Ascent:
    """Ascend the multipliers of a minibatch, row after row, in the roundings of the core.

    Parameters
    ----------
    losses, dual_losses : array_like of float32, shape (m,)
    ids : array_like of int, shape (m,)
    multipliers : array_like of float32, shape (n,)
        Left as they are.
    epsilon : array_like of float32, shape (n,) or ()
    lr : float

    Returns
    -------
    Ascent

    Examples
    --------
    >>> ascend([1.0], [1.0], [1], [0.0, 2.0, 0.0], 0.5, 0.25).multipliers.tolist()
    [0.0, 2.125, 0.0]
    """
    primal, dual = np.asarray(losses, np.float32), np.asarray(dual_losses, np.float32)
    after = np.array(multipliers, dtype=np.float32)
    rows = np.asarray(ids, dtype=np.int64)
    bounds = np.broadcast_to(np.asarray(epsilon, np.float32), after.shape)
    before = after[rows]
    slacks, refused, sums = np.empty_like(before), [], []
    with np.errstate(over="ignore", invalid="ignore"):
        for i, sample in enumerate(rows):
            slacks[i] = np.float32(np.float64(dual[i]) - np.float64(bounds[sample]))
            multiplier, slack = np.float64(before[i]), np.float64(slacks[i])
            ascended = np.float32(max(multiplier + lr * slack, 0.0))
            if np.isfinite([primal[i], slacks[i], ascended]).all():
                after[sample] = ascended
            else:
                refused.append(int(sample))
            if i % _BLOCK == 0:
                sums.append(np.float64(0))
            sums[-1] += np.float64(primal[i]) + multiplier * slack
        total = np.float64(0)
        for block in sums:
            total += block
    mean = float(total / len(rows)) if len(rows) else 0.0
    return Ascent(slacks, before, after, mean, len(refused), refused[0] if refused else -1)
