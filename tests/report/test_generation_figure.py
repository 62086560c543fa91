"""The picture of generated samples shows the frames, and what is predicted for them."""

import io

import numpy as np
import pytest

from ally_fast.report import draw_generation, save_figure

pytest.importorskip("matplotlib", reason="needs matplotlib")


def test_frames_and_multipliers_are_drawn():
    frames = np.random.default_rng(0).random((9, 3, 12)).astype(np.float32)
    multipliers = np.arange(27, dtype=np.float32).reshape(9, 3) / 10
    figure = draw_generation(frames, multipliers, shape=(3, 4), title="going up")
    assert len(figure.axes) == 5 * 3
    for row, place in enumerate((0, 2, 4, 6, 8)):
        for column in range(3):
            axes = figure.axes[3 * row + column]
            assert np.array_equal(axes.images[0].get_array(), frames[place, column].reshape(3, 4))
            assert axes.get_xlabel() == f"{multipliers[place, column]:.3f}"
            # One scale of grey for all, or frames could not be compared.
            assert axes.images[0].get_clim() == (frames.min(), frames.max())
    assert [axes.get_ylabel() for axes in figure.axes[::3]] == [
        *("initial", "step 2", "step 4", "step 6", "step 8"),
    ]
    assert figure.get_suptitle() == "going up"
    file = io.BytesIO()
    save_figure(figure, file, ".png")
    assert file.getvalue().startswith(b"\x89PNG")


def test_few_frames_are_drawn_once():
    figure = draw_generation(np.zeros((2, 1, 4)), np.zeros((2, 1)), shape=(2, 2))
    assert len(figure.axes) == 2
