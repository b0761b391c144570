"""Write the pages config.md, from the schema, and commands.md, from the parsers."""

import importlib
import json
import os
import re
import tomllib
from collections.abc import Collection, Iterator
from pathlib import Path
from unittest.mock import patch

import yaml

ROOT = Path(__file__).parents[1]

CONFIG_HEAD = """\
# Config reference

The keys of `config.yaml`. `snakemake --configfile FILE` adds those of another file,
which win; with `--replace-workflow-config` that file stands for `config.yaml`, whose
experiments are made as well otherwise. A key that is not in here is refused, with the
nearest one that is. Where the default is *preset*, `model.preset` names the file in
`presets/` that has it.
"""

COMMANDS_HEAD = """\
# Commands

What `--help` of each says. Exit codes: 0 done; 1 environment and machine, in
`mmdet_doctor`; 2 a wrong option or config; 3 annotations, images or class lists; 4 a
model config, checkpoint or training; 5 Redis or the tracker; 70 a bug of ours
(`--debug` shows where); 75 stopped on purpose, the same command goes on; 130
interrupted; 141 nobody read the output to its end.

In bash, this completes options, choices and file names:

    eval "$(.venv/bin/register-python-argcomplete $(cd .venv/bin; echo mmdet_*))"
"""

TYPES = {"object": "section", "array": "list", "string": "text"}
BOUNDS = {
    **{"minimum": "from", "exclusiveMinimum": "above"},
    **{"maximum": "to", "exclusiveMaximum": "to below"},
}


def config_page() -> str:
    """Return a table for each section of the config."""
    schema = yaml.safe_load((ROOT / "schemas/config.schema.yaml").read_text())
    parts = schema["$defs"]
    sections = {
        "Top level": schema,
        **{f"`{name}`": schema["properties"][name] for name in ("track", "serve")},
        "`campaigns.NAME`": parts["campaign"],
        **{
            f"`experiments.NAME.{name}`": section
            | parts["experiment"]["properties"].get(name, {})
            for name, section in parts["sections"]["properties"].items()
        },
    }
    presets = yaml.safe_load((ROOT / "presets/zoo.yaml").read_text())
    tables = (
        f"\n## {title}\n\n"
        + "\n".join(_rows(section, presets if title.endswith(".model`") else ()))
        + "\n"
        for title, section in sections.items()
    )
    return CONFIG_HEAD + "".join(tables)


def _rows(section: dict, presets: Collection[str]) -> Iterator[str]:
    """Yield the lines of a table; the defaults of ``presets`` are those of a preset."""
    yield "| key | values | default | what |"
    yield "|---|---|---|---|"
    for key, node in section["properties"].items():
        if key in section.get("required", ()):
            default = "required"
        else:
            default = "*preset*" if key in presets else _default(node)
        text = re.sub(r"docs/(\w+\.md)", r"[\1](\1)", node["description"])
        yield f"| `{key}` | {_values(node)} | {default} | {text} |"


def _default(node: dict) -> str:
    if "default" not in node:
        return ""
    default = node["default"]
    return "empty" if default in (None, "", [], {}) else f"`{json.dumps(default)}`"


def _values(node: dict) -> str:
    """Return in words which values a key takes."""
    if "enum" in node:
        return ", ".join(f"`{one}`" for one in node["enum"])
    if "const" in node:
        return f"`{node['const']}`"
    if "oneOf" in node:
        return " or ".join(map(_values, node["oneOf"]))
    types = node["type"] if isinstance(node["type"], list) else [node["type"]]
    words = " or ".join(TYPES.get(one, one) for one in types if one != "null")
    for bound, sign in BOUNDS.items():
        if bound in node:
            words += f" {sign} {node[bound]}"
    return words + ", or empty" * ("null" in types)


def commands_page() -> str:
    """Return what each command says of itself."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    page = COMMANDS_HEAD
    for name, place in project["scripts"].items():
        module = importlib.import_module(place.split(":")[0])
        with patch.dict(os.environ, COLUMNS="88"):
            text = module.build_parser().format_help().rstrip()
        page += f"\n## {name}\n\n```text\n{text}\n```\n"
    return page


PAGES = {"config.md": config_page, "commands.md": commands_page}


if __name__ == "__main__":
    for name, page in PAGES.items():
        (ROOT / "docs" / name).write_text(page())
