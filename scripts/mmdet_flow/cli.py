"""What all commands share: options, logging, and errors as one line."""

import argparse
import errno
import functools
import logging
import math
import os
import re
import signal
import sys
import textwrap
import traceback
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from mmdet_flow import __version__
from mmdet_flow.errors import DataError, FlowError, UsageError
from mmdet_flow.scrub import one_line, shown

log = logging.getLogger("mmdet_flow")

BUG_EXIT_CODE = 70
"""Exit code of an error that is ours (EX_SOFTWARE of sysexits.h)."""

TAKE_MAIN = 'export PATH="$PWD/.venv/bin:$PATH"'
"""How a shell finds the commands of the main environment, in the project's folder."""

PLAIN = argparse.Namespace(verbose=False, quiet=False, debug=False)
"""The options of what has none."""


class _Parser(argparse.ArgumentParser):
    """Takes options with "_" and "-" between their words, whichever they are told with.

    Those of the reference image have the first, and all others the second.
    """

    def parse_known_args(self, args=None, namespace=None):
        words = sys.argv[1:] if args is None else args
        return super().parse_known_args(self.spelled(words), namespace)

    def spelled(self, words: Iterable[str]) -> list[str]:
        """Return the words of a command line with options spelled as they are here."""
        names = [name for one in self._actions for name in one.option_strings]
        called = {name.replace("_", "-"): name for name in names}
        found, are_options = [], True
        for word in words:
            are_options = are_options and word != "--"
            name, equals, value = word.partition("=")
            if are_options and word.startswith("--") and name not in names:
                name = called.get(name.replace("_", "-"), name)
            found.append(name + equals + value)
        return found


def new_parser(prog: str, description: str, *examples: str) -> argparse.ArgumentParser:
    """Return a parser with the options that every command has.

    ``examples`` are arguments of it that its help shows.
    """
    parser = _Parser(
        prog=prog, allow_abbrev=False, **described(prog, description, *examples)
    )
    parser.add_argument(
        "--version", action="version", version=f"%(prog)s {__version__}"
    )
    parser.add_argument("--verbose", action="store_true", help="log details")
    parser.add_argument("--quiet", action="store_true", help="log warnings only")
    parser.add_argument(
        "--debug", action="store_true", help="show the traceback of an error"
    )
    return parser


def described(prog: str, description: str, *examples: str) -> dict:
    """Return what an argparse parser takes for its help: description and examples."""
    lines = (_folded(f"{prog} {one}".rstrip()) for one in examples)
    return {
        "description": description,
        "epilog": "examples:\n" + "\n".join(lines),
        "formatter_class": argparse.RawDescriptionHelpFormatter,
    }


def _folded(command: str) -> str:
    """Break a command line as a shell reads it, indented, with options unbroken."""
    glued = re.sub(r"( --\w+) (?!-)", "\\1\0", f"  {command}")
    lines = textwrap.wrap(glued, 76, break_on_hyphens=False, break_long_words=False)
    return " \\\n      ".join(lines).replace("\0", " ")


def add_threads_option(parser: argparse.ArgumentParser) -> None:
    """Add --threads, which ``available_threads`` stands in for."""
    parser.add_argument(
        "--threads",
        type=positive_int,
        metavar="N",
        help="CPU threads to use (default: as many as this process may use)",
    )


Value = TypeVar("Value")


def takes(what: str) -> Callable[[Callable[[str], Value]], Callable[[str], Value]]:
    """Make the type of an option of a function that raises ValueError for other texts.

    Then the error of the option says ``what`` it takes, where argparse would tell the
    name of the function.
    """

    def type_of(read: Callable[[str], Value]) -> Callable[[str], Value]:
        @functools.wraps(read)
        def read_or_refuse(text: str) -> Value:
            try:
                return read(text)
            except ValueError:
                raise argparse.ArgumentTypeError(f"give {what}, not {text!r}") from None

        return read_or_refuse

    return type_of


def number(text: str, low: float = -math.inf, high: float = math.inf) -> float:
    """Read a number within bounds, of which nan and inf are none; ValueError else."""
    value = float(text)
    if not math.isfinite(value) or not low <= value <= high:
        raise ValueError(text)
    return value


@takes("a number")
def finite(text: str) -> float:
    return number(text)


@takes("a number from 0 to 1")
def fraction(text: str) -> float:
    return number(text, 0, 1)


@takes("a number from 0 up")
def not_negative(text: str) -> float:
    return number(text, 0)


@takes("a number above 0")
def positive(text: str) -> float:
    return number(text, math.nextafter(0, 1))


@takes("a whole number")
def whole(text: str) -> int:
    return int(text)


@takes("a whole number from 1 up")
def positive_int(text: str) -> int:
    value = int(text)
    if value < 1:
        raise ValueError(text)
    return value


