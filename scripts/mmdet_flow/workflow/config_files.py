"""Config files, read strictly before Snakemake reads them.

Snakemake's own reader takes the second of two equal keys without a word, and ends with
a traceback where a value or the nesting is beyond it. What passes here, it can read.
"""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import NoReturn

import yaml

from mmdet_flow.errors import UsageError
from mmdet_flow.workflow.schema import LARGEST_NUMBER

LARGEST_FILE = 4 * 2**20
"""Bytes of a config file; reading takes a minute for so many."""

DEEPEST = 50
"""Levels of a config; the schema has eight."""

MOST_VALUES = 200_000
"""Of a file with what its aliases stand for; a thousand experiments have a fifth."""

LONGEST_NUMBER = 100

PLAIN = "tag:yaml.org,2002:"

TAGS = {
    yaml.ScalarNode: ("str", "int", "float", "bool", "null", "merge"),
    yaml.SequenceNode: ("seq",),
    yaml.MappingNode: ("map",),
}
"""What a config is made of: the same that JSON has."""


def require_readable(files: Iterable[Path], most: int = MOST_VALUES) -> None:
    """Raise UsageError for the first file that is no config, with its line.

    A file that is not there is left to Snakemake, which says so. ``most`` is the number
    of values that a file may have.
    """
    for path in files:
        if os.path.lexists(path):
            _require_config(path, _text_of(path), most)


def _text_of(path: Path) -> str:
    name = _shown(path)
    if not path.is_file():
        raise UsageError(f"{name}: is not a file; write the config there")
    try:
        with path.open("rb") as stream:
            content = stream.read(LARGEST_FILE + 1)
    except OSError as error:
        raise UsageError(f"{name}: {error.strerror}; let it be read") from None
    if len(content) > LARGEST_FILE:
        raise UsageError(
            f"{name}: is larger than {LARGEST_FILE // 2**20} MiB; is it a config?"
        )
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UsageError(
            f"{name}, line {line}: is not text in UTF-8; save it as such"
        ) from None


def _require_config(path: Path, text: str, most: int) -> None:
    name = _shown(path)
    if text.lstrip().startswith("{"):
        text = text.replace("\t", " ")  # which JSON may have between its words
    try:
        top = _read(text, most)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1
        raise UsageError(
            f"{name}, line {line}: {_explained(error, text, line)}"
        ) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise UsageError(
            f"{name}, line {line}: there is a control character; take it away"
        ) from None
    if top is None:
        raise UsageError(f"{name}: is empty; it needs experiments: or campaigns:")
    if not isinstance(top, yaml.MappingNode):
        line = top.start_mark.line + 1
        raise UsageError(
            f"{name}, line {line}: there are no keys; begin with experiments: or "
            "campaigns:"
        )


def _read(text: str, most: int) -> yaml.Node | None:
    reader = _Reader(text, most)
    try:
        top = reader.get_single_node()
        if top is not None:
            reader.construct_document(top)
        return top
    finally:
        reader.dispose()


def _explained(error: yaml.MarkedYAMLError, text: str, line: int) -> str:
    """Return what is wrong in a line, and what to do about it."""
    if isinstance(error, _Refused):
        return error.problem
    content = text.splitlines()[line - 1 : line]
    if content and "\t" in content[0][: len(content[0]) - len(content[0].lstrip())]:
        return "there is a tab before its first word; indent with spaces"
    return (
        f"{error.problem or error.context}; correct it, or write the text in quotes if "
        "it is one"
    )


def _shown(path: Path) -> str:
    """Return a path as seen from the working folder, if it is inside."""
    path = Path(os.path.abspath(path))
    return str(
        path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
    )


class _Refused(yaml.MarkedYAMLError):
    """YAML that a config should not have."""


def _refuse(node: yaml.Node | yaml.Event, problem: str) -> NoReturn:
    raise _Refused(problem=problem, problem_mark=node.start_mark)


class _Reader(yaml.SafeLoader):
    """A loader with bounds, which refuses what means other than it seems."""

    def __init__(self, text: str, most: int) -> None:
        super().__init__(text)
        self._most = most
        self._depth = 0
        self._sizes: dict[yaml.Node, int] = {}

    def compose_node(self, parent, index):
        event = self.peek_event()
        if self._depth == DEEPEST:
            _refuse(
                event, f"it is nested deeper than {DEEPEST} levels; is it a config?"
            )
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        if isinstance(event, yaml.AliasEvent):
            if node not in self._sizes:
                _refuse(event, f"*{event.anchor} stands inside of itself; write it out")
        else:
            self._check(node)
        return node

    def _check(self, node: yaml.Node) -> None:
        tag = node.tag.removeprefix(PLAIN)
        if tag == "timestamp" and not node.style:
            _refuse(node, f"{node.value} is read as a date; write it in quotes")
        if tag not in TAGS[type(node)]:
            _refuse(node, f"the tag {_tag(node)} has no meaning here; take it away")
        if tag in ("int", "float", "bool"):
            self._check_number(node, tag)
        elif tag == "map":
            _check_keys(node)
        self._sizes[node] = size = 1 + sum(map(self._sizes.get, _parts(node)))
        if size > self._most:
            _refuse(
                node, f"there are over {self._most} values in it; use fewer aliases"
            )

    def _check_number(self, node: yaml.ScalarNode, tag: str) -> None:
        """Refuse what looks like a number, or is said to be one, and is none."""
        if len(node.value) > LONGEST_NUMBER:
            _refuse(node, f"a number of {len(node.value)} characters; correct it")
        try:
            value = self.construct_object(node)
        except (ValueError, LookupError, AttributeError, OverflowError):
            _refuse(node, f"{node.value!r} is no {tag}; correct it")
        if not abs(value) < LARGEST_NUMBER:
            _refuse(node, f"{node.value} is no number to compute with; correct it")


def _parts(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [part for pair in node.value for part in pair]
    return node.value if isinstance(node, yaml.SequenceNode) else []


def _check_keys(node: yaml.MappingNode) -> None:
    lines: dict[str, int] = {}
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode):
            _refuse(key, "a list or a section stands where a key belongs; correct it")
        if key.tag.removeprefix(PLAIN) not in ("str", "merge"):
            _refuse(key, f"the key {key.value} is no text; write it in quotes")
        if key.value in lines:
            first = lines[key.value]
            _refuse(
                key, f"the key {key.value} is in line {first} too; keep one of them"
            )
        lines[key.value] = key.start_mark.line + 1


def _tag(node: yaml.Node) -> str:
    return node.tag.replace(PLAIN, "!!")
