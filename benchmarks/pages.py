"""Pages with tables between markers: drawn again, or found stale.

Text between ``<!-- KIND:NAME -->`` and ``<!-- /KIND:NAME -->`` is replaced by what is drawn for
NAME; nothing in those tables is typed by hand.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path


def replaced(text: str, kind: str, draw: Callable[[str], str]) -> str:
    """Replace what stands between markers of a kind; `draw` makes a table of a name."""
    marked = re.compile(
        rf"(<!-- {kind}:(?P<name>[\w+:-]+) -->\n).*?(<!-- /{kind}:(?P=name) -->)", re.DOTALL
    )
    return marked.sub(lambda match: f"{match[1]}{draw(match['name'])}\n{match[3]}", text)


def redraw(page: Path, draw: Callable[[str], str], check: bool, command: str) -> bool:
    """Draw a page, text from text, or with `check` say if it is stale; return if it differed."""
    if not page.is_file():
        return False
    old = page.read_text()
    new = draw(old)
    if new != old and check:
        print(f"{page.name} differs from the rows: python -m {command}", file=sys.stderr)
    elif new != old:
        page.write_text(new)
        print(f"drew {page.name}")
    return new != old
