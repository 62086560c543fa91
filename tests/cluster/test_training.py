"""The rows that k-means is trained on."""

import numpy as np
import pytest
import reference

from ally_fast.cluster.training import Draw, training_rows
from ally_fast.pools import ArrayPool


@pytest.mark.parametrize("size", [1, 200, 1000], ids="size={}".format)
@pytest.mark.parametrize("some", [False, True], ids=["all", "eligible"])
def test_rows_come_in_the_order_of_the_draw(size, some, rng):
    """So that every prefix is a sample, which the start of k-means relies on."""
    embeddings = rng.normal(size=(2000, 3)).astype(np.float32)
    eligible = rng.permutation(2000) < 1000 if some else None
    rows = training_rows(ArrayPool(embeddings), Draw(size, 7, eligible))
    drawn = reference.sample_rows(2000, size, 7, eligible)
    np.testing.assert_array_equal(rows, embeddings[drawn])
