"""How much to flatten a model's probabilities, judged on rows that it has not seen."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

TEMPERATURES = tuple(float(t) for t in np.exp2(np.arange(-12, 13) / 4))  # 1/8 to 8
_BINS = 15


def at_temperature(probabilities: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
    """Return the softmax of the log-probabilities divided by the temperature; unchanged at 1."""
    if temperature == 1:
        return probabilities
    logs = np.full_like(probabilities, -np.inf)
    np.log(probabilities, out=logs, where=probabilities > 0)
    logs /= temperature
    powers = np.exp(logs - logs.max(axis=1, keepdims=True))
    shares: NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
    return shares


def calibration_error(probabilities: NDArray[np.float64], targets: NDArray[np.integer]) -> float:
    """Return the expected calibration error of the largest probability, in 15 equal bins.

    Examples
    --------
    >>> import numpy as np
    >>> round(calibration_error(np.array([[0.9, 0.1], [0.8, 0.2]]), np.array([0, 1])), 3)
    0.45
    """
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == targets
    bins = np.minimum((confidence * _BINS).astype(np.int64), _BINS - 1)
    gaps = np.bincount(bins, weights=right - confidence, minlength=_BINS)
    return float(np.abs(gaps).sum()) / max(1, len(targets))


def best_temperature(probabilities: NDArray[np.float64], targets: NDArray[np.integer]) -> float:
    """Return the one of `TEMPERATURES` with the lowest calibration error, nearest to 1 on a tie."""
    errors = [calibration_error(at_temperature(probabilities, t), targets) for t in TEMPERATURES]
    ranks = [(error, abs(np.log2(t)), t) for error, t in zip(errors, TEMPERATURES, strict=True)]
    return min(ranks)[-1]
