"""The ``ally-fast`` command. NumPy and all that is imported with it come after `own_process`."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext

from ally_fast.cli.process import own_process


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments. If None, those of the process, which then is the command's own.

    Returns
    -------
    int
        Exit status: 0; 2 after a user's mistake, told in one line of at most 300 characters on
        standard error; 130 after Ctrl-C; 141 if the reader of standard output went away.
    """
    with own_process() if argv is None else nullcontext():
        from ally_fast.cli.program import run
    return run(argv)
