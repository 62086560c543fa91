"""Uncertainty Herding: cover the rows that the model is unsure of."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast import checks
from ally_fast.strategies.contract import Context
from ally_fast.strategies.herding import Herding
from ally_fast.strategies.margin import margins
from ally_fast.strategies.pieces import class_probabilities, part_of
from ally_fast.strategies.request import Request, demand_classification
from ally_fast.strategies.temperature import at_temperature, best_temperature
from ally_fast.strategies.weak_head import held_out, warn_if_weak


class UncertaintyHerding(Herding):
    """Cover the rows that the model is unsure of: `MaxHerding` with weights of 1 less the margin.

    Parameters
    ----------
    temperature : float, optional
        Above 0; logarithms of probabilities are divided by it. None: the one of 25 temperatures
        from 1/8 to 8 at which ``labeled_probabilities`` have the lowest expected calibration error
        (15 bins; the one nearest to 1 on a tie), or 1 without ``labeled_probabilities``.
    **options
        Those of `MaxHerding`: ``width``, ``targets``, ``metric``.

    Warns
    -----
    WeakHeadWarning
        As `ClusterMargin`.

    Notes
    -----
    Needs ``embeddings``, ``labeled_embeddings`` and ``probabilities``: a classification task.
    `MaxHerding` says what is exact, what is bounded, and the cost in time and memory. This strategy
    adds one pass over the probabilities. If the margin of every target is 1, all weigh the same.
    With a temperature other than 1, logarithms and exponentials are NumPy's. Their last bits may
    differ on another machine, so weights are rounded to multiples of 2**-20.

    Source: Bae, Oliveira, Sutherland, "Uncertainty herding: one active learning method for all
    label budgets", ICLR 2025. The paper judges temperatures on a held-out part of the labels, and
    uses one part of the pool as both candidates and targets.

    Examples
    --------
    >>> import numpy as np
    >>> from ally_fast.strategies import Context
    >>> rows = np.array([[0.0], [1.0], [1.5], [9.0], [9.1]])
    >>> probabilities = np.array([[0.9, 0.1], [1.0, 0.0], [1.0, 0.0], [0.6, 0.4], [0.5, 0.5]])
    >>> context = Context(
    ...     embeddings=rows, probabilities=probabilities, labeled_embeddings=np.empty((0, 1))
    ... )
    >>> UncertaintyHerding(width=1.0).query(context, b=2)
    array([4, 0])
    """

    name = "UncertaintyHerding"
    pieces = ("probabilities",)

    def __init__(self, temperature: float | None = None, **options: Any) -> None:
        super().__init__(**options)
        if temperature is not None and not 0 < checks.number(temperature, "temperature") < np.inf:
            raise ValueError(f"temperature: got {temperature}, needs a number above 0")
        self.temperature = temperature
        self.options = options

    def query(self, context: Context, b: int) -> NDArray[np.int64]:
        """Return `b` rows in the order of the picks; see `Strategy`."""
        demand_classification(self.name, context)
        warn_if_weak(self.name, context)
        return super().query(context, b)

    def _weights(
        self, context: Context, request: Request, indices: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        temperature = self._temperature(context)
        weights = np.zeros(len(indices))
        for lo, hi, keep in request.chunks():
            part = part_of(context.probabilities, lo, hi)
            values = class_probabilities(self.name, "probabilities", part, keep, lo)
            first, end = np.searchsorted(indices, (lo, hi))
            inside = values[indices[first:end] - lo]
            # Probabilities of a few bits may add up to more than 1.
            weights[first:end] = np.maximum(1 + margins(at_temperature(inside, temperature)), 0)
        return weights

    def _temperature(self, context: Context) -> float:
        if self.temperature is not None:
            return float(self.temperature)
        known = held_out(self.name, context)
        return 1.0 if known is None else best_temperature(*known)
