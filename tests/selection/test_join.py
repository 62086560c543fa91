"""What comes by position or by id."""

import numpy as np
import pytest

from ally_fast.pools.by_id import ById
from ally_fast.selection.join import Join

pa = pytest.importorskip("pyarrow", reason="needs pyarrow")


class Endless:
    """A column that declares no number of rows, and never ends."""

    name = "x.zarr: key 'group'"
    numbers = None

    def parts(self):
        while True:
            yield pa.array(["a"] * 7)


@pytest.mark.parametrize("given", [Endless(), ById(np.arange(10), Endless())])
def test_labels_are_read_no_further_than_there_are_rows(given):
    with pytest.raises(ValueError, match=r"^x\.zarr: key 'group': holds 14 rows or more, needs 10"):
        Join(None, 10, "error").labels(given, "groups", None)
