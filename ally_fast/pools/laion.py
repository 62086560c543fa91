"""Folders in the layout of LAION and clip-retrieval: embeddings beside metadata."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from ally_fast.pools.formats import open_shard
from ally_fast.pools.names import missing
from ally_fast.pools.paired_shard import PairedShard, paired
from ally_fast.pools.shard import Shard
from ally_fast.pools.sources import folders_in, locations

_EMBEDDINGS = ("img_emb", "text_emb")
_METADATA = "metadata"


def laion_shards(
    source: str | os.PathLike[str], column: str | None, options: Mapping[str, Any] | None
) -> list[Shard] | None:
    """Return the shards of a folder with ``img_emb`` or ``text_emb``, and ``metadata``.

    Parameters
    ----------
    source : path or URL
        Any source.
    column : str or None
        ``"img_emb"`` or ``"text_emb"``; it may be None if only one of them is there.
    options : mapping or None
        For the file system of a URL.

    Returns
    -------
    list of Shard, or None
        None if `source` is not such a folder.

    Raises
    ------
    ValueError
        If `column` is None but both are there, if it names one that is not there, or if a file
        has no partner.
    """
    folders = folders_in(source, options)
    columns = [name for name in _EMBEDDINGS if name in folders]
    if not columns or (len(columns) == 1 and _METADATA not in folders):
        return None
    if column is None and len(columns) == 1:
        (column,) = columns
    if column is None or column not in columns:
        raise ValueError(f"{os.fspath(source)}: {missing(column, columns, 'column')}")
    base = os.fspath(source).rstrip("/")
    vectors = locations(f"{base}/{column}", storage_options=options)
    if _METADATA not in folders:
        return [open_shard(location) for location in vectors]
    metadata = locations(f"{base}/{_METADATA}", storage_options=options, columns=True)
    return [
        PairedShard(open_shard(one), open_shard(other)) for one, other in paired(vectors, metadata)
    ]
