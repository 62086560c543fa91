"""What passed: a JSON file and a short table."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

PASSED, FAILED, STOPPED, IMPOSSIBLE = "passed", "failed", "stopped", "cannot run here"


@dataclass
class Outcome:
    """How one part went.

    Parameters
    ----------
    part : str
        Name.
    status : str
        "passed", "failed", "stopped" (out of time) or "cannot run here".
    detail : str
        One line.
    seconds, budget_seconds : float
        Taken, given.
    counts : dict
        Tests, rows, errors, whatever the part counts.
    """

    part: str
    status: str
    detail: str = ""
    seconds: float = 0.0
    budget_seconds: float = 0.0
    counts: dict[str, Any] = field(default_factory=dict)


def write(folder: Path, outcomes: list[Outcome], about: dict[str, Any]) -> None:
    """Write ``summary.json``, replaced after each part."""
    text = json.dumps({"parts": [asdict(item) for item in outcomes], **about}, indent=1)
    (folder / "summary.json").write_text(text + "\n")


def table(outcomes: list[Outcome]) -> str:
    """Draw one line a part."""
    lines = [f"{'part':9} {'status':16} {'seconds':>8} {'of':>6}  detail"]
    for item in outcomes:
        times = f"{item.seconds:8.0f} {item.budget_seconds:6.0f}"
        lines.append(f"{item.part:9} {item.status:16} {times}  {item.detail}")
    return "\n".join(lines)


def exit_status(outcomes: list[Outcome]) -> int:
    """Return 0 if every part passed."""
    return 0 if outcomes and all(item.status == PASSED for item in outcomes) else 1
