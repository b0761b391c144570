"""The config as it stands in its file, before presets and campaigns."""

from collections.abc import Iterator
from math import prod
from pathlib import Path

from mmdet_flow.errors import UsageError


def read_config(path: Path) -> dict:
    """Read a config; UsageError with the line where it is no YAML."""
    import yaml

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(
            f"{path}: {error.strerror}; mmdet_init FOLDER writes one for your data"
        ) from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1
        raise UsageError(f"{path}, line {line}: {error.problem}; mend it") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: no YAML: {error}; mend it") from None
    if not isinstance(content, dict):
        raise UsageError(f"{path}: holds no keys; mmdet_init FOLDER writes a config")
    return content


def what_it_holds(config: dict) -> str:
    """Say how many experiments a config has, and of which names."""
    names = [*section(config, "experiments"), *section(config, "campaigns")]
    return f"{experiments(config)} to run, of {', '.join(map(str, names))}"


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
    return total


def section(config: dict, key: str) -> dict:
    """Return a section of a config that may be left out, or be wrong."""
    found = config.get(key)
    return found if isinstance(found, dict) else {}
