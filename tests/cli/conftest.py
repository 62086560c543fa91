"""The folder that commands run in."""

import pytest


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Go to a folder of the test's own, and return it."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
