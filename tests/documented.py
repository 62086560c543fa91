"""The code of documentation pages, to be run as it stands."""

import re
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"


def sections(page):
    """Return the headings of a page."""
    return re.findall(r"^## (.+)$", (DOCS / page).read_text(), re.M)


def code(page, section=None):
    """Return the Python of a section; of all of the page before the first one if None."""
    begin = r"\A" if section is None else rf"^## {re.escape(section)}\n"
    content = re.search(rf"{begin}(.*?)(?=^## |\Z)", (DOCS / page).read_text(), re.M | re.S)[1]
    return "\n".join(re.findall(r"^```python\n(.*?)^```", content, re.M | re.S))


def run(page, section=None, **names):
    """Run it where `names` are known; return all names that there are then."""
    exec(compile(code(page, section), f"{page}: {section}", "exec"), names)
    return names
