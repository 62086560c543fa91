"""What stands beside centroids that were written: how rows were compared with them."""

from __future__ import annotations

import json
import os

from ally_fast.exports.batch_record import SIDECAR
from ally_fast.json_object import parse_object

FORMAT = "ally-fast centroids"
VERSION = 1


def centroids_record(metric: str) -> bytes:
    """Return the record of centroids for a metric."""
    return json.dumps({"format": FORMAT, "version": VERSION, "metric": metric}).encode() + b"\n"


def check_centroids(path: str, metric: str) -> None:
    """Check that centroids in a file are for a metric, if there is a record beside them.

    Raises
    ------
    ValueError
        If they are for another metric, or of a later version.
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
