"""A warning for a model that knows so little that its uncertainty says nothing."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

from ally_fast.device_arrays import host_copy
from ally_fast.strategies.contract import Context
from ally_fast.strategies.pieces import class_probabilities
from ally_fast.strategies.request import demand_classification

_DEVIATIONS = 2.0


class WeakHeadWarning(UserWarning):
    """A model is about as good as chance on rows that it was not trained on."""


def is_near_chance(targets: NDArray[np.integer], predicted: NDArray[np.integer]) -> str | None:
    """Return a text that says how accurate predictions are, or None if they are above chance.

    Accuracy is balanced: the mean over classes of the share that is recognised. Any constant or
    random guess gets 1 / C. An accuracy is near chance if it is within two standard deviations of
    such a guess. With fewer than two classes the answer is None.

    Parameters
    ----------
    targets, predicted : ndarray of int, shape (l,)
        Of rows that the model was not trained on.

    Examples
    --------
    >>> import numpy as np
    >>> targets = np.arange(40) % 2
    >>> is_near_chance(targets, targets), is_near_chance(targets, np.zeros(40, int))
    (None, 'a balanced accuracy of 50.0 % on 40 held-out rows of 2 classes (chance is 50.0 %)')
    """
    classes, inverse, counts = np.unique(targets, return_inverse=True, return_counts=True)
    if len(classes) < 2:
        return None
    right = np.bincount(inverse, weights=targets == predicted, minlength=len(classes))
    accuracy, chance = float((right / counts).mean()), 1 / len(classes)
    deviation = float(np.sqrt((chance * (1 - chance) / counts).sum())) / len(classes)
    if accuracy > chance + _DEVIATIONS * deviation:
        return None
    return (
        f"a balanced accuracy of {accuracy:.1%} on {len(targets)} held-out rows of "
        f"{len(classes)} classes (chance is {chance:.1%})".replace("%", " %")
    )


def held_out(
    strategy: str, context: Context
) -> tuple[NDArray[np.float64], NDArray[np.integer]] | None:
    """Return the probabilities and targets of the labeled set; None without probabilities.

    Raises
    ------
    ValueError
        If there is not a distribution and an integer class in [0, C) for each labeled row.
    """
    probabilities = context.labeled_probabilities
    if probabilities is None:
        return None
    context.demand(strategy, "labeled_targets")
    demand_classification(strategy, context)
    targets = np.asarray(host_copy(context.labeled_targets))
    if targets.ndim != 1 or targets.dtype.kind not in "iu":
        raise ValueError(
            f"{strategy}: labeled_targets: got {targets.dtype} of shape {targets.shape}, needs a "
            "class number for each labeled row"
        )
    keep = np.ones(len(targets), np.bool_)
    values = class_probabilities(strategy, "labeled_probabilities", probabilities, keep, 0)
    if len(targets) and not 0 <= targets.min() <= targets.max() < values.shape[1]:
        raise ValueError(
            f"{strategy}: labeled_targets: got {targets.min()} to {targets.max()}, needs "
            f"[0, {values.shape[1]}), the columns of labeled_probabilities"
        )
    return values, targets


def warn_if_weak(strategy: str, context: Context) -> None:
    """Warn if the cross-validated probabilities of the labeled set are near chance.

    Raises
    ------
    ValueError
        As `held_out`.
    """
    known = held_out(strategy, context)
    if known is None:
        return
    values, targets = known
    if weak := is_near_chance(targets, values.argmax(axis=1)):
        warnings.warn(
            f"{strategy}: the model has {weak}; the margins of such a model choose worse rows than "
            "chance: train it better (with less regularisation?), or label random rows first",
            WeakHeadWarning,
            stacklevel=3,
        )
