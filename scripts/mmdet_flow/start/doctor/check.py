"""What a check is, and what comes of it."""

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mmdet_flow.errors import FlowError

OK, NOTE, ERROR = "ok", "note", "error"


class Note(str):
    """An answer that is good to know; nothing has to be fixed."""


@dataclass(frozen=True)
class Check:
    """Something to look at.

    Attributes:
        subject: what it is about, in a word or two.
        look: returns what is so, as a Note where that should be known; raises a
            FlowError that says what to do where something has to be fixed.
        slow: whether it takes seconds.
    """

    subject: str
    look: Callable[[], str]
    slow: bool = False


@dataclass(frozen=True)
class Line:
    """What came of a check; ``error`` is there if something has to be fixed."""

    state: str
    subject: str
    text: str
    error: FlowError | None = None


def look(check: Check) -> Line:
    """Run a check; what is missing, silent or forbidden has to be fixed too."""
    try:
        text = check.look()
    except FlowError as error:
        return Line(ERROR, check.subject, str(error), error)
    except (ImportError, OSError, subprocess.TimeoutExpired) as error:
        broken = FlowError(_what_to_do(error))
        return Line(ERROR, check.subject, str(broken), broken)
    return Line(NOTE if isinstance(text, Note) else OK, check.subject, text)


def _what_to_do(error: Exception) -> str:
    if isinstance(error, ImportError):
        return f"{error.name} cannot be imported: {error}; run make setup"
    if isinstance(error, subprocess.TimeoutExpired):
        return f"no answer in {error.timeout:.0f} s; try again when less is running"
    return f"{error}; fix it, or its permissions"


def nearest_folder(path: Path) -> Path:
    """Return the folder itself, or the nearest one above it that is there."""
    path = path.absolute()
    return next(one for one in (path, *path.parents) if one.is_dir())


def last_line(text: str) -> str:
    """Return the last line that says something, or that there is none."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no message"
