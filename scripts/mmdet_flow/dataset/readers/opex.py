"""OPEX: one JSON beside each image, with the corners of boxes, and polygons."""

import json
from collections.abc import Iterator
from functools import partial

from mmdet_flow.dataset.annotations import (
    EDGES,
    AnnotatedImage,
    AnnotatedObject,
    AnnotationFormat,
    Outline,
    Problem,
    Source,
    bbox_of_corners,
    image_or_problems,
    read_objects,
)
from mmdet_flow.dataset.fields import (
    Malformed,
    mapping,
    member,
    pairs,
    parsed,
    sequence,
    text,
)
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
    """Read an object; Malformed where one of its values is not as OPEX has it.

    One whose polygon is missing or has no point is a box.
    """
    item = mapping(item, "it")
    box = mapping(member(item, "bbox"), "bbox")
    bbox = bbox_of_corners(*(parsed(member(box, side), side) for side in SIDES), edges)
    outline = mapping(item.get("polygon") or {}, "polygon")
    points = sequence(outline.get("points") or [], "points")
    polygon = pairs(points, "a point of its polygon")
    label = text(member(item, "label"), "label")
    polygons = (polygon, *_parts(item.get("meta"))) if polygon else ()
    return AnnotatedObject(label, bbox, place, polygons)


def _parts(meta: object) -> list[Outline]:
    """Return the further outlines of an object, which prediction puts into its meta.

    Other programs may mean other things by the word, which is nothing to be told.
    """
    try:
        parts = sequence(json.loads(meta["parts"]), "parts")
        return [pairs(sequence(part, "a part"), "a point") for part in parts]
    except (KeyError, TypeError, ValueError, RecursionError, Malformed):
        return []


FORMAT = AnnotationFormat(read, corners=True)
