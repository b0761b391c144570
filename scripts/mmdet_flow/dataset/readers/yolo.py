"""YOLO: one text file an image, in normalised coordinates, with class numbers."""

from collections.abc import Iterator, Sequence
from itertools import cycle
from pathlib import Path

from mmdet_flow.dataset.annotations import (
    AnnotatedImage,
    AnnotatedObject,
    AnnotationFormat,
    Box,
    Problem,
    Source,
    bbox_of_points,
    image_or_problems,
    read_objects,
)
from mmdet_flow.dataset.fields import Malformed, parsed, whole
from mmdet_flow.dataset.fractions import BEYOND, with_size
from mmdet_flow.dataset.image_index import ImageIndex
from mmdet_flow.dataset.readers.yolo_classes import (
    LABEL_FILES,
    Classes,
    label_files,
    read_classes,
)
from mmdet_flow.errors import DataError
from mmdet_flow.files import read_text

BOX, CORNERS = 4, 8
"""How many numbers a box is, and a box of any angle, which is an outline as well."""


def read(source: Source, index: ImageIndex) -> Iterator[AnnotatedImage | Problem]:
    """Read each text file; its image has the same stem.

    Without a file of class names the numbers are the names.
    """
    classes = read_classes(source.labels, source.annotations)
    for path in source.files("*.txt"):
        if path.name in LABEL_FILES or path == source.labels:
            continue
        try:
            lines = read_text(path).splitlines()
        except DataError as error:
            yield index.broken(path, path.stem, error)
            continue
        image = index.find(path, path.stem)
        if isinstance(image, Problem) and _is_other_text(lines):
            continue
        image, size = with_size(image, source.oriented)
        yield from _left_aside(path, lines, classes.keypoints)
        read_line = _line_reader(classes, size)
        objects = (
            item
            for number, line in enumerate(lines, 1)
            if line.strip()
            for item in read_objects(path, [line], read_line, "line", number)
        )
        yield from image_or_problems(path, image, None, objects)


def _is_other_text(lines: Sequence[str]) -> bool:
    """Whether a text has lines, and none like a line of YOLO: a list, or a README."""
    written = [line.split() for line in lines if line.strip()]
    return bool(written) and not any(
        len(words) > BOX and all(map(_is_number, words[1:])) for words in written
    )


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _left_aside(
    path: Path, lines: Sequence[str], keypoints: int | None
) -> Iterator[Problem]:
    """Yield what is left aside of the lines of a file: keypoints and confidences."""
    seen: dict[str, list[int]] = {}
    for number, line in enumerate(lines, 1):
        for what in _beside(len(line.split()) - 1, keypoints):
            seen.setdefault(what, []).append(number)
    for what, numbers in seen.items():
        more = f", and {len(numbers) - 1} more" if len(numbers) > 1 else ""
        yield Problem("left-aside", path, f"line {numbers[0]}{more}", what)


def _beside(count: int, keypoints: int | None) -> list[str]:
    """Return what so many numbers are beside the box or outline."""
    pose = BOX + keypoints if keypoints else None
    scored = {BOX, pose} if keypoints else {BOX, CORNERS}
    return [
        *(["it has keypoints"] if pose in (count, count - 1) else []),
        *(["it has a confidence, as predictions have"] if count - 1 in scored else []),
    ]


def _shape_of(values: list[float], keypoints: int | None) -> list[float]:
    """Return the numbers of a line that are its box or outline.

    Each line stands for itself: 4 numbers are a box, 8 its corners, any other even
    number from 6 an outline. A confidence may follow a box or corners, keypoints a box.
    """
    count = len(values)
    beside = _beside(count, keypoints)
    if "it has keypoints" in beside or count in (BOX, BOX + 1):
        shape, others = values[:BOX], values[BOX:]
    elif keypoints:
        raise Malformed(
            f"{count} numbers are neither a box nor one with {keypoints} of keypoints, "
            "as kpt_shape says"
        )
    elif count == CORNERS + 1:
        shape, others = values[:CORNERS], values[CORNERS:]
    elif count < 6 or count % 2:
        raise Malformed(
            f"{count} numbers are neither a box nor a polygon; keypoints need "
            "kpt_shape in data.yaml"
        )
    else:
        shape, others = values, []
    if len(others) == 1 and not 0 <= others[0] <= 1:
        raise Malformed(f"its last number is {others[0]:g}, not a confidence")
    for value in shape:
        if not BEYOND[0] < value < BEYOND[1]:
            raise Malformed(
                f"a number is {value:g}, not a fraction of the image; pixels have to "
                "be divided by its size, and keypoints need kpt_shape in data.yaml"
            )
    return shape


def _line_reader(classes: Classes, size: tuple[int, int]):
    def read_line(line: str, place: str) -> AnnotatedObject:
        first, *words = line.split()
        values = [parsed(word, "a number") for word in words]
        label = classes.name_of(_class_number(first))
        fractions = _shape_of(values, classes.keypoints)
        if len(fractions) == BOX:
            return AnnotatedObject(label, _box(fractions, size), place)
        pairs = zip(fractions, cycle(size), strict=False)
        polygon = tuple(fraction * side for fraction, side in pairs)
        return AnnotatedObject(label, bbox_of_points(polygon), place, (polygon,))

    return read_line


def _class_number(word: str) -> int:
    """Return the number of a class, which numpy writes as 1.0."""
    return whole(parsed(word, "its class"), "its class")


def _box(fractions: list[float], size: tuple[int, int]) -> Box:
    x, y, width, height = (
        value * side for value, side in zip(fractions, size * 2, strict=True)
    )
    return x - width / 2, y - height / 2, width, height


FORMAT = AnnotationFormat(read, label_files=label_files)
