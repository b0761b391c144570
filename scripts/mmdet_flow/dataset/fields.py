"""Values of annotation files: each is what it has to be, or refused in words.

A reader takes every value of a file through these functions. What is malformed raises
``Malformed``, which becomes the finding of its object or file, while all others are
still read; any other exception of a reader is a bug.
"""

import reprlib
from collections.abc import Iterable, Sequence
from math import isfinite

from mmdet_flow.errors import DataError

MAX_NUMBER = 10_000_000
"""No coordinate is further from 0: images have fewer pixels a side."""

_short = reprlib.Repr()
_short.maxstring = _short.maxother = _short.maxlong = 60


class Malformed(DataError):
    """A value of an annotation that is not what it has to be."""


def shown(value: object) -> str:
    """Return a value for a message, cut where it is long."""
    try:
        return _short.repr(value)
    except ValueError:
        return "a number of thousands of digits"  # which Python does not print


def named(value: object) -> str:
    """Return a name for a message: as it is, unless it is long or not printable."""
    is_plain = isinstance(value, str) and value.isprintable() and len(value) < 100
    return value if is_plain else shown(value)


def mapping(value: object, what: str) -> dict:
    """Return a value that has to be a JSON object."""
    if not isinstance(value, dict):
        raise Malformed(f"{what} is {shown(value)}, not an object with keys")
    return value


def sequence(value: object, what: str) -> list:
    """Return a value that has to be a list."""
    if not isinstance(value, list):
        raise Malformed(f"{what} is {shown(value)}, not a list")
    return value


def member(owner: dict, key: str) -> object:
    """Return what has to be there under a key."""
    if key not in owner:
        raise Malformed(f"it has no {key}")
    return owner[key]


def number(value: object, what: str, limit: int = MAX_NUMBER) -> float:
    """Return a number as it stands in JSON: finite, and no further from 0 than that."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise Malformed(f"{what} is {shown(value)}, not a number")
    if isinstance(value, float) and not isfinite(value):
        raise Malformed(f"{what} is {value}")
    if abs(value) > limit:
        raise Malformed(f"{what} is {shown(value)}, beyond {limit}")
    return float(value)


def parsed(value: object, what: str) -> float:
    """Return a number that may be written as text."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            raise Malformed(f"{what} is {shown(value)}, not a number") from None
    return number(value, what)


def parsed_list(value: str | None, what: str) -> list[float]:
    """Return the numbers of a text with commas between them; none of an empty one."""
    return [parsed(one, what) for one in (value or "").split(",") if one.strip()]


def whole(value: object, what: str) -> int:
    """Return a whole number as it stands in JSON."""
    if number(value, what) != int(value):
        raise Malformed(f"{what} is {value}, not a whole number")
    return int(value)


FLAGS = {"": False, "0": False, "false": False, "1": True, "true": True}
"""What text says of what is so or not."""


def flag(value: object, what: str) -> bool:
    """Return whether something is so: 0 or 1, also as text; null is 0."""
    if value is None:
        return False
    if isinstance(value, str) and value.strip().lower() in FLAGS:
        return FLAGS[value.strip().lower()]
    if isinstance(value, int | float) and value in (0, 1):
        return bool(value)
    raise Malformed(f"{what} is {shown(value)}, not 0 or 1")


def text(value: object, what: str) -> str:
    """Return a name, without spaces around it; a number is its digits."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        number(value, what)
        return str(value)
    if not isinstance(value, str):
        raise Malformed(f"{what} is {shown(value)}, not text")
    if "\0" in value or any("\ud800" <= sign <= "\udfff" for sign in value):
        raise Malformed(f"{what} is {shown(value)}, with signs that are no text")
    return value.strip()


def outline(columns: Sequence[float], rows: Sequence[float]) -> tuple[float, ...]:
    """Return (x0, y0, x1, y1, ...) of as many columns as rows."""
    if len(columns) != len(rows):
        raise Malformed(f"its polygon has {len(columns)} x and {len(rows)} y")
    return tuple(v for point in zip(columns, rows, strict=True) for v in point)


def pairs(points: Iterable, what: str) -> tuple[float, ...]:
    """Return (x0, y0, x1, y1, ...) of a list of [x, y]."""
    flat: list[float] = []
    for point in points:
        if not isinstance(point, list) or len(point) != 2:
            raise Malformed(f"{what} is {shown(point)}, not x and y")
        flat += (parsed(value, what) for value in point)
    return tuple(flat)
