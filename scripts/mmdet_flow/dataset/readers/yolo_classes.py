"""The names of YOLO's numbered classes, and what else data.yaml says of its lines."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mmdet_flow.dataset.fields import (
    Malformed,
    mapping,
    member,
    sequence,
    shown,
    text,
)
from mmdet_flow.errors import DataError
from mmdet_flow.files import read_text, read_yaml
from mmdet_flow.words import counted

LABEL_FILES = (
    *("labels.txt", "classes.txt", "obj.names"),
    *("data.yaml", "data.yml", "dataset.yaml", "dataset.yml"),
)
"""Where the class names are looked for when no file is given, in this order."""

YAML = (".yaml", ".yml")
OTHERS = re.compile(r"[^.].*\.(names|yaml|yml)")
"""Files of class names that are called like the data set."""

COMMAS = "labels.txt"
"""The list of wai.annotations, which has commas between the names, on one line."""


@dataclass(frozen=True)
class Classes:
    """What is known of the numbered classes.

    Attributes:
        names: the name of each number; empty where no file has them.
        keypoints: how many numbers of each line are keypoints, where data.yaml has a
            kpt_shape.
    """

    names: Mapping[int, str] = field(default_factory=dict)
    keypoints: int | None = None

    def name_of(self, number: int) -> str:
        """Return the name of a class; Malformed where others have names."""
        if not self.names:
            return str(number)
        if number not in self.names:
            first, last = min(self.names), max(self.names)
            there = counted(len(self.names), "class")
            raise Malformed(
                f"class {number} is not there: {there}, from {first} to {last}"
            )
        return self.names[number]


def label_files(paths: Iterable[Path]) -> list[Path]:
    """Return the files that name classes, the one to take first.

    The usual names come before others.
    """
    order = {name: number for number, name in enumerate(LABEL_FILES)}
    found = [
        path for path in paths if path.name in order or OTHERS.fullmatch(path.name)
    ]
    found.sort(key=lambda path: (order.get(path.name, len(order)), path))
    return [path for path in found if path.is_file() and _names_classes(path)]


def _names_classes(path: Path) -> bool:
    """Whether a file is for class names; a YAML file may be for anything."""
    if path.name in LABEL_FILES or path.suffix not in YAML:
        return True
    try:
        content = read_yaml(path, as_text=True)
    except DataError:
        return False
    return isinstance(content, dict) and "names" in content


def read_classes(labels: Path | None, folder: Path) -> Classes:
    """Read the names from a file, or from one that lies in or beside a folder."""
    beside = label_files(folder.glob("*"))
    beside += label_files(folder.parent / name for name in LABEL_FILES)
    path = labels or next(iter(beside), None)
    described = [one for one in (labels, *beside) if one and one.suffix in YAML]
    return Classes(
        read_names(path) if path else {},
        next(filter(None, map(_read_keypoints, described)), None),
    )


def read_names(path: Path) -> dict[int, str]:
    """Return the names in a file by their numbers; DataError if it has none."""
    if path.suffix in YAML:
        return _names_of_yaml(path)
    lines = _lines(read_text(path).strip())
    names = lines[0].split(",") if len(lines) == 1 else lines
    mixed = path.name == COMMAS and len(lines) > 1 and "," in "".join(lines)
    names = [name.strip() for name in names]
    if not all(names) or mixed or "\0" in "".join(names):
        raise DataError(
            f"{path}: no list of class names; write one a line, or one line with commas"
        )
    return dict(enumerate(names))


def _lines(content: str) -> list[str]:
    return content.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def _names_of_yaml(path: Path) -> dict[int, str]:
    try:
        names = member(mapping(read_yaml(path, as_text=True), "it"), "names")
        if not isinstance(names, dict):
            names = dict(enumerate(sequence(names, "names")))
        found = {_number(key): text(value, "a name") for key, value in names.items()}
    except Malformed as error:
        raise DataError(f"{path}: has no list of names: {error}; add it") from None
    if not all(found.values()):
        raise DataError(f"{path}: a class has an empty name; name it")
    return found


def _number(key: object) -> int:
    try:
        return int(key)
    except (TypeError, ValueError):
        raise Malformed(f"{shown(key)} is no number of a class") from None


def _read_keypoints(path: Path) -> int | None:
    """Return how many numbers the keypoints of a line are, by its kpt_shape."""
    content = read_yaml(path, as_text=True)
    if not isinstance(content, dict) or "kpt_shape" not in content:
        return None
    try:
        points, values = map(_number, sequence(content["kpt_shape"], "kpt_shape"))
    except (Malformed, ValueError):
        raise DataError(f"{path}: kpt_shape is not two numbers; correct it") from None
    return points * values
