"""Label Studio: tasks to import, and the labeled tasks of an export."""

from __future__ import annotations

import json
from typing import IO, Any

from ally_fast.exports.format import Format, no_data_column
from ally_fast.exports.named_picks import check_task_names, demand_ids, tasks
from ally_fast.exports.table import BatchTable, Wanted
from ally_fast.pools.names import missing


def _check(wanted: Wanted) -> None:
    demand_ids(wanted, "label-studio")
    check_task_names(wanted)
    no_data_column(wanted)


def _write(file: IO[bytes], table: BatchTable, wanted: Wanted, summary: dict[str, Any]) -> None:
    content = [{"data": task} for task in tasks(table, wanted)]
    text = json.dumps(content, allow_nan=False, indent=1)
    file.write(text.encode() + b"\n")


LABEL_STUDIO = Format("label-studio", (".json",), _write, check=_check, content="tasks")


def labeled_ids(content: list[Any], names: list[str]) -> list[Any]:
    """Return the ids of the labeled tasks.

    A task is labeled if it has an annotation that was not cancelled. If no task in the list has
    ``annotations``, the list is one to import, and all of its tasks count.

    Parameters
    ----------
    content : list
        The content of the file.
    names : list of str
        Possible names of the id in a task's data; the first one that is there counts.

    Raises
    ------
    ValueError
        If an item is not a task, or has no such id.
    """
    for number, task in enumerate(content):
        if not isinstance(task, dict) or not isinstance(task.get("data"), dict):
            raise ValueError(
                f"item {number} is not a Label Studio task: it has no object 'data'; needs a "
                "JSON export, or the tasks that you imported"
            )
    exported = any("annotations" in task for task in content)
    ids = []
    for number, task in enumerate(content):
        if exported and not _is_labeled(task, number):
            continue
        name = next((name for name in names if name in task["data"]), None)
        if name is None:
            absent = missing(names[0], list(task["data"]), "key")
            raise ValueError(f"task {number}: 'data': {absent}")
        ids.append(task["data"][name])
    return ids


def _is_labeled(task: dict[str, Any], number: int) -> bool:
    annotations = task.get("annotations", [])
    if not isinstance(annotations, list) or not all(isinstance(one, dict) for one in annotations):
        raise ValueError(f"task {number}: 'annotations' must be a list of objects")
    return any(not one.get("was_cancelled", False) for one in annotations)
