"""Parse, run, and turn a user's mistake into one line."""

from __future__ import annotations

import argparse
import re
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, NoReturn

from ally_fast._version import __version__
from ally_fast.cli import experiment_command, info_command, select_command, standard_output
from ally_fast.cli.messages import USER_ERRORS, one_line

_LONGEST_LINE = 299  # characters; with the line's end 300


class _Once(argparse.Action):
    """Store a value. An option given twice is refused: one of the two would be ignored."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        names = vars(namespace).setdefault("_given", set())
        if self.dest in names:
            raise argparse.ArgumentError(self, "given twice")
        names.add(self.dest)
        setattr(namespace, self.dest, self.const if self.nargs == 0 else values)


class _OnceTrue(_Once):
    """Store True."""

    def __init__(self, option_strings: Sequence[str], dest: str, **options: Any) -> None:
        super().__init__(option_strings, dest, nargs=0, const=True, default=False, **options)


class _Parser(argparse.ArgumentParser):
    """Takes each option once, by its full name. Options with their own action follow that."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options, allow_abbrev=False)
        self.register("action", None, _Once)
        self.register("action", "store", _Once)
        self.register("action", "store_true", _OnceTrue)

    def error(self, message: str) -> NoReturn:
        self.exit(_complain(f"error: {message} (see {self.prog} --help)", 2))


class _Terminated(BaseException):
    """A request to end from outside, raised so that unfinished files are removed."""

    def __init__(self, number: int) -> None:
        self.number = number


def run(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status; see `ally_fast.cli.main`."""
    debug, options, how = False, {}, ""
    try:
        words = sys.argv[1:] if argv is None else list(argv)
        arguments = _parser().parse_args(words, argparse.Namespace(words=words))
        debug, options = arguments.debug, arguments.options
        if job := getattr(arguments, "job", None):
            how = f": progress is saved in {job}; run the same command to resume"
        with _termination_raises():
            if not getattr(arguments, "quiet", False) or getattr(arguments, "json", False):
                standard_output.check_open()
            arguments.run(arguments)
        return 0
    except KeyboardInterrupt:
        return _complain(f"interrupted{how}", 130)
    except _Terminated as request:
        return _complain(f"terminated{how}", 128 + request.number)
    except BrokenPipeError:
        standard_output.discard(sys.stdout)
        return 141
    except USER_ERRORS as error:
        if debug:
            raise
        return _complain(f"error: {_with_option(error, options)}", 2)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="ally-fast",
        description="Choose which rows of a pool to label next: high scores, spread over clusters.",
    )
    parser.add_argument("--version", action="version", version=f"ally-fast {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for command in (select_command, experiment_command, info_command):
        subparser = command.add_parser(commands)
        subparser.add_argument(
            "--debug", action="store_true", help="show the traceback of an error"
        )
        subparser.set_defaults(options=_options(subparser))
    return parser


def _options(parser: argparse.ArgumentParser) -> dict[str, str]:
    """Return the option of each argument: the short form if there is one."""
    return {
        action.dest: action.option_strings[0] for action in parser._actions if action.option_strings
    }


def _complain(message: str, status: int) -> int:
    standard_output.discard(sys.stdout)
    with suppress(OSError):  # a full disk: the status tells
        print(_cut(f"ally-fast: {message}"), file=sys.stderr)
    standard_output.discard(sys.stderr)
    return status


def _cut(text: str) -> str:
    """Return the text as one line; if it is too long, leave out its middle."""
    text = " ".join(text.split())
    if len(text) <= _LONGEST_LINE:
        return text
    end = _LONGEST_LINE // 3
    return f"{text[: _LONGEST_LINE - end - 5]} ... {text[-end:]}"


def _with_option(error: BaseException, options: Mapping[str, str]) -> str:
    """Return the message of an error; name an argument of `ally_fast.select` by its option."""
    text = one_line(error)
    if isinstance(error, OSError):  # begins with the name of a file
        return text
    argument = re.match(r"\w+(?=: | must )", text)  # a name with a dot is a file's
    if argument and (option := options.get(argument[0])):
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
