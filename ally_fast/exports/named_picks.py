"""Tasks for labeling tools: the batch's own columns get names that no kept column can have."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ally_fast.exports.plain import finite
from ally_fast.exports.table import OWN_NAMES, BatchTable, Wanted

_OWN = {name: f"ally_{name}" for name in OWN_NAMES if name != "id"}


def check_task_names(wanted: Wanted) -> None:
    """Raise ValueError if a column to keep has the name of a column that every task has."""
    for name in wanted.keep:
        if name in _OWN.values():
            raise ValueError(f"keep: the batch has its own column {name!r}; rename yours")
        if name == wanted.id_name:
            raise ValueError(
                f"keep: {name!r} is the id column, which every batch holds; leave it out"
            )


def demand_ids(wanted: Wanted, tool: str) -> None:
    """Raise ValueError if rows have no ids: labels are matched by them."""
    if wanted.id_name is None:
        raise ValueError(f"ids: got none; the format {tool} needs them to match labels to rows")


def task_lists(table: BatchTable, wanted: Wanted) -> dict[str, list[Any]]:
    """Return the columns as lists for JSON: ids, kept columns, and ours (``ally_score``, ...)."""
    lists = table.lists()
    named = {}
    if "id" in table.own:
        named[wanted.id_name or "id"] = lists["id"]
    named |= {name: lists[name] for name in table.kept}
    named |= {_OWN[name]: lists[name] for name in table.own if name != "id"}
    return {name: finite(values, name) for name, values in named.items()}


def tasks(table: BatchTable, wanted: Wanted) -> Iterator[dict[str, Any]]:
    """Yield the picks in priority order, each as a dict."""
    lists = task_lists(table, wanted)
    for row in zip(*lists.values(), strict=True):
        yield dict(zip(lists, row, strict=True))
