"""Colours of pictures and pages. Readers with any colour vision can tell them apart."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

HUES = (
    *("#003cff", "#ff5a1e", "#00785a", "#a587ff"),
    *("#b47896", "#78a578", "#b40f00", "#784b78"),
)
"""Of clusters. Any two: CIEDE2000 >= 15 under any dichromacy. Visible on white and near-black."""

BATCH, BEST, RANDOM, EXCLUDED = HUES[1], HUES[4], HUES[5], HUES[3]
INK, GREY, PALE = "#22262e", "#6b7280", "#d5d9e0"
EDGE = INK  # of picks; a page has its own
POOL = "#8b929e"  # visible on white and on near black

_RAMP = ((0xFF, 0xB4, 0x54), (0xFF, 0x5A, 0x1E), (0xC8, 0x1E, 0x0A), (0x96, 0x0A, 0x28))


def ramp(steps: int = 64) -> NDArray[np.float64]:
    """Return colours for scores, the lowest score first: shape (steps, 3), values in [0, 1]."""
    stops = np.array(_RAMP) / 255
    at, places = np.linspace(0, 1, steps), np.linspace(0, 1, len(stops))
    return np.stack([np.interp(at, places, stops[:, channel]) for channel in range(3)], axis=1)


def ramp_names(steps: int = 64) -> list[str]:
    """Return the colours of `ramp` as ``#rrggbb``."""
    return [
        f"#{red:02x}{green:02x}{blue:02x}"
        for red, green, blue in np.rint(255 * ramp(steps)).astype(int).tolist()
    ]
