"""A picture of gradient ascent: one column for each sample, one row for each step shown."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast._optional import require
from ally_fast.report.colours import GREY, INK


def draw_generation(
    frames: NDArray[Any],
    multipliers: NDArray[Any],
    *,
    shape: tuple[int, int],
    shown: int = 5,
    title: str = "",
) -> Any:
    """Draw some frames as grey images, with the predicted multiplier below each.

    Parameters
    ----------
    frames : array, shape (steps + 1, m, ...)
        Frames of a `ally_fast.generate.Generation`. Each has height x width numbers; the largest
        number of all frames is white.
    multipliers : array, shape (steps + 1, m)
        The predicted multiplier of each frame.
    shape : (height, width)
        Shape of an image.
    shown : int
        Number of steps to draw, evenly spaced, including the first and the last.
    title : str
        Title of the figure.

    Returns
    -------
    matplotlib.figure.Figure
    """
    steps, m = multipliers.shape
    shown_steps = np.unique(np.linspace(0, steps - 1, shown).round().astype(int))
    figure = require("matplotlib.figure", "report").Figure(
        figsize=(0.95 * m + 0.8, 1.12 * len(shown_steps) + 0.5), layout="constrained"
    )
    panels = figure.subplots(len(shown_steps), m, squeeze=False)
    low, high = float(np.min(frames)), float(np.max(frames))
    for row, step in enumerate(shown_steps):
        for column in range(m):
            axes = panels[row, column]
            image = frames[step, column].reshape(shape)
            axes.imshow(image, cmap="gray", vmin=low, vmax=high, interpolation="nearest")
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
            axes.set_xlabel(f"{multipliers[step, column]:.3f}", fontsize=8, color=INK, labelpad=2)
        name = "initial" if step == 0 else f"step {step}"
        panels[row, 0].set_ylabel(name, fontsize=8, color=GREY)
    figure.suptitle(title, x=0.01, ha="left", fontsize=10, color=INK)
    return figure
