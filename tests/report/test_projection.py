"""The plane a pool is drawn in."""

import numpy as np
import pytest

from ally_fast.pools import ArrayPool
from ally_fast.report.projection import fit_projection, rows_as_seen


def test_the_two_widest_directions(rng):
    rows = rng.normal(size=(500, 6)) * [1, 9, 1, 1, 4, 1]
    plane = fit_projection(rows)
    assert np.abs(plane.axes).argmax(axis=0).tolist() == [1, 4]
    centred = rows - rows.mean(axis=0)
    spectrum = np.linalg.svd(centred, compute_uv=False) ** 2
    np.testing.assert_allclose(plane.explained, spectrum[:2] / spectrum.sum())
    np.testing.assert_allclose((plane(rows) ** 2).sum(axis=0), spectrum[:2])


def test_the_sign_is_fixed(rng):
    rows = rng.normal(size=(50, 3))
    axes = fit_projection(rows).axes
    np.testing.assert_allclose(fit_projection(-rows).axes, axes)
    assert (axes[np.abs(axes).argmax(axis=0), [0, 1]] > 0).all()


@pytest.mark.parametrize("shape", [(0, 3), (1, 3), (5, 1), (5, 2)], ids=str)
def test_few_rows_or_columns(shape):
    rows = np.ones(shape)
    plane = fit_projection(rows)
    assert plane(rows).shape == (shape[0], 2)
    assert plane.explained.tolist() == [0, 0]


def test_cosine_sees_unit_rows():
    rows = ArrayPool(np.array([[3.0, 4.0], [0.0, 0.0]])).read(0, 2)
    assert rows_as_seen(rows, "euclidean").tolist() == [[3, 4], [0, 0]]
    np.testing.assert_allclose(rows_as_seen(rows, "cosine"), [[0.6, 0.8], [0, 0]])


def test_bfloat16_is_decoded():
    ml_dtypes = pytest.importorskip("ml_dtypes", reason="needs ml_dtypes")
    rows = ArrayPool(np.array([[1.5, -2.0]]).astype(ml_dtypes.bfloat16)).read(0, 1)
    assert rows_as_seen(rows, "euclidean").tolist() == [[1.5, -2]]
