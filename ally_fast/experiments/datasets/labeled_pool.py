"""Your own pool of embeddings with a column of labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ally_fast.experiments.datasets.dataset import Dataset
from ally_fast.experiments.datasets.embedded import embedded
from ally_fast.pools import open_column, open_pool
from ally_fast.pools.column_spec import ColumnSpec
from ally_fast.pools.pool import as_float
from ally_fast.pools.row_count import check_rows
from ally_fast.pools.sharded_pool import ShardedPool
from ally_fast.selection.join import checked_join


def load(source: str, labels: str, column: str | None = None, ids: str | None = None) -> Dataset:
    """Return the rows of a pool that have a label; a random fifth of them is the test set.

    Parameters
    ----------
    source : str
        A pool as `ally_fast.open_pool` takes it; it is read as a whole.
    labels : str
        A column spec, ``:topic`` or ``labels.parquet:topic@image_id``. Labels are integers or
        texts; null, NaN and negative integers mean no label.
    column, ids : str, optional
        Columns of the pool. Ids are needed if labels are matched by id.

    Raises
    ------
    ValueError, TypeError, FileNotFoundError
        If the pool or the labels cannot be read, or there are too few labels or classes.
    """
    pool = open_pool(source, column=column, ids=ids)
    spec = ColumnSpec.parse(labels)
    if spec.source is not None:
        values = open_column(labels)
    else:
        assert isinstance(pool, ShardedPool)  # of files
        values = pool.column(spec.column)
    # Rows without a label are not an error, so no row is marked as one that needs a label.
    table = checked_join(pool, None, "ignore").labels(values, "labels", np.zeros(pool.n, np.bool_))
    check_rows(len(table.codes), pool.n)
    named = [name for name in table.names if isinstance(name, str) or name >= 0]
    number = {name: place for place, name in enumerate(sorted(named, key=_order))}
    # The last stands for rows without a label.
    classes = np.array([*(number.get(name, -1) for name in table.names), -1], np.int64)
    rows = as_float(pool.read(0, pool.n)).astype(np.float32)
    pool.check()
    shown = f"{Path(source).name}, labels {labels}, {len(number)} classes"
    return embedded(Path(source).stem, rows, classes[table.codes], shown)


def _order(name: Any) -> tuple[bool, Any]:
    """Return a sort key that puts numbers before texts."""
    return isinstance(name, str), name
