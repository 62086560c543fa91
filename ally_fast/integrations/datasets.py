"""Rows of a Hugging Face dataset."""

from __future__ import annotations

from typing import Any

import numpy as np

import ally_fast
from ally_fast._optional import require

_datasets = require("datasets", "datasets", "ally_fast.integrations.datasets")


def select(
    dataset: Any,
    column: str,
    scores: Any,
    b: int,
    k: int,
    *,
    added: str | None = "ally_",
    **options: Any,
) -> Any:
    """Return the rows of a dataset to label next, in priority order.

    Parameters
    ----------
    dataset : datasets.Dataset
        Filtered, shuffled and formatted ones as well; it is read as Arrow, not copied.
    column : str
        Its vectors.
    scores : str, array, shape (n,), or callable
        A column of the dataset, dual scores in its order, or a function of its vectors; higher is
        chosen first.
    b, k : int
        As for `ally_fast.select`.
    added : str or None
        Begins the names of columns that tell why: ``score``, ``cluster``, ``rank``, ``distance``,
        and ``index``, the place in `dataset`. None adds none.
    **options
        Of `ally_fast.select`; exclusions, groups and costs in the order of the dataset.

    Returns
    -------
    datasets.Dataset
        ``dataset.select(batch)``, with the columns added.

    Raises
    ------
    TypeError
        If it is no `Dataset`: a ``DatasetDict`` needs a split, an ``IterableDataset`` a file.
    ValueError
        As `ally_fast.select` does; if a column to be added is there already.
    """
    if not isinstance(dataset, _datasets.Dataset):
        kind = type(dataset).__name__
        raise TypeError(f"dataset: got {kind}, needs a Dataset (one split, not streamed)")
    names = ["index", "score", "cluster", "rank", "distance"]
    there = [name for name in names if added is not None and added + name in dataset.column_names]
    if there:
        raise ValueError(
            f"added: the dataset already has a column {added}{there[0]}; needs another prefix"
        )
    own = f":{scores}" if isinstance(scores, str) else None
    pool = ally_fast.open_pool(dataset, column=column, scores=own)
    values = None if own else scores
    batch, info = ally_fast.select(pool, values, b, k, return_info=True, **options)
    chosen = dataset.select(batch)
    if added is None:
        return chosen
    why = [batch, info.scores, info.clusters, info.ranks, info.distances]
    for name, cells in zip(names, why, strict=True):
        chosen = chosen.add_column(added + name, np.asarray(cells))
    return chosen
