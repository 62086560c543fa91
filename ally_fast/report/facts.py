"""The words and numbers of a page."""

from __future__ import annotations

import inspect
import platform
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ally_fast._version import __version__
from ally_fast.exports import batch_table
from ally_fast.pools.by_id import ById
from ally_fast.report.comparison import BATCH, BEST, RANDOM, Comparison
from ally_fast.report.evidence import Evidence
from ally_fast.report.thumbnails import Cell, cell
from ally_fast.selection.select import select

MOST_PICKS = 500  # in the table
_MOST_GROUPS = 40
_MOST_SHARDS = 12
_MOST_TEXT = 120
_NOT_TOLD = ("embeddings", "progress")

Facts = list[tuple[str, str]]


@dataclass(frozen=True)
class Group:
    """A group: its name, number of rows and their share, picks, and requested limits."""

    name: str
    rows: int
    share: float
    picks: int
    least: int
    most: int | None


def tiles(evidence: Evidence, comparison: Comparison | None) -> Facts:
    """Return the few numbers at the top of the page."""
    info = evidence.info
    used = int(np.count_nonzero(info.cluster_counts))
    facts = [
        ("picks", f"{len(evidence.indices):,}"),
        ("rows in the pool", f"{evidence.pool.n:,}"),
        ("clusters with picks", f"{used:,} of {len(info.centroids):,}"),
    ]
    if comparison is not None:
        names = {RANDOM: "random", BEST: "best"}
        others = {name: shown for name, shown in names.items() if name in comparison.coverage}
        beside = ", ".join(
            f"{shown} {comparison.covered(name):.0%}" for name, shown in others.items()
        )
        facts.append(("of the pool covered", f"{comparison.covered(BATCH):.0%} | {beside}"))
        if len(comparison.gaps[BATCH]):
            beside = ", ".join(
                f"{shown} {comparison.alike(name):.0%}" for name, shown in others.items()
            )
            facts.append(("near-duplicates", f"{comparison.alike(BATCH):.1%} | {beside}"))
    if info.costs is not None:
        budget = evidence.request.costs.budget if evidence.request.costs else np.inf
        facts.append(("cost", f"{info.costs.sum():,.6g} | of {budget:,.6g}"))
    return facts


def groups(evidence: Evidence) -> tuple[list[Group], int]:
    """Return the groups, those with most picks first, and the number of groups left out."""
    quotas = evidence.request.quotas
    if quotas is None:
        return [], 0
    count = len(quotas.names)
    rows = np.bincount(quotas.codes[quotas.codes >= 0], minlength=count)
    picks = np.bincount(quotas.codes[evidence.indices], minlength=count)
    order = np.lexsort((-rows, -picks))[:_MOST_GROUPS]
    unlimited = np.iinfo(np.int64).max
    cells = [
        Group(
            str(quotas.names[code]),
            int(rows[code]),
            float(rows[code] / max(1, rows.sum())),
            int(picks[code]),
            int(quotas.least[code]),
            None if quotas.most[code] == unlimited else int(quotas.most[code]),
        )
        for code in order.tolist()
    ]
    return cells, count - len(cells)


def asked(evidence: Evidence, options: Mapping[str, Any]) -> Facts:
    """Return the arguments that differ from their defaults; of an array, only its size."""
    facts = [("b", f"{len(evidence.indices):,}"), ("k", f"{len(evidence.info.centroids):,}")]
    plain = {name: _plain(value) for name, value in options.items() if name not in _NOT_TOLD}
    for name, value in plain.items():
        if value is None or name == "k" or _is_default(name, value):
            continue
        if name == "b":
            facts[0] = ("b", f"{value:,}")
        elif isinstance(value, str | int | float | bool):
            facts.append((name, str(value)))
        elif isinstance(value, Mapping):
            limits = [f"{group}: {limit}" for group, limit in list(value.items())[:20]]
            facts.append((name, ", ".join(limits) + (", …" if len(value) > 20 else "")))
        elif hasattr(value, "__len__"):
            facts.append((name, f"{len(value):,} values"))
        elif isinstance(value, ById):
            facts.append((name, "values by id"))
        else:
            facts.append((name, str(getattr(value, "name", value))[:_MOST_TEXT]))
    return facts


def _is_default(name: str, value: Any) -> bool:
    default = inspect.signature(select).parameters[name].default
    return isinstance(value, str | int | float) and bool(value == default)


def ran(evidence: Evidence, summary: Mapping[str, Any], command: str | None) -> Facts:
    """Return what ran, where it ran, and the pool's fingerprint."""
    info, pool = evidence.info, evidence.pool
    training = f"{info.train_rows:,} rows, {info.n_iter} iterations"
    skipped = f", {info.skipped_rows:,} skipped" if info.skipped_rows else ""
    facts = [
        ("pool", f"{pool.n:,} rows, {pool.d:,} dimensions ({pool.dtype_name})"),
        ("eligible", f"{info.eligible_rows:,} rows{skipped}"),
        ("k-means", training if info.train_rows else "none: centroids were given"),
        ("engine", f"{info.engine}, {info.device}, {info.isa}, seed {info.seed}"),
        (
            "versions",
            f"ally_fast {__version__}, numpy {np.__version__}, "
            f"Python {platform.python_version()}, {platform.system()} "
            f"{platform.machine()}",
        ),
    ]
    if memory := summary.get("peak_memory_bytes"):
        facts.append(("peak memory", f"{memory / 1e6:,.0f} MB"))
    if hasattr(pool, "fingerprint"):
        mark = pool.fingerprint()
        facts.append(("fingerprint", mark.text))
        shards = [f"{name} ({rows:,})" for name, rows, _ in mark.shards[:_MOST_SHARDS]]
        more = len(mark.shards) - len(shards)
        facts.append(("shards", ", ".join(shards) + (f" and {more:,} more" if more else "")))
    if command:
        facts.append(("command", command))
    return facts


def shown_command(words: Sequence[str]) -> list[str]:
    """Return the words of a command without secrets, as in URLs and storage options."""
    shown, hide = [], False
    for word in words:
        name, equals, _ = word.partition("=")
        if hide:
            word = "…"
        elif name == "--storage-options" and equals:
            word = f"{name}=…"
        hide = word == "--storage-options"
        word = re.sub(r"(://)[^/@\s]+@", r"\1…@", word)
        shown.append(re.sub(r"(://[^\s?]+\?)\S+", r"\1…", word))
    return shown


def pick_table(evidence: Evidence) -> tuple[list[str], list[list[Cell]]]:
    """Return column names and cells of the first picks: the order, kept columns, the rest."""
    info, count = evidence.info, min(MOST_PICKS, len(evidence.indices))
    own = list(batch_table(evidence.indices, info).own.items())
    columns = [*own[:1], *info.kept.items(), *own[1:]]
    cells = [[cell(_plain(values[place])) for _, values in columns] for place in range(count)]
    return [name for name, _ in columns], cells


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