@takes("a whole number from 0 up")
def count(text: str) -> int:
    value = int(text)
    if value < 0:
        raise ValueError(text)
    return value


@takes("a whole number from 0 to 4294967295")
def seed(text: str) -> int:
    """Read what numpy takes as a seed."""
    value = int(text)
    if not 0 <= value < 2**32:
        raise ValueError(text)
    return value


@takes("a time, such as 2h or 30m")
def hours(text: str) -> float:
    """Read 2, 2h, 30m or 1h30m as hours."""
    match = re.fullmatch(r"(?:([\d.]+)h)?(?:([\d.]+)m)?", text.strip())
    if match is None:
        value = number(text)  # as a config has it, which may be 1e-05
    else:
        value = number(match[1] or "0") + number(match[2] or "0") / 60
    if value <= 0:
        raise ValueError(text)
    return value


def refuse_given(
    options: argparse.Namespace,
    names: Iterable[str],
    why: str,
    parser: argparse.ArgumentParser | None = None,
) -> None:
    """UsageError for the first of these options that is given, as it has no effect.

    ``parser`` knows their defaults, if any has one.
    """
    for name in names:
        key = name.lower().lstrip("-").replace("-", "_")
        default = parser and parser.get_default(key)
        if getattr(options, key) not in (default, None):
            raise UsageError(f"{name}: {why}; leave it out")


def available_threads() -> int:
    """Return the number of CPUs that this process may run on."""
    return len(os.sched_getaffinity(0))


def progress(items: Iterable, total: int, what: str) -> Iterator:
    """Yield the items, with a bar on a terminal and a line each tenth elsewhere."""
    if sys.stderr.isatty():
        from tqdm import tqdm

        yield from tqdm(items, total=total, desc=what, leave=False)
        return
    for number, item in enumerate(items, 1):
        yield item
        if number * 10 // total > (number - 1) * 10 // total and total >= 100:
            log.info("%s: %d of %d", what, number, total)


def run(
    command: Callable[[argparse.Namespace], object], options: argparse.Namespace
) -> int:
    """Run a command and return its exit code; errors become one line on stderr."""
    _configure_logging(options)
    try:
        command(options)
        sys.stdout.flush()
    except FlowError as error:
        _tell(f"error: {error}", options.debug)
        return error.exit_code
    except KeyboardInterrupt:
        return _say_interrupted()
    except BrokenPipeError:
        # Who read our output has seen enough, as head does; nothing went wrong.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except Exception as error:
        if _comes_of_interrupt(error):
            return _say_interrupted()
        if isinstance(error, OSError) and _is_of_disk(error):
            where = error.filename or "the disk"
            _tell(
                f"error: {where}: {error.strerror}; what was done before is kept, run "
                "again when this is fixed",
                options.debug,
            )
            return DataError.exit_code
        if isinstance(error, ModuleNotFoundError) and not _is_ours(error):
            package = (error.name or "").partition(".")[0]
            _tell(
                f"error: this takes the Python package {package}, which this "
                "environment lacks; use the main one of the project, which make setup "
                f"builds: {TAKE_MAIN}",
                options.debug,
            )
            return UsageError.exit_code
        _tell(
            f"error: {type(error).__name__}: {one_line(str(error))} (a bug in "
            "mmdet-flow; run again with --debug to see where)",
            options.debug,
        )
        return BUG_EXIT_CODE
    return 0


def _say_interrupted() -> int:
    print("error: interrupted", file=sys.stderr)
    return 128 + signal.SIGINT


def _comes_of_interrupt(error: BaseException | None) -> bool:
    """Whether a library made an error of its own of Ctrl-C, as mmengine's dump does."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None


def _is_of_disk(error: OSError) -> bool:
    """Whether a file, a folder or the disk is at fault, not a connection."""
    full = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)
    return error.strerror is not None and bool(error.filename or error.errno in full)


def _is_ours(error: ModuleNotFoundError) -> bool:
    """Whether a module of this project is missing, not a package beside it."""
    return not error.name or error.name.partition(".")[0] == __package__


def _tell(line: str, debug: bool) -> None:
    """Print the error in hand as a line or, for --debug, as its traceback."""
    text = traceback.format_exc().rstrip() if debug else line
    print(shown(text), file=sys.stderr)


class _Formatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return shown(super().format(record))


def _configure_logging(options: argparse.Namespace) -> None:
    level = logging.INFO
    if options.verbose or options.debug:
        level = logging.DEBUG
    elif options.quiet:
        level = logging.WARNING
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Formatter("%(levelname)s %(message)s"))
    log.handlers[:] = [handler]
    log.setLevel(level)
    log.propagate = False
