"""The class list: one order, from the annotations to the predictions."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from mmdet_flow.dataset.fields import named, shown
from mmdet_flow.errors import DataError, UsageError
from mmdet_flow.files import read_text

ENVIRONMENT = "MMDET_CLASSES"
MOST_LISTED = 100


def classes_sha256(classes: Sequence[str]) -> str:
    """Return the SHA-256 of the class names, one a line, in their order."""
    return hashlib.sha256("\n".join(classes).encode()).hexdigest()


def parse_classes(text: str) -> list[str]:
    """Read ``'a','b'`` or ``a,b``, or the file that holds such a list."""
    if _is_file(text):
        text = read_text(Path(text))
    names = [name.strip().strip("'\"").strip() for name in text.split(",")]
    if not all(names):
        raise UsageError(f"{shown(text)}: not a class list; write it as a,b,c")
    if len(set(names)) < len(names):
        raise UsageError(f"{shown(text)}: names a class twice")
    return names


def _is_file(text: str) -> bool:
    try:
        return bool(text) and Path(text).is_file()
    except OSError:  # longer than any name of a file
        return False


def listed(classes: Sequence[str]) -> str:
    """Return class names for a message: the first ones, each as ``named`` shows it."""
    more = len(classes) - MOST_LISTED
    names = ", ".join(map(named, classes[:MOST_LISTED]))
    return f"{names} and {more} more" if more > 0 else names


def require_same_classes(
    expected: Sequence[str], found: Sequence[str], owner: str, other: str, fix: str
) -> None:
    """Refuse two things that belong together and name different classes.

    The error shows both lists; their order counts, since labels are positions.
    """
    if list(expected) != list(found):
        raise DataError(
            f"{other} has the classes {listed(found)} "
            f"({classes_sha256(found)[:8]}) but {owner} has {listed(expected)} "
            f"({classes_sha256(expected)[:8]}); {fix}"
        )


def check_environment(classes: Sequence[str]) -> None:
    """Refuse a MMDET_CLASSES that differs from the model's own class list."""
    if text := os.environ.get(ENVIRONMENT):
        given = parse_classes(text)
        require_same_classes(
            classes, given, "the checkpoint", ENVIRONMENT, f"unset {ENVIRONMENT}"
        )
