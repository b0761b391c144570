"""The schema of the config: what its keys are, and which rules they are options of."""

import copy
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from mmdet_flow import ROOT

if TYPE_CHECKING:
    import jsonschema

FILE = ROOT / "schemas" / "config.schema.yaml"

LARGEST_NUMBER = 2**63
"""Beyond it nothing is computed."""


def read(path: Path) -> dict:
    """Return the content of a YAML file of ours."""
    import yaml

    # The one in C is there unless PyYAML was built without it.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return yaml.load(path.read_text(), loader)


@cache
def schema() -> dict:
    """Return the schema of the whole config."""
    return read(FILE)


def misfit(
    content: object, node: dict | None = None
) -> "jsonschema.ValidationError | None":
    """Return what fits a schema least, by default that of the whole config.

    Numbers are those to compute with: neither nan nor infinite, and whole ones are
    written as such, as the options of the commands read them.
    """
    import jsonschema

    plain = jsonschema.Draft202012Validator
    kinds = {"number": _is_number, "integer": _is_whole}
    checker = plain.TYPE_CHECKER.redefine_many(kinds)
    validator = jsonschema.validators.extend(plain, type_checker=checker)
    errors = validator(node or schema()).iter_errors(content)
    return jsonschema.exceptions.best_match(errors)


def _is_number(_: object, value: object) -> bool:
    is_one = isinstance(value, int | float) and not isinstance(value, bool)
    return is_one and abs(value) < LARGEST_NUMBER  # which nan is not, either


def _is_whole(_: object, value: object) -> bool:
    return isinstance(value, int) and _is_number(_, value)


def sections() -> dict[str, dict]:
    """Return the schema of each section of an experiment."""
    return schema()["$defs"]["sections"]["properties"]


def experiment_keys() -> list[str]:
    """Return the keys of an experiment with their sections, such as model.seed."""
    return [
        f"{name}.{key}" for name in sections() for key in sections()[name]["properties"]
    ]


@cache
def options_of(rule: str) -> tuple[tuple[str, str], ...]:
    """Return section and key of each option that the command of a rule has."""
    everywhere = sections() | schema()["properties"]
    return tuple(
        (section, key)
        for section, node in everywhere.items()
        for key, part in node.get("properties", {}).items()
        if rule in part.get("option_of", ())
    )


@cache
def option_name(section: str, key: str) -> str:
    """Return what a key of a section is called as an option, without its dashes."""
    return sections().get(section, {}).get("prefix", "") + key


def fill_in(node: dict, content: dict) -> None:
    """Put the defaults of a schema where a content has no value, in place."""
    for key, part in node["properties"].items():
        if "default" in part:
            content.setdefault(key, copy.deepcopy(part["default"]))
        if "properties" in part and isinstance(content.get(key), dict):
            fill_in(part, content[key])
