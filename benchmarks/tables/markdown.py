"""Markdown tables, and how figures are written in them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from benchmarks import gates
from benchmarks.rows import Row

NOTHING = "\N{EN DASH}"


def table(head: Sequence[str], body: Sequence[Sequence[str]], left: int = 1) -> str:
    """Write a Markdown table; the first ``left`` columns are aligned left, the others right."""
    rule = ["---" if i < left else "---:" for i in range(len(head))]
    return "\n".join("| " + " | ".join(line) + " |" for line in (head, rule, *body))


def drawn(rows: Iterable[Row], columns: Mapping[str, Callable[[Row], str]], left: int = 1) -> str:
    """Draw one line for each row, cells by column; nothing without rows."""
    body = [[cell(row) for cell in columns.values()] for row in rows]
    return table(list(columns), body, left) if body else ""


def gates_table(rows: list[Row], *, gpu: bool = False) -> str:
    """Draw the gates with what was measured."""
    body = [
        [gate.what, gate.needed, verdict.measured, f"**{verdict.verdict}**"]
        for gate, verdict in gates.judge(rows, gpu=gpu)
    ]
    return table(["gate", "needed", "measured", "verdict"], body, left=4)


def seconds(value: float | None) -> str:
    """Write seconds with three digits."""
    if value is None:
        return NOTHING
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def milliseconds(value: float) -> str:
    """Write seconds as milliseconds with three digits."""
    return f"{1e3 * value:.0f}" if value >= 0.1 else f"{1e3 * value:.3g}"


def megabytes(value: int | None) -> str:
    """Write bytes as 10^6."""
    return NOTHING if value is None else f"{value / 1e6:.0f}"


def per_cent(share: float | None, digits: int = 0) -> str:
    """Write a share."""
    return NOTHING if share is None else f"{100 * share:.{digits}f} %"


def excess(row: Row, ours: Row | None) -> str:
    """Write a row's inertia over ours in per cent."""
    if ours is None or not row.inertia or not ours.inertia:
        return NOTHING
    return f"{100 * (row.inertia / ours.inertia - 1):+.2f} %"


def commit(row: Row) -> str:
    """Name the source of a row."""
    return (row.commit or "none")[:12] + (" with changes" if row.dirty else "")
