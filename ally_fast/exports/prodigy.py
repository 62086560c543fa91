"""Prodigy: a stream of tasks, in priority order."""

from __future__ import annotations

from dataclasses import replace
from typing import IO, Any

from ally_fast.exports.data_column import check_data_column, data_column, data_texts
from ally_fast.exports.format import Format
from ally_fast.exports.named_picks import check_task_names, tasks
from ally_fast.exports.plain import json_line
from ally_fast.exports.table import BatchTable, Wanted

_KEYS = ("text", "image", "audio", "video", "html")


def _split(wanted: Wanted) -> tuple[str, Wanted]:
    """Return the task's key, and `wanted` with only the column's name as its data column."""
    column = wanted.data_column
    key, equals, name = (column or "").partition("=")
    if equals and key in _KEYS:
        return key, replace(wanted, data_column=name)
    name = data_column(wanted, "prodigy")
    if name not in _KEYS:
        raise ValueError(
            f"data_column: {name!r} does not say what it holds; needs KEY={name} with KEY one "
            f"of {', '.join(_KEYS)}"
        )
    return name, wanted


def _check(wanted: Wanted) -> None:
    check_data_column(_split(wanted)[1], "prodigy")
    check_task_names(wanted)


def _write(file: IO[bytes], table: BatchTable, wanted: Wanted, summary: dict[str, Any]) -> None:
    key, wanted = _split(wanted)
    name = data_column(wanted, "prodigy")
    texts = data_texts(table, wanted, "prodigy")
    for text, meta in zip(texts, tasks(table, wanted), strict=True):
        del meta[name]
        file.write(json_line({key: text, "meta": meta}))


PRODIGY = Format("prodigy", (".jsonl",), _write, check=_check, content="stream")
