"""The error for a loss that is NaN or infinite."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ally_fast.primal_dual.trained import TrainedModel

_NAMED = 10


class NonFiniteLossError(ArithmeticError):
    """A loss, slack or multiplier is NaN or infinite.

    Parameters
    ----------
    what : str
        What is not finite.
    sample_ids : sequence of int
        Positions of the affected samples in the labeled set.

    Attributes
    ----------
    sample_ids : tuple of int
        Positions of the affected samples in the labeled set.
    result : TrainedModel or None
        `PrimalDualTrainer.fit` sets it to the result of the epochs before the one that failed; None
        if the first epoch failed.
    """

    def __init__(self, what: str, sample_ids: Sequence[int]) -> None:
        self.sample_ids = tuple(int(i) for i in sample_ids)
        self.result: TrainedModel | None = None
        count = len(self.sample_ids)
        named = ", ".join(map(str, self.sample_ids[:_NAMED]))
        more = f" and {count - _NAMED} more" if count > _NAMED else ""
        super().__init__(f"{what} of {'sample' if count == 1 else 'samples'} {named}{more}")
