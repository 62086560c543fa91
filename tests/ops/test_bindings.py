"""The binding files of both modules are twins: one file an op, with its name."""

import re
from pathlib import Path

import pytest

CSRC = Path(__file__).parents[2] / "csrc"
devices = pytest.mark.parametrize("device", ["cpu", "cuda"])


def binding_files(device):
    """Return the text of each binding file by its stem, less the module's own."""
    paths = (CSRC / "binding" / device).glob("*.cpp")
    return {path.stem: path.read_text() for path in paths if path.stem != "module"}


@devices
def test_every_op_has_a_binding_file_of_its_name(device):
    ops = {path.parent.name for path in (CSRC / "ops").glob(f"*/*_{device}.*")}
    assert {"assign", "radius_filter", "shortlist"} <= ops <= set(binding_files(device))


@devices
def test_the_module_registers_every_file_and_binds_nothing_itself(device):
    module = (CSRC / "binding" / device / "module.cpp").read_text()
    registered = re.findall(r"^  register_(\w+)\(module\);$", module, re.MULTILINE)
    files = binding_files(device)
    assert sorted(registered) == sorted(
        stem for stem, text in files.items() if f"void register_{stem}(" in text
    )
    assert ".def" not in module


@pytest.mark.parametrize("device", ["", "cpu", "cuda"])
def test_messages_are_put_together_by_the_vocabulary(device):
    """No binding file writes "got" and "needs" by hand; `complaint` does."""
    for path in (CSRC / "binding" / device).glob("*.*"):
        by_hand = re.findall(r'"[^"\n]*: (?:got|needs) [^"\n]*"', path.read_text())
        assert path.name == "arguments.h" or not by_hand, path
