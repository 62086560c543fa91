"""The ``ally-fast`` command."""

from ally_fast.cli.main import main

__all__ = ["main"]
