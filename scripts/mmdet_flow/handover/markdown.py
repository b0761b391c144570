"""Markdown with tables, in which names stay what they are."""

import re
from collections.abc import Iterable, Sequence

UNKNOWN = "n/a"
SPECIAL = r"[\\`*\[\]<>|#&]|(?<![^\W_])_|_(?![^\W_])"
"""What Markdown takes for more than text; an underscore inside a word is none."""


def table(header: Sequence[str], rows: Iterable[Sequence]) -> str:
    """Return a table; None is n/a."""
    lines = [_line(header), _line("---" for _ in header)]
    return "\n".join([*lines, *(_line(map(cell, row)) for row in rows)]) + "\n"


def cell(value) -> str:
    """Return a value as it stands in a table; None is n/a, fractions have 3 digits."""
    if value is None or value == "":
        return UNKNOWN
    if isinstance(value, float):
        return f"{value:.3f}"
    return plain(str(value)) if not isinstance(value, Code) else value


class Code(str):
    """A text that is shown letter by letter, such as a hash or a file name."""

    def __new__(cls, text: object) -> "Code":
        text = " ".join(str(text).split()).replace("`", "'").replace("|", "\\|")
        return super().__new__(cls, f"`{text or ' '}`")


def plain(text: str) -> str:
    """Return a text, such as the name of a class, that Markdown does not change."""
    return re.sub(SPECIAL, r"\\\g<0>", " ".join(text.split()))


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
