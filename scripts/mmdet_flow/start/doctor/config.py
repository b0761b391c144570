"""The config as it stands in its file, before presets and campaigns."""

import copy
from collections.abc import Iterator
from math import prod
from pathlib import Path

from mmdet_flow.errors import UsageError
from mmdet_flow.files import read_yaml
from mmdet_flow.start.doctor.check import Note
from mmdet_flow.workflow.config import has_validation, prepare
from mmdet_flow.workflow.config_files import require_readable


def read_config(path: Path) -> dict:
    """Read a config; UsageError with the line where it is none."""
    if not path.exists():
        raise UsageError(
            f"{path}: is not there; mmdet-flow start init FOLDER writes one for your "
            "data"
        )
    require_readable([path])
    return read_yaml(path)


def what_it_holds(config: dict) -> str:
    """Say how many experiments a config has, and of which names.

    And which of them learn from fewer images than it says.
    """
    names = [*section(config, "experiments"), *section(config, "campaigns")]
    said = f"{experiments(config)} to run, of {', '.join(map(str, names))}"
    if alone := _on_train_alone(config):
        return Note(
            f"{said}; {', '.join(alone)}: trainval is train alone, as splits.val and "
            "splits.test are one list"
        )
    return said


def _on_train_alone(config: dict) -> list[str]:
    """Return the experiments whose validation images, being test ones, are left out."""
    config = copy.deepcopy(config)
    try:
        prepare(config)
    except UsageError:  # the plan says what is wrong
        return []
    return [
        name
        for name, one in config["experiments"].items()
        if not has_validation(one)
        and isinstance(one["splits"]["val"], str)
        and one["splits"]["val"] == one["splits"]["test"]
    ]


def data_sections(config: dict, place: str = "") -> Iterator[tuple[str, dict]]:
    """Yield each data section, with its place, that names annotations and images."""
    for key, value in config.items():
        if not isinstance(value, dict):
            continue
        here = f"{place}.{key}" if place else str(key)
        if key == "data" and {"format", "annotations", "images"} <= value.keys():
            yield here, value
        yield from data_sections(value, here)


def experiments(config: dict) -> int:
    """Return how many experiments a config has, with those of its campaigns."""
    total = len(section(config, "experiments"))
    for name in section(config, "campaigns"):
        campaign = section(section(config, "campaigns"), name)
        axes = [len(axis) for axis in section(campaign, "grid").values()]
        total += (prod(axes) if axes else 0) + len(section(campaign, "variants"))
        found = campaign.get("rounds")
        total += len(found) if isinstance(found, list) else 0
    return total


def section(config: dict, key: str) -> dict:
    """Return a section of a config that may be left out, or be wrong."""
    found = config.get(key)
    return found if isinstance(found, dict) else {}
