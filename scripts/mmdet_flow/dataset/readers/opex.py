"""OPEX: one JSON beside each image, with the corners of boxes, and polygons."""

from collections.abc import Iterator
from functools import partial

from mmdet_flow.dataset.annotations import (
    EDGES,
    AnnotatedImage,
    AnnotatedObject,
    AnnotationFormat,
    Problem,
    Source,
    bbox_of_corners,
    image_or_problems,
    read_objects,
)
from mmdet_flow.dataset.fields import mapping, member, pairs, parsed, sequence, text
from mmdet_flow.dataset.image_index import ImageIndex
from mmdet_flow.errors import DataError
from mmdet_flow.files import read_json

SIDES = ("left", "top", "right", "bottom")


def read(source: Source, index: ImageIndex) -> Iterator[AnnotatedImage | Problem]:
    """Read each JSON; its image has the same stem."""
    read_one = partial(read_object, edges=source.edges)
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
        objects = read_objects(path, items, read_one)
        yield from image_or_problems(path, index.find(path, path.stem), None, objects)


def read_object(item: object, place: str, edges: str = EDGES[0]) -> AnnotatedObject:
    """Read an object; Malformed where one of its values is not as OPEX has it."""
    item = mapping(item, "it")
    box = mapping(member(item, "bbox"), "bbox")
    bbox = bbox_of_corners(*(parsed(member(box, side), side) for side in SIDES), edges)
    points = member(mapping(member(item, "polygon"), "polygon"), "points")
    polygon = pairs(sequence(points, "points"), "a point of its polygon")
    label = text(member(item, "label"), "label")
    return AnnotatedObject(label, bbox, place, (polygon,) if polygon else ())


FORMAT = AnnotationFormat(read, corners=True)
