"""Experiments that have one data set, which is converted once."""

import json
import re
from collections.abc import Iterable

from mmdet_flow.workflow import options


def find_converted(experiments: dict[str, dict]) -> dict[str, str]:
    """Return, for each experiment, the first one whose annotations convert alike.

    What counts is all that the conversion gets to see: its inputs and its options.
    """
    first: dict[str, str] = {}
    converted = {}
    for name, experiment in experiments.items():
        data = experiment["data"]
        seen = [data["annotations"], data["images"], options.conversion(experiment)]
        converted[name] = first.setdefault(json.dumps(seen), name)
    return converted


def names_pattern(names: Iterable[str]) -> str:
    """Return a regular expression of exactly these names, or of none."""
    return "|".join(map(re.escape, sorted(names))) or "(?!)"
