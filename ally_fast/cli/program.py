"""Parse, run, and turn a user's mistake into one line."""

from __future__ import annotations

import argparse
import os
import re
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from ally_fast._version import __version__
from ally_fast.cli import experiment_command, info_command, select_command
from ally_fast.cli.inputs import OPTION_OF_INPUT
from ally_fast.cli.messages import USER_ERRORS, one_line

_OPTION_OF_ARGUMENT = {
    **OPTION_OF_INPUT,
    "radius": "--radius",
    "max_score": "--max-score",
    "train_size": "--train-size",
    "max_iter": "--max-iter",
    "tol": "--tol",
    "metric": "--metric",
    "engine": "--engine",
    "device": "--device",
    "seed": "--seed",
    "chunk_rows": "--chunk-rows",
    "b": "-b",
    "k": "-k",
}


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"ally-fast: error: {message} (see {self.prog} --help)\n")


class _Terminated(BaseException):
    """A request to end from outside, raised so that unfinished files are removed."""

    def __init__(self, number: int) -> None:
        self.number = number


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments; those of the process if None.

    Returns
    -------
    int
        Exit status: 0; 2 after a user's mistake, told in one line on standard error; 130 after
        Ctrl-C; 141 if the reader of standard output went away.
    """
    arguments = _parser().parse_args(argv)
    try:
        with _termination_raises():
            arguments.run(arguments)
            sys.stdout.flush()
        return 0
    except KeyboardInterrupt:
        return _complain("interrupted", 130)
    except _Terminated as request:
        return _complain("terminated", 128 + request.number)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except USER_ERRORS as error:
        if arguments.debug:
            raise
        return _complain(f"error: {_with_option(error)}", 2)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="ally-fast",
        description="Choose the batch of a pool to label next: high scores, spread over clusters.",
    )
    parser.add_argument("--version", action="version", version=f"ally-fast {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for command in (select_command, experiment_command, info_command):
        subparser = command.add_parser(commands)
        subparser.add_argument(
            "--debug", action="store_true", help="show where in the code an error arose"
        )
    return parser


def _complain(message: str, status: int) -> int:
    print(f"ally-fast: {message}", file=sys.stderr)
    return status


def _with_option(error: BaseException) -> str:
    text = one_line(error)
    argument = re.match(r"\w+", text)
    if argument and (option := _OPTION_OF_ARGUMENT.get(argument[0])):
        text = option + text[argument.end() :]
    return text


@contextmanager
def _termination_raises() -> Iterator[None]:
    """Unwind, instead of dying on the spot, when the process is asked to end."""

    def stop(number: int, frame: FrameType | None) -> NoReturn:
        raise _Terminated(number)

    try:
        before = signal.signal(signal.SIGTERM, stop)
    except ValueError:  # not the main thread
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
