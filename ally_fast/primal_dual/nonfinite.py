"""What is raised when a loss is not a number to go on with."""

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
        The samples it belongs to: their places in the labeled set.

    Attributes
    ----------
    sample_ids : tuple of int
    result : TrainedModel or None
        Set by `PrimalDualTrainer.fit`: what it would have returned had it stopped before the epoch
        that failed. None if that was the first.
    """

    def __init__(self, what: str, sample_ids: Sequence[int]) -> None:
        self.sample_ids = tuple(int(i) for i in sample_ids)
        self.result: TrainedModel | None = None
        count = len(self.sample_ids)
        named = ", ".join(map(str, self.sample_ids[:_NAMED]))
        more = f" and {count - _NAMED} more" if count > _NAMED else ""
        super().__init__(f"{what} of {'sample' if count == 1 else 'samples'} {named}{more}")
