"""Rounds of relocation: merge and split clusters as long as that pays."""

from __future__ import annotations

from typing import Any

import numpy as np

from ally_fast.clusters import Clustering, Halves
from ally_fast.memory import take_rows
from ally_fast.ops.assign import assign, packed_points
from ally_fast.ops.halve import halve, unhalved
from ally_fast.ops.relocate import relocate
from ally_fast.rows import Rows

# Gains of a round, as shares of the spread:
MUCH = 0.004  # above it, another slice of this size pays
LITTLE = 0.001  # below it, rounds end
SHARE = 0.1  # they also end below MUCH and this share of the first round's gain
ROUNDS = 8  # at most


class Relocation:
    """Rounds of relocation; each parts the clusters by the next bit of their numbers."""

    def __init__(self) -> None:
        self._rounds = 0

    def run(self, clustering: Clustering) -> tuple[float, float]:
        """Move centroids in place; return the first round's gain, and the spread that is left."""
        halves = unhalved(clustering)
        halve(clustering, halves)
        spread = clustering.grid.distance(halves.spreads)
        k = len(clustering.centroids)
        first, idle, bits = 0.0, 0, (k - 1).bit_length()
        for number in range(ROUNDS if k > 1 and spread > 0 else 0):
            gain = one_round(clustering, halves, self._rounds % bits)
            self._rounds += 1
            first = first if number else gain
            # By the spread that is left: if clusters lie apart, one wrong one is most of it.
            little = gain <= LITTLE * spread or SHARE * first >= gain <= MUCH * spread
            spread -= gain
            idle = 0 if gain else idle + 1
            if idle == bits or (gain and little):
                break
            halve(clustering, halves)
        return first, spread


def one_round(clustering: Clustering, halves: Halves, bit: int) -> float:
    """Find the nearest clusters across the two parts, and relocate; O(k^2 d) in low precision."""
    centroids = clustering.centroids
    ones = np.arange(len(centroids)) >> bit & 1 != 0
    parts: tuple[Any, ...] = tuple(
        take_rows(centroids, np.flatnonzero(part)) for part in (~ones, ones)
    )
    nearest = tuple(
        assign(Rows(own), packed_points(other))[0] for own, other in (parts, parts[::-1])
    )
    return relocate(clustering, halves, nearest, bit)
