"""Random sampling, the baseline."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ally_fast.ops.sample_rows import sample_rows
from ally_fast.strategies.contract import Context
from ally_fast.strategies.parameters import Parameters
from ally_fast.strategies.request import open_request


class RandomSampling(Parameters):
    """Take rows at random, without replacement.

    Notes
    -----
    Needs only the number of rows. O(n) time, O(b) memory. Every prefix of the batch is a sample
    without replacement, too. The same seed gives the same answer on any machine.
    """

    name = "RandomSampling"

    def query(self, context: Context, b: int) -> NDArray[np.int64]:
        """Return `b` random rows, in random order; see `Strategy`."""
        request = open_request(self.name, context, b)
        return sample_rows(request.n, request.b, context.seed, request.eligible)
