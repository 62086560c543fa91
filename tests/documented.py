"""The code of documentation pages, to be run as it stands.

A block that cannot run in a test says so in the page, in the line before it::

    <!-- not run: needs a GPU -->
"""

import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = ["README.md", *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md")))]
# What stands for arguments that a page has given before.
ELLIPSIS = (
    "pool/ --column emb --ids :image_id --scores duals.parquet:score@image_id -b 100 -k 10 --force"
)


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, the heading it is below, and why it is not run, if so."""

    page: str
    section: str
    language: str
    text: str
    reason: str | None


def blocks(page):
    """Return the blocks of a page."""
    pattern = r"^##? (?P<heading>[^\n]+)$|^(?P<mark><!-- not run: (?P<reason>[^\n]+) -->\n\n)?" + (
        r"```(?P<language>\S*)\n(?P<text>.*?)^```$"
    )
    found, section = [], ""
    for match in re.finditer(pattern, (ROOT / page).read_text(), re.M | re.S):
        if match["heading"]:
            section = match["heading"]
        else:
            found.append(Block(page, section, match["language"], match["text"], match["reason"]))
    return found


def sections(page):
    """Return the headings of a page that have Python below them."""
    return list(dict.fromkeys(b.section for b in blocks(page) if b.language == "python"))


def run(page, *headings, **names):
    """Run the blocks of a page, or of some headings, in order, where `names` are known.

    Returns all names that there are then. Commands run in the present folder.
    """
    for block in blocks(page):
        if block.reason is None and (not headings or block.section in headings):
            where = f"{page}: {block.section}"
            if block.language == "python":
                exec(compile(block.text, where, "exec"), names)
            elif block.language == "sh":
                _run_command(block.text, where)
            elif block.language == "json":
                json.loads(block.text)
    return names


def _run_command(text, where):
    program = f'ally-fast() {{ "{sys.executable}" -m ally_fast "$@"; }}\n'
    done = subprocess.run(
        ["bash", "-eu", "-c", program + text.replace("…", ELLIPSIS)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{where}: {text}{done.stderr}"
