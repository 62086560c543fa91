"""The ``ally-fast`` command."""

from ally_fast.cli.program import main

__all__ = ["main"]
