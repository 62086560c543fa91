"""A primal-dual step on a minibatch: losses, slacks, multipliers, gradient of the Lagrangian."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast import _cpu, _settings
from ally_fast.record import Record

# StepError of csrc/ops/dual_ascent/dual_ascent.h.
_ERRORS = {
    1: "ids: got {value} in row {row}, needs samples of the set",
    2: "targets: got {value} in row {row}, needs classes of the outputs",
    3: "multipliers: that of sample {value} is not a finite number of at least 0",
    4: "epsilon: that of sample {value} is not finite",
    5: "ids: got {value} again, needs distinct ids",
}


@dataclass(frozen=True, eq=False)
class DualAscent(Record):
    """The results of a step; the multipliers themselves were updated in place.

    Attributes
    ----------
    losses, slacks : ndarray of float32, shape (m,)
        ``l_i``, and ``l'_i - epsilon``.
    before : ndarray of float32, shape (m,)
        ``multipliers[ids]`` before the step.
    lagrangian : float
        The mean of ``losses + before * slacks``; 0 without rows.
    nonfinite : int
        Number of rows whose loss, slack or new multiplier is not finite. Their multipliers stay as
        they were.
    first_nonfinite : int
        The id of the first of these rows in the batch, -1 if there is none.
    gradient : ndarray, shape (m, C), or None
        In the dtype of the outputs; None without a gradient scale.
    """

    losses: NDArray[np.float32]
    slacks: NDArray[np.float32]
    before: NDArray[np.float32]
    lagrangian: float
    nonfinite: int
    first_nonfinite: int
    gradient: NDArray[Any] | None = None

    @property
    def weights(self) -> NDArray[np.float32]:
        """The weight of each row in the Lagrangian, ``1 + before``."""
        return np.float32(1) + self.before


def dual_ascent(
    outputs: NDArray[Any],
    targets: NDArray[Any],
    ids: NDArray[np.int64],
    multipliers: NDArray[np.float32],
    *,
    loss: str,
    epsilon: float | NDArray[np.float32],
    lr: float,
    gradient_scale: float | None = None,
    bf16: bool = False,
) -> DualAscent:
    """Compute the losses of a minibatch and ascend its multipliers, in one pass over `outputs`.

    Equivalent to the code below, where ``before = multipliers[ids]``::

        losses = log(sum(exp(outputs), 1)) - outputs[arange(m), targets]    # cross-entropy
        losses = mean((outputs - targets) ** 2, 1)                          # squared error
        slacks = losses - epsilon[ids]
        multipliers[ids] = maximum(0, before + lr * slacks)
        lagrangian = mean(losses + before * slacks)
        gradient = gradient_scale * d lagrangian / d outputs

    Parameters
    ----------
    outputs : ndarray, shape (m, C)
        float32, float16, or with `bf16` uint16 bits of bfloat16; rows may lie apart. A class at
        minus infinity has probability 0.
    targets : ndarray
        Cross-entropy: classes, int64, shape (m,), in ``[0, C)``. Squared error: values, shape
        (m, C), float32 or the dtype of `outputs`.
    ids : ndarray of int64, shape (m,)
        The sample of each row, distinct, in ``[0, n)``.
    multipliers : ndarray of float32, shape (n,)
        One for each sample of the labeled set, at least 0. Updated in place.
    loss : {"cross_entropy", "squared_error"}
        The objective, which is also what `epsilon` bounds.
    epsilon : float or ndarray of float32, shape (n,)
        The bound of each sample's loss.
    lr : float
        Step of the ascent, at least 0; with 0 the multipliers stay.
    gradient_scale : float, optional
        Also compute the gradient, times this number (1, or a loss scale).
    bf16 : bool
        Whether `outputs` are bfloat16 bits.

    Returns
    -------
    DualAscent

    Raises
    ------
    TypeError
        If an array has the wrong dtype or number of dimensions, or is not contiguous.
    ValueError
        If shapes disagree, if a target or id is out of range, if an id repeats, or if a
        multiplier, `epsilon` or `lr` is invalid. Then nothing has changed.

    Notes
    -----
    Source: ALLY, Algorithm 1, lines 6-11, on a minibatch. The error of a row's loss is at most that
    of float32 arithmetic, even if outputs are large or the loss is tiny; each loss is rounded to
    float32 once. Sums have a fixed order, so threads and instruction set change no bit. O(m C)
    time.
    """
    result = _cpu.dual_ascent(
        outputs,
        targets,
        ids,
        multipliers,
        np.asarray(epsilon, np.float32),
        lr,
        loss=loss,
        isa=_settings.isa(),
        gradient_scale=gradient_scale,
        bf16=bf16,
        threads=_settings.threads(),
    )
    return DualAscent(*result)


def dual_ascent_losses(
    losses: NDArray[np.float32],
    dual_losses: NDArray[np.float32],
    ids: NDArray[np.int64],
    multipliers: NDArray[np.float32],
    *,
    epsilon: float | NDArray[np.float32],
    lr: float,
) -> DualAscent:
    """Ascend the multipliers of a minibatch from its losses, which may be of any kind.

    It does what `dual_ascent` does, with ``slacks = dual_losses - epsilon[ids]``. You chain the
    gradient: that of the Lagrangian is ``1 / m`` in a loss and ``before / m`` in a dual loss.

    Parameters
    ----------
    losses, dual_losses : ndarray of float32, shape (m,)
        Losses of the objective, and losses that `epsilon` bounds; they may be one array.
    ids, multipliers, epsilon, lr
        As in `dual_ascent`.

    Returns
    -------
    DualAscent
        Without `gradient`; `losses` is the array that you passed.
    """
    result = _cpu.dual_ascent_losses(
        losses,
        dual_losses,
        ids,
        multipliers,
        np.asarray(epsilon, np.float32),
        lr,
        isa=_settings.isa(),
        threads=_settings.threads(),
    )
    return DualAscent(losses, *result)


def dual_ascent_gradient(
    outputs: NDArray[Any],
    targets: NDArray[Any],
    before: NDArray[np.float32],
    scale: float,
    *,
    loss: str,
    bf16: bool = False,
) -> NDArray[Any]:
    """Compute the gradient of a step's Lagrangian with respect to `outputs`, times `scale`.

    It gives the same bits as `dual_ascent` with this `gradient_scale`. Use it if the scale is known
    only in the backward pass; it reads `outputs` again.

    Parameters
    ----------
    outputs, targets, loss, bf16
        As you passed them to `dual_ascent`.
    before : ndarray of float32, shape (m,)
        From the result of `dual_ascent`.
    scale : float

    Returns
    -------
    ndarray, shape (m, C)
        In the dtype of `outputs`.
    """
    return _cpu.dual_ascent_gradient(
        outputs,
        targets,
        before,
        scale,
        loss=loss,
        isa=_settings.isa(),
        bf16=bf16,
        threads=_settings.threads(),
    )


def check_report(report: NDArray[np.int64]) -> tuple[int, int]:
    """Return `nonfinite` and `first_nonfinite` of a step on a GPU, or raise what stopped it.

    On a GPU the device checks the arguments. A step that finds an error changes only its report,
    and its Lagrangian, which becomes NaN. You may read the report at any later time.

    Parameters
    ----------
    report : ndarray of int64, shape (5,)
        As the step left it.

    Raises
    ------
    ValueError
        As `dual_ascent` does.
    """
    nonfinite, first_nonfinite, error, row, value = report.tolist()
    if error:
        raise ValueError(_ERRORS[error].format(row=row, value=value))
    return nonfinite, first_nonfinite
