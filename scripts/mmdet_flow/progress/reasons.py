"""Why a job failed: the one line that its command ended with."""

import os
import re
from collections.abc import Iterable
from pathlib import Path

from mmdet_flow.errors import FIRST_OF
from mmdet_flow.scrub import one_line, shown

TAIL = 64 << 10
"""Bytes at the end of a log in which its last line is looked for."""

MARK = "error: "
LOGGED = "ERROR "
"""What the line of an error begins with that a command logs before it ends."""

MORE = re.compile(re.escape(FIRST_OF).replace(r"\{\}", r"\d+"))


def reason_in(logs: Iterable[str | Path]) -> str:
    """Return what the last error line of these logs says.

    Without such a line, as of a command that is not ours, that is the last line; ""
    if there is none. Each log is read once.
    """
    lines = _lines_of(logs)
    return _error(lines) or one_line(shown((lines or [""])[-1]))


def error_in(logs: Iterable[str | Path]) -> str:
    """Return what the last error line of these logs says; "" if there is none."""
    return _error(_lines_of(logs))


def _error(lines: Iterable[str]) -> str:
    errors = [line for line in lines if line.startswith(MARK)]
    return one_line(shown((errors or [""])[-1].removeprefix(MARK)))


def _lines_of(logs: Iterable[str | Path]) -> list[str]:
    return [line for log in logs for line in _last_lines(Path(log))]


def last_error(log: Path) -> str:
    """Return the error that a log ends with; "" if it ends otherwise."""
    last = (_last_lines(log) or [""])[-1]
    return one_line(shown(last.removeprefix(MARK))) if last.startswith(MARK) else ""


def others_in(logs: Iterable[str | Path], reason: str) -> list[str]:
    """Return the errors that were logged before the one that a job ended with.

    None if it does not say of itself that there are more. Those that are the reason
    itself are left out.
    """
    if not MORE.search(reason):
        return []
    lines = [line for log in logs for line in _lines(log, 0)]
    errors = [
        one_line(shown(line.removeprefix(LOGGED).rstrip()))
        for line in lines
        if line.startswith(LOGGED)
    ]
    return [one for one in errors if not reason.startswith(one)]


def _last_lines(log: Path) -> list[str]:
    return [line.strip() for line in _lines(log, -TAIL)]


def _lines(log: str | Path, start: int) -> list[str]:
    """Return lines that are not empty, of TAIL bytes; a start below 0 is of the end."""
    try:
        with open(log, "rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            stream.seek(max(0, size + start) if start < 0 else start)
            text = stream.read(TAIL).decode(errors="replace")
    except OSError:
        return []
    return [line for line in text.splitlines() if line.strip()]
