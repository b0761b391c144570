"""OPEX: one JSON beside each image, corners inclusive, with polygons."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from mmdet_flow.dataset.annotations import (
    AnnotatedImage,
    AnnotatedObject,
    AnnotationFormat,
    ImageIndex,
    Problem,
    Source,
    bbox_of_corners,
    image_or_problems,
    read_objects,
)
from mmdet_flow.dataset.fields import mapping, member, pairs, parsed, sequence, text
from mmdet_flow.errors import DataError
from mmdet_flow.files import read_json

SIDES = ("left", "top", "right", "bottom")


def read(source: Source, index: ImageIndex) -> Iterator[AnnotatedImage | Problem]:
    """Read each JSON; its image has the same stem."""
    for path in source.files("*.json"):
        try:
            content = read_json(path)
        except DataError as error:
            yield index.broken(path, path.stem, error)
            continue
        items = content.get("objects") if isinstance(content, dict) else None
        if not isinstance(items, list):
            yield index.broken(path, path.stem, "it has no list of objects")
            continue
        objects = read_objects(path, items, read_object)
        yield from image_or_problems(path, index.find(path, path.stem), None, objects)


def write(images: Sequence[AnnotatedImage], folder: Path) -> list[Path]:
    """Write a JSON beside each image."""
    import orjson

    files = []
    for image in images:
        path = folder / f"{image.image.stem}.json"
        objects = [_to_opex(item) for item in image.objects]
        path.write_bytes(orjson.dumps({"id": path.stem, "objects": objects}))
        files.append(path)
    return files


def _to_opex(item: AnnotatedObject) -> dict:
    x, y, width, height = map(int, item.bbox)
    corners = (x, y, x + width - 1, y + height - 1)
    values = list(map(int, item.polygon))
    return {
        "label": item.label,
        "bbox": dict(zip(SIDES, corners, strict=True)),
        "polygon": {
            "points": [list(p) for p in zip(values[::2], values[1::2], strict=True)]
        },
    }


def read_object(item: object, place: str) -> AnnotatedObject:
    """Read an object; Malformed where one of its values is not as OPEX has it.

    One whose polygon is missing or has no point is a box.
    """
    item = mapping(item, "it")
    box = mapping(member(item, "bbox"), "bbox")
    bbox = bbox_of_corners(*(parsed(member(box, side), side) for side in SIDES))
    outline = mapping(item.get("polygon") or {}, "polygon")
    points = sequence(outline.get("points") or [], "points")
    polygon = pairs(points, "a point of its polygon")
    return AnnotatedObject(text(member(item, "label"), "label"), bbox, place, polygon)


FORMAT = AnnotationFormat(read, write, ("from-opex-od",), inclusive=True)
