"""The record beside written centroids: the metric that they belong to."""

from __future__ import annotations

import json
import os

from ally_fast.exports.batch_record import SIDECAR
from ally_fast.json_object import parse_object

FORMAT = "ally-fast centroids"
VERSION = 1


def centroids_record(metric: str) -> bytes:
    """Return the bytes of the record of centroids for a metric."""
    return json.dumps({"format": FORMAT, "version": VERSION, "metric": metric}).encode() + b"\n"


def check_centroids(path: str, metric: str) -> None:
    """Check that the centroids in a file are for `metric`, if there is a record beside them.

    Raises
    ------
    ValueError
        If they are for another metric, or a later version wrote the record.
    """
    sidecar = path + SIDECAR
    if not os.path.exists(sidecar):
        return
    with open(sidecar, "rb") as file:
        record = parse_object(file.read())
    if record.get("format") != FORMAT:
        return
    if record.get("version") != VERSION:
        raise ValueError(
            f"have format {record.get('version')}; this version of ally-fast reads {VERSION}"
        )
    if record.get("metric") != metric:
        raise ValueError(f"are for --metric {record.get('metric')}, not {metric}")
