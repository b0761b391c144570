"""YOLO: one text file an image, in normalised coordinates, with class numbers."""

from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path

from mmdet_flow.dataset.annotations import (
    AnnotatedImage,
    AnnotatedObject,
    AnnotationFormat,
    Problem,
    Source,
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
from mmdet_flow.dataset.image_index import ImageIndex
from mmdet_flow.dataset.pixels import read_size
from mmdet_flow.errors import DataError
from mmdet_flow.files import read_text, read_yaml

LABEL_FILES = ("labels.txt", "classes.txt", "obj.names", "data.yaml", "dataset.yaml")
"""Where the class names are looked for when no file is given."""


def read(source: Source, index: ImageIndex) -> Iterator[AnnotatedImage | Problem]:
    """Read each text file; its image has the same stem.

    Without a file of class names the numbers are the names. Coordinates become whole
    pixels by the rule of wai.annotations: sizes rounded first, then the corner.
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


def write(images: Sequence[AnnotatedImage], folder: Path) -> list[Path]:
    """Write a text file beside each image; labels have to be class numbers.

    Boxes are centred so that the rule of wai.annotations finds the same pixels.
    """
    files = []
    for image in images:
        size = read_size(folder / image.image.name, oriented=False)
        path = folder / f"{image.image.stem}.txt"
        path.write_text("\n".join(_to_line(item, size) for item in image.objects))
        files.append(path)
    return files


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
            return AnnotatedObject(label, _to_pixels(fractions, size), place)
        if len(fractions) < 6 or len(fractions) % 2:
            raise Malformed(f"{len(fractions)} numbers are neither a box nor a polygon")
        columns, rows = fractions[::2], fractions[1::2]
        width, height = max(columns) - min(columns), max(rows) - min(rows)
        box = [min(columns) + width / 2, min(rows) + height / 2, width, height]
        scaled = (
            float(round(fraction * side))
            for point in zip(columns, rows, strict=True)
            for fraction, side in zip(point, size, strict=True)
        )
        return AnnotatedObject(label, _to_pixels(box, size), place, tuple(scaled))

    return read_line


def _class_number(word: str) -> int:
    try:
        number = int(word)
    except ValueError:
        raise Malformed(f"its class is {shown(word)}, not a whole number") from None
    return whole(number, "its class")


def _to_pixels(box: list[float], size: tuple[int, int]):
    width, height = round(box[2] * size[0]), round(box[3] * size[1])
    x, y = round(box[0] * size[0] - width / 2), round(box[1] * size[1] - height / 2)
    return float(x), float(y), float(width), float(height)


def _to_line(item: AnnotatedObject, size: tuple[int, int]) -> str:
    if item.polygon:
        sides = [*size] * (len(item.polygon) // 2)
        fractions = [v / side for v, side in zip(item.polygon, sides, strict=True)]
    else:
        x, y, width, height = item.bbox
        fractions = [
            (x + width / 2) / size[0],
            (y + height / 2) / size[1],
            width / size[0],
            height / size[1],
        ]
    return " ".join([item.label, *map(repr, fractions)])


# Without a stated place the reader may look for a folder for ever.
FORMAT = AnnotationFormat(read, write, ("from-yolo-od", "--image-path-rel", "."))
