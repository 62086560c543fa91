"""What passed: a JSON file and a short table."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

# From best to worst.
PASSED, IMPOSSIBLE, STOPPED, FAILED = STATUSES = ("passed", "cannot run here", "stopped", "failed")


@dataclass
class PartOutcome:
    """How one part went; `detail` is a line, and one more for each test file that did not pass."""

    part: str
    status: str
    detail: str = ""
    seconds: float = 0.0
    budget_seconds: float = 0.0
    counts: dict[str, Any] = field(default_factory=dict)


def write(folder: Path, outcomes: list[PartOutcome], command: str, finished: bool) -> None:
    """Write ``summary.json``, replaced after each part."""
    told = {"parts": [asdict(item) for item in outcomes], "command": command, "finished": finished}
    (folder / "summary.json").write_text(json.dumps(told, indent=1) + "\n")


def table(outcomes: list[PartOutcome]) -> str:
    """Draw one line a part."""
    lines = [f"{'part':9} {'status':16} {'seconds':>8} {'of':>6}  detail"]
    for item in outcomes:
        times = f"{item.seconds:8.0f} {item.budget_seconds:6.0f}"
        lines.append(f"{item.part:9} {item.status:16} {times}  {item.detail}")
    return "\n".join(lines)


def exit_status(outcomes: list[PartOutcome]) -> int:
    """Return 0 if every part passed."""
    return 0 if outcomes and all(item.status == PASSED for item in outcomes) else 1
