"""The picture of a batch shows the pool, the picks, and what it hides."""

import io

import numpy as np
import pytest

import ally_fast
from ally_fast.pools import as_pool
from ally_fast.report import batch_figure, draw_batch, evidence, save_figure
from ally_fast.report.projection import fit_projection

pytest.importorskip("matplotlib", reason="needs matplotlib")


def draw(embeddings, scores, b, k, exclude=None, metric="euclidean"):
    """Select and draw; return the figure, its map and the indices."""
    indices, info = ally_fast.select(
        embeddings, scores, b, k, exclude=exclude, metric=metric, return_info=True
    )
    figure = draw_batch(as_pool(embeddings), scores, indices, info, exclude=exclude, metric=metric)
    return figure, figure.axes[0], indices


def texts(figure):
    found = [axes.get_title(loc="left") for axes in figure.axes]
    return " ".join([*found, figure.get_supxlabel()])


@pytest.fixture
def pool(rng):
    return rng.normal(size=(400, 5)), rng.random(400)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("k", [4, 40])
def test_every_row_and_every_pick_is_drawn(k, metric, pool):
    figure, drawn, _ = draw(*pool, 30, k, metric=metric)
    counts = [len(dots.get_offsets()) for dots in drawn.collections]
    assert counts.count(400) == 1
    assert counts.count(30) == 1
    assert f"b = 30 of n = 400 rows chosen, k = {k} clusters" in texts(figure)
    assert "Drawn: all 400 rows;" in texts(figure)


def test_a_pick_lies_on_its_row(pool):
    embeddings, scores = pool
    _, drawn, indices = draw(embeddings, scores, 30, 4)
    rows, picks = (
        next(d.get_offsets() for d in drawn.collections if len(d.get_offsets()) == size)
        for size in (400, 30)
    )
    places = fit_projection(embeddings)(embeddings)
    order = np.argsort(scores[indices], kind="stable")
    np.testing.assert_allclose(picks, places[indices[order]], atol=1e-9)
    np.testing.assert_allclose(np.sort(rows, axis=0), np.sort(places, axis=0), atol=1e-9)


def test_a_large_pool_is_drawn_as_density_of_a_sample(pool, monkeypatch):
    monkeypatch.setattr(evidence, "_MOST_SAMPLED", 100)
    monkeypatch.setattr(batch_figure, "_MOST_DOTS", 50)
    figure, drawn, _ = draw(*pool, 30, 40)
    assert type(drawn.collections[0]).__name__ == "PolyCollection"
    assert "Drawn: 100 of the 400 rows;" in texts(figure)


def test_excluded_rows_are_not_drawn(pool):
    embeddings, scores = pool
    embeddings[:100] = np.nan
    figure, drawn, _ = draw(embeddings, scores, 30, 4, exclude=np.arange(100))
    assert "all 300 rows that could be chosen" in texts(figure)
    assert 300 in [len(dots.get_offsets()) for dots in drawn.collections]


CORNERS = {
    "no picks": (50, 3, 0, 4),
    "one row": (1, 3, 1, 1),
    "one feature": (50, 1, 5, 12),
    "all rows": (50, 3, 50, 12),
}


@pytest.mark.parametrize("case", CORNERS)
@pytest.mark.parametrize("extension", batch_figure.FIGURE_EXTENSIONS)
def test_corners(case, extension, rng):
    n, d, b, k = CORNERS[case]
    figure, _, _ = draw(rng.normal(size=(n, d)), np.zeros(n), b, k)
    file = io.BytesIO()
    save_figure(figure, file, extension)
    assert len(file.getvalue()) > 1000


def test_the_same_picture_twice(pool):
    files = [io.BytesIO(), io.BytesIO()]
    for file in files:
        save_figure(draw(*pool, 30, 40)[0], file, ".png")
    assert files[0].getvalue() == files[1].getvalue()
