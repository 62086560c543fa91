"""Colours that readers with any colour vision can tell apart."""

from itertools import combinations

import numpy as np
import pytest

from ally_fast.report import colours

# How dichromats see linear RGB (Machado, Oliveira and Fernandes, 2009, severity 1).
VISION = {
    "all cones": np.eye(3),
    "protanopia": [
        *([0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216]),
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        *([0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413]),
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        *([1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602]),
        [0.004733, 0.691367, 0.303900],
    ],
}
TO_XYZ = np.array(
    [
        *([0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750]),
        [0.0193339, 0.1191920, 0.9503041],
    ]
)


def linear(colour):
    """Return linear RGB of ``#rrggbb``."""
    values = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def lab(rgb):
    """Return CIELAB of linear RGB, D65."""
    ratio = TO_XYZ @ np.clip(rgb, 0, 1) / (TO_XYZ @ np.ones(3))
    f = np.where(ratio > (6 / 29) ** 3, np.cbrt(ratio), ratio / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def difference(one, other):
    """Return CIEDE2000 (Sharma, Wu and Dalal, 2005) of two colours in CIELAB."""
    chroma = (np.hypot(*one[1:]) + np.hypot(*other[1:])) / 2
    stretch = 1.5 - 0.5 * np.sqrt(chroma**7 / (chroma**7 + 25.0**7))
    (l1, a1, b1), (l2, a2, b2) = one, other
    c1, c2 = np.hypot(a1 * stretch, b1), np.hypot(a2 * stretch, b2)
    h1, h2 = np.degrees(np.arctan2(b1, a1 * stretch)), np.degrees(np.arctan2(b2, a2 * stretch))
    turn = (h2 - h1 + 180) % 360 - 180
    hue = 2 * np.sqrt(c1 * c2) * np.sin(np.radians(turn / 2))
    light, chroma, mean = (l1 + l2) / 2, (c1 + c2) / 2, h1 + turn / 2

    def cosine(times, minus):
        return np.cos(np.radians(times * mean - minus))

    t = 1 - 0.17 * cosine(1, 30) + 0.24 * cosine(2, 0) + 0.32 * cosine(3, -6) - 0.2 * cosine(4, 63)
    parts = np.array(
        [
            (l2 - l1) / (1 + 0.015 * (light - 50) ** 2 / np.sqrt(20 + (light - 50) ** 2)),
            (c2 - c1) / (1 + 0.045 * chroma),
            hue / (1 + 0.015 * chroma * t),
        ]
    )
    bend = 60 * np.exp(-((((mean % 360) - 275) / 25) ** 2))
    rotation = -2 * np.sqrt(chroma**7 / (chroma**7 + 25.0**7)) * np.sin(np.radians(bend))
    return np.sqrt(parts @ parts + rotation * parts[1] * parts[2])


def test_the_measure_agrees_with_published_pairs():
    pairs = [
        ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
        ((50, 2.5, 0), (73, 25, -18), 27.1492),
        ((2.0776, 0.0795, -1.1350), (0.9033, -0.0636, -0.5514), 0.9082),
    ]
    for one, other, expected in pairs:
        assert difference(np.array(one), np.array(other)) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("vision", VISION)
def test_hues_are_told_apart(vision):
    seen = [lab(VISION[vision] @ linear(hue)) for hue in colours.HUES]
    assert min(difference(*pair) for pair in combinations(seen, 2)) >= 15


@pytest.mark.parametrize("vision", VISION)
def test_scores_grow_darker_whoever_looks(vision):
    lightness = [lab(VISION[vision] @ linear(name))[0] for name in colours.ramp_names(12)]
    assert (np.diff(lightness) < -1).all()


def contrast(colour, background):
    low, high = sorted(float(TO_XYZ[1] @ linear(one)) for one in (colour, background))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("background", ["#ffffff", "#191d24"], ids=["light", "dark"])
def test_colours_are_seen_on_both_backgrounds(background):
    for colour in {*colours.HUES, colours.POOL}:
        assert contrast(colour, background) > 2
    for colour in (colours.BATCH, colours.BEST, colours.RANDOM, colours.EXCLUDED):
        assert contrast(colour, background) > 2.5


def test_the_ramp_has_its_names():
    names = colours.ramp_names(5)
    ramp = np.rint(255 * colours.ramp(5)).astype(int)
    assert [tuple(int(name[i : i + 2], 16) for i in (1, 3, 5)) for name in names] == [
        tuple(row) for row in ramp.tolist()
    ]
