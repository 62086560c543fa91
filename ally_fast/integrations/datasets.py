"""Select rows of a Hugging Face dataset."""

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
        It may be filtered, shuffled or formatted. It is read as Arrow, without a copy.
    column : str
        The column of vectors.
    scores : str, array, shape (n,), or callable
        A column of the dataset, dual scores in the dataset's order, or a function of the vectors.
        Rows with higher scores are chosen first.
    b, k : int
        As for `ally_fast.select`.
    added : str or None
        Prefix of the added columns, which say why each row was chosen: ``score``, ``cluster``,
        ``rank``, ``distance``, and ``index``, the row's place in `dataset`. None adds no columns.
    **options
        As for `ally_fast.select`. Exclusions, groups and costs are in the dataset's order.

    Returns
    -------
    datasets.Dataset
        ``dataset.select(batch)`` with the added columns.

    Raises
    ------
    TypeError
        If `dataset` is not a ``Dataset``. Take a split of a ``DatasetDict``; save an
        ``IterableDataset`` to a file.
    ValueError
        As `ally_fast.select` does. Also if the dataset already has a column to be added.
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
