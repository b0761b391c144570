"""What differs between two configs, a line a key."""

from collections.abc import Iterator, Mapping
from typing import Any

LONGEST = 72
"""Longer values are cut in the description of a change."""


def changes(before: Any, after: Any, key: str = "") -> Iterator[str]:
    """Yield ``key: old -> new`` for each value that differs, in the order of keys."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for name in sorted(before.keys() | after.keys()):
            inner = f"{key}.{name}" if key else str(name)
            if name not in after:
                yield f"{inner}: removed"
            elif name not in before:
                yield f"{inner}: added {_short(after[name])}"
            else:
                yield from changes(before[name], after[name], inner)
    elif _types(before) and _types(before) == _types(after):
        for index, pair in enumerate(zip(before, after, strict=True)):
            yield from changes(*pair, f"{key}[{index}]")
    elif _plain(before) != _plain(after):
        yield f"{key}: {_short(before)} -> {_short(after)}"


def _types(value: Any) -> list[str]:
    """Return the types of a list of parts, such as a pipeline, or nothing."""
    is_list = isinstance(value, list | tuple) and all(
        isinstance(item, Mapping) and "type" in item for item in value
    )
    return [str(item["type"]) for item in value] if is_list else []


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _short(value: Any) -> str:
    if isinstance(value, Mapping):
        return str(value.get("type", "{...}"))
    text = ", ".join(_types(value)) or repr(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."
