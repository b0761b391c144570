"""YOLO: one text file an image, in normalised coordinates, with class numbers."""

from collections.abc import Iterator
from datetime import date
from itertools import cycle
from pathlib import Path

from mmdet_flow.dataset.annotations import (
    AnnotatedImage,
    AnnotatedObject,
    AnnotationFormat,
    Box,
    ImageIndex,
    Problem,
    Source,
    bbox_of_points,
    image_or_problems,
    read_objects,
)
from mmdet_flow.dataset.fields import (
    Malformed,
    mapping,
    member,
    parsed,
    sequence,
    shown,
    text,
    whole,
)
from mmdet_flow.dataset.pixels import read_size
from mmdet_flow.errors import DataError
from mmdet_flow.files import read_text, read_yaml

LABEL_FILES = ("labels.txt", "classes.txt", "obj.names", "data.yaml", "dataset.yaml")
"""Where the class names are looked for when no file is given."""


def read(source: Source, index: ImageIndex) -> Iterator[AnnotatedImage | Problem]:
    """Read each text file; its image has the same stem.

    Without a file of class names the numbers are the names.
    """
    names = _read_names(source)
    for path in source.files("*.txt"):
        if path.name in LABEL_FILES or path == source.labels:
            continue
        try:
            lines = read_text(path).splitlines()
        except DataError as error:
            yield index.broken(path, path.stem, error)
            continue
        image = index.find(path, path.stem)
        size = (1, 1)
        if not isinstance(image, Problem):
            try:
                size = read_size(image, source.oriented)
            except Exception as error:
                what = f"no image: {error}"
                image = Problem("unreadable-image", image, "", what, images=(image,))
        lines = [line for line in lines if line.strip()]
        objects = read_objects(path, lines, _line_reader(names, size), "line")
        yield from image_or_problems(path, image, None, objects)


def _read_names(source: Source) -> list[str]:
    folder = source.annotations
    candidates = [
        parent / name for parent in (folder, folder.parent) for name in LABEL_FILES
    ]
    path = source.labels or next((path for path in candidates if path.is_file()), None)
    if path is None:
        return []
    if path.suffix in (".yaml", ".yml"):
        return _names_of_yaml(path)
    listed = read_text(path).replace("\r\n", "\n").replace("\r", "\n")
    separator = "\n" if len(listed.split("\n")) > 1 and "," not in listed else ","
    names = [name.strip() for name in listed.strip().split(separator)]
    if not all(names) or {"\n", "\0"} & set(",".join(names)):
        raise DataError(
            f"{path}: no list of class names; write one a line, or one line with commas"
        )
    return names


def _names_of_yaml(path: Path) -> list[str]:
    try:
        names = member(mapping(read_yaml(path), "it"), "names")
        if isinstance(names, dict):
            names = [member(names, number) for number in range(len(names))]
        return [_name_of(value) for value in sequence(names, "names")]
    except Malformed as error:
        raise DataError(f"{path}: has no list of names: {error}; add it") from None


def _name_of(value: object) -> str:
    """Return a class name; YAML takes some words for truth values or dates."""
    return text(str(value) if isinstance(value, bool | date) else value, "a name")


def _line_reader(names: list[str], size: tuple[int, int]):
    def read_line(line: str, place: str) -> AnnotatedObject:
        first, *values = line.split()
        fractions = [parsed(value, "a number") for value in values]
        number = _class_number(first)
        if names and not 0 <= number < len(names):
            raise Malformed(f"class {number} is none of the {len(names)} classes")
        label = names[number] if names else str(number)
        if len(fractions) == 4:
            return AnnotatedObject(label, _box(fractions, size), place)
        if len(fractions) < 6 or len(fractions) % 2:
            raise Malformed(f"{len(fractions)} numbers are neither a box nor a polygon")
        pairs = zip(fractions, cycle(size), strict=False)
        polygon = tuple(fraction * side for fraction, side in pairs)
        return AnnotatedObject(label, bbox_of_points(polygon), place, (polygon,))

    return read_line


def _class_number(word: str) -> int:
    try:
        number = int(word)
    except ValueError:
        raise Malformed(f"its class is {shown(word)}, not a whole number") from None
    return whole(number, "its class")


def _box(fractions: list[float], size: tuple[int, int]) -> Box:
    x, y, width, height = (
        value * side for value, side in zip(fractions, size * 2, strict=True)
    )
    return x - width / 2, y - height / 2, width, height


FORMAT = AnnotationFormat(read)
