"""The ``ally-fast`` command. It imports NumPy, and what needs it, only after `own_process`."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext

from ally_fast.cli.process import own_process


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments. If None, those of the process; the command then owns the process.

    Returns
    -------
    int
        Exit status: 0 on success; 2 after a user's mistake, with one line of at most 300 characters
        on standard error; 130 after Ctrl-C; 141 if the reader of standard output closed it.
    """
    with own_process() if argv is None else nullcontext():
        from ally_fast.cli.program import run
    return run(argv)
