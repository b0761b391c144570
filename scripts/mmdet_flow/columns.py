"""Columns of a terminal: names may have characters that take two of them, or none."""

import re
import shutil
from typing import TextIO

BEGINNING = re.compile(r" *(?:\S+(?: \S+)? {2,})?")
"""Of a line: its indent, and the name before the column of its text, if it has one."""


def cells(text: str) -> int:
    """Return how many columns a line takes, which its number of characters is not.

    Characters of Chinese and Japanese take two each, and combining marks none.
    """
    # In here, as most commands that import this module print no table.
    from rich.cells import cell_len

    # By the newest Unicode, whatever a variable says: files have such columns, too.
    return cell_len(text, "latest")


def padded(text: str, width: int) -> str:
    """Return a text with spaces after it, up to so many columns."""
    return text + " " * (width - cells(text))


def folded(text: str, width: int) -> list[str]:
    """Return lines of at most so many columns; a word that is longer is one alone.

    A path is never broken, so that it can be copied.
    """
    lines: list[str] = []
    for word in text.split():
        if lines and cells(lines[-1]) + 1 + cells(word) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def wrapped(line: str, width: int) -> list[str]:
    """Return a line as lines of at most so many columns, none broken within a word.

    Those after the first begin where its text does, or at its indent in a narrow one.
    """
    if cells(line) <= width:
        return [line]
    beginning = BEGINNING.match(line)[0]
    if cells(beginning) > width // 2:
        beginning = " " * (len(line) - len(line.lstrip(" ")))
    indent = cells(beginning)
    first, *rest = folded(line[len(beginning) :], width - indent) or [""]
    return [f"{beginning}{first}", *(f"{indent * ' '}{one}" for one in rest)]


def columns_of(stream: TextIO) -> int | None:
    """Return the columns of the terminal that a stream goes to; None if it is none."""
    return shutil.get_terminal_size().columns if stream.isatty() else None


def fitted(line: str, stream: TextIO) -> str:
    """Return a line for a stream: as it is, or wrapped where that is a terminal."""
    width = columns_of(stream)
    return "\n".join(wrapped(line, width)) if width else line
