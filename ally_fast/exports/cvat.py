"""CVAT: the manifest of a task's images, or a list of files on the server."""

from __future__ import annotations

import json
import os
from typing import IO, Any

from ally_fast.exports.data_column import check_data_column, data_texts
from ally_fast.exports.format import Format
from ally_fast.exports.lines import write_lines
from ally_fast.exports.table import BatchTable, Wanted

_VERSION = "1.1"
_SIZES = ("width", "height")


def _check(wanted: Wanted) -> None:
    check_data_column(wanted, "cvat")
    absent = [name for name in _SIZES if name not in wanted.keep]
    if wanted.extension == ".jsonl" and absent:
        raise ValueError(
            f"keep: got no {', '.join(absent)}, but a CVAT manifest needs the size of every image; "
            "keep width and height, or write a .txt list of files"
        )


def _write(file: IO[bytes], table: BatchTable, wanted: Wanted, summary: dict[str, Any]) -> None:
    paths = data_texts(table, wanted, "cvat")
    if wanted.extension == ".txt":
        write_lines(file, "a path", paths)
        return
    lines: list[dict[str, Any]] = [{"version": _VERSION}, {"type": "images"}]
    sizes = [table.kept[name].to_pylist() for name in _SIZES]
    for number, (path, width, height) in enumerate(zip(paths, *sizes, strict=True)):
        for name, size in zip(_SIZES, (width, height), strict=True):
            if not isinstance(size, int) or isinstance(size, bool) or size < 1:
                raise ValueError(
                    f"keep: column {name!r} holds {size!r} for pick {number}, needs a number of "
                    "pixels"
                )
        name, extension = os.path.splitext(path)
        lines.append({"name": name, "extension": extension, "width": width, "height": height})
    for line in lines:
        text = json.dumps(line, separators=(",", ":"))
        file.write(text.encode() + b"\n")


CVAT = Format("cvat", (".jsonl", ".txt"), _write, check=_check, content="files")
