"""Write the pages of keys, from the schema, and of commands, from their parsers."""

import json
import os
import re
from collections.abc import Collection, Iterator
from functools import partial
from pathlib import Path
from unittest.mock import patch

import yaml

from mmdet_flow.main import COMMANDS, PATHS, PROG, REFERENCE, command_at, overview

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

All that can be done is a command of `mmdet-flow`; the workflow calls them, and you can
call each by itself. `mmdet-flow --help` says:

```text
{overview}
```

What `--help` says of each is on the page of its group:

{pages}

The four commands of the reference image are on the PATH under their own names, too:

{reference}

Options have "-" between their words, but "_" in `predict` and `serve`, as in the
reference image; all commands take both, but for `run`, whose options are those of
Snakemake.

Exit codes: 0 done; 1 environment and machine, in `mmdet-flow start doctor`; 2 a wrong
option or config; 3 annotations, images or class lists; 4 a model config, checkpoint or
training; 5 Redis or the tracker; 70 a bug of ours (`--debug` shows where); 75 stopped
on purpose, the same command goes on; 130 interrupted; 141 nobody read the output to its
end.

## Completion

With `.venv/bin` on the PATH, this line completes commands, options, choices and file
names, in bash and, after `autoload -U compinit && compinit`, in zsh. To have it in each
new shell, add it to `~/.bashrc` or `~/.zshrc`.

    eval "$(register-python-argcomplete {prog})"
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
        **{
            f"`{name}`": schema["properties"][name]
            for name in ("track", "weights", "serve")
        },
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
    """Return what there is, where it is told, and what all commands share."""
    return COMMANDS_HEAD.format(
        overview=overview(),
        pages="\n".join(f"* [{name}](commands-{name}.md)" for name in COMMANDS),
        reference="\n".join(
            f"* `{name}` is `{' '.join((PROG, *path))}`"
            for name, path in REFERENCE.items()
        ),
        prog=PROG,
    )


def group_page(name: str) -> str:
    """Return what the commands of a group, or the one by itself, say of themselves."""
    page = f"# {PROG} {name}\n"
    for path in (path for path in PATHS if path[0] == name):
        words = " ".join((PROG, *path))
        with patch.dict(os.environ, COLUMNS="88"):
            text = command_at(path).build_parser(words).format_help().rstrip()
        title = f"\n## {words}\n" if path[1:] else ""
        page += f"{title}\n```text\n{text}\n```\n"
    return page


PAGES = {
    "config.md": config_page,
    "commands.md": commands_page,
    **{f"commands-{name}.md": partial(group_page, name) for name in COMMANDS},
}


if __name__ == "__main__":
    for name, page in PAGES.items():
        (ROOT / "docs" / name).write_text(page())
