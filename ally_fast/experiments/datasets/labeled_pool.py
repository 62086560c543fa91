"""A user's own pool of embeddings, and a column that holds labels."""

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
    """Return the rows of a pool that have a label; a fifth of them is the test set.

    Parameters
    ----------
    source : str
        As `ally_fast.open_pool` takes it; read whole.
    labels : str
        A column spec, ``:topic`` or ``labels.parquet:topic@image_id``. Integers or texts; a null, a
        NaN or a negative integer stands for no label.
    column, ids : str, optional
        Of the pool; ids are needed where labels are matched by them.

    Raises
    ------
    ValueError, TypeError, FileNotFoundError
        If pool or labels cannot be read, or there is nothing to learn.
    """
    pool = open_pool(source, column=column, ids=ids)
    spec = ColumnSpec.parse(labels)
    if spec.source is not None:
        values = open_column(labels)
    else:
        assert isinstance(pool, ShardedPool)  # of files
        values = pool.column(spec.column)
    # Ids without a label are no mistake, so no row is one that must have it.
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
    """Return what sorts numbers before texts."""
    return isinstance(name, str), name
