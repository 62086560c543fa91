"""Folders as LAION and clip-retrieval lay them out: embeddings and metadata side by side."""

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
    """Return the shards of a folder with ``img_emb`` or ``text_emb``, and ``metadata``; else None.

    Parameters
    ----------
    source : path or URL
        Anything; only a folder can be one.
    column : str or None
        ``"img_emb"`` or ``"text_emb"``; may be left out where there is one of them.
    options : mapping or None
        For the file system of a URL.

    Raises
    ------
    ValueError
        If both are there and none is named, or files have no partner.
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
