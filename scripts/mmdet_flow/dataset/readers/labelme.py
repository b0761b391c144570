"""labelme: one JSON an image, with shapes."""

import base64
from collections.abc import Callable, Hashable, Iterator
from math import dist
from pathlib import Path

from mmdet_flow.dataset.annotations import (
    AnnotatedImage,
    AnnotatedObject,
    AnnotationFormat,
    Outline,
    Problem,
    Source,
    image_or_problems,
)
from mmdet_flow.dataset.fields import (
    Malformed,
    mapping,
    member,
    named,
    pairs,
    sequence,
    text,
)
from mmdet_flow.dataset.image_index import ImageIndex
from mmdet_flow.dataset.masks import (
    Size,
    frame_of,
    masked,
    pixels_of_png,
    without_image,
)
from mmdet_flow.dataset.shapes import ellipse, polygon, read_shapes, rectangle
from mmdet_flow.errors import DataError
from mmdet_flow.files import read_json

POINTS = {"rectangle": 2, "circle": 2, "mask": 2, "oriented_rectangle": 4}
"""How many points a shape has to have."""


def read(source: Source, index: ImageIndex) -> Iterator[AnnotatedImage | Problem]:
    """Read each JSON; its image is the one that ``imagePath`` names.

    Shapes of one ``label`` and ``group_id`` are the parts of one object.
    """
    for path in source.files("*.json"):
        try:
            content = mapping(read_json(path), "it")
            shapes = content.get("shapes")
            if not isinstance(shapes, list):
                raise DataError("it has no list of shapes")
            name = text(content.get("imagePath") or path.stem, "imagePath")
        except DataError as error:
            yield index.broken(path, path.stem, error)
            continue
        image, size = index.find_stated(path, name, path.stem), _read_size(content)
        read_one = _shape_reader(image, size)
        numbered = enumerate(shapes, 1)
        objects = read_shapes(path, numbered, read_one, _group_of, "shape", True)
        yield from image_or_problems(path, image, size, objects)


def _read_size(content: dict) -> Size | None:
    width, height = content.get("imageWidth"), content.get("imageHeight")
    if type(width) is int and type(height) is int and min(width, height) > 0:
        return width, height
    return None


def _group_of(shape: object) -> Hashable | None:
    if not isinstance(shape, dict) or shape.get("group_id") is None:
        return None
    return repr(shape.get("label")), repr(shape["group_id"])


def _shape_reader(image: Path | Problem, size: Size | None) -> Callable:
    frame = frame_of(image, size)

    def read_shape(shape: object, place: str) -> AnnotatedObject:
        shape = mapping(shape, "it")
        label = text(member(shape, "label"), "label")
        kind = shape.get("shape_type") or "polygon"
        points = pairs(sequence(member(shape, "points"), "points"), "a point")
        count = len(points) // 2
        if isinstance(kind, str) and count != POINTS.get(kind, count):
            raise Malformed(f"its {kind} has {count} points, not {POINTS[kind]}")
        if kind in ("polygon", "oriented_rectangle"):
            return polygon(label, points, place)
        if kind == "rectangle":
            return rectangle(label, _box(points), place)
        if kind == "circle":
            centre, edge = points[:2], points[2:]
            return ellipse(label, centre, (dist(centre, edge),) * 2, place)
        if kind == "mask":
            return _mask(label, points, member(shape, "mask"), frame(), place)
        raise Malformed(f"its shape is {named(kind)}, which encloses nothing")

    return read_shape


def _box(points: Outline) -> tuple[float, ...]:
    """Return (x, y, width, height) of two corners in any order."""
    left, right = sorted(points[0::2])
    top, bottom = sorted(points[1::2])
    return left, top, right - left, bottom - top


def _mask(
    label: str, points: Outline, content: object, frame: Size | None, place: str
) -> AnnotatedObject:
    """Read a PNG in a box, whose corners are pixels that belong to it."""
    box = _box(points)
    corner = round(box[0]), round(box[1])
    size = round(box[2]) + 1, round(box[3]) + 1
    if frame is None:
        return without_image(label, place)
    if size[0] > frame[0] + 1 or size[1] > frame[1] + 1:
        raise Malformed(f"its mask of {size[0]}x{size[1]} pixels exceeds the image")
    if not isinstance(content, str):
        raise Malformed("its mask is no text")
    try:
        encoded = base64.b64decode(content, validate=True)
    except ValueError as error:
        raise Malformed(f"its mask is no base64: {error}") from None
    return masked(label, pixels_of_png(encoded, size), corner, frame, place)


FORMAT = AnnotationFormat(read)
