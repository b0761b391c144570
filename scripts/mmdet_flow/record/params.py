"""The config of an experiment as a list of keys and values."""

import json
from collections.abc import Iterator


def flat(config: dict, place: str = "") -> Iterator[tuple[str, str]]:
    """Yield each key with dots between the levels, such as model.seed, and its value.

    Values are texts. What is None, or empty, is left out.
    """
    for key, value in config.items():
        if isinstance(value, dict):
            yield from flat(value, f"{place}{key}.")
        elif value not in (None, "", []):
            text = value if isinstance(value, str) else json.dumps(value)
            yield f"{place}{key}", text
