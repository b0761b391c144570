"""CreateML: JSON files of several images each, boxes by their centres in pixels."""

from collections.abc import Iterator

from mmdet_flow.dataset.annotations import (
    AnnotatedImage,
    AnnotatedObject,
    AnnotationFormat,
    Problem,
    Source,
    broken,
    image_or_problems,
    read_objects,
)
from mmdet_flow.dataset.fields import (
    Malformed,
    mapping,
    member,
    parsed,
    sequence,
    text,
)
from mmdet_flow.dataset.image_index import ImageIndex
from mmdet_flow.errors import DataError
from mmdet_flow.files import read_json

IMAGE, ANNOTATIONS = ("image", "imagefilename"), ("annotations", "annotation")
"""How tools call the name of an image and what is on it, and how Apple does."""

SIDES = ("x", "y", "width", "height")


def read(source: Source, index: ImageIndex) -> Iterator[AnnotatedImage | Problem]:
    """Read each JSON, a list of images."""
    for path in source.files("*.json"):
        try:
            entries = sequence(read_json(path), "it")
            if entries and not any(map(_is_image, entries)):
                raise DataError("it has no images with annotations of CreateML")
        except DataError as error:
            yield broken(path, error)
            continue
        for number, entry in enumerate(entries, 1):
            try:
                name, items = _read_entry(entry)
            except DataError as error:
                yield broken(path, error, f"image {number}")
                continue
            objects = read_objects(path, items, _read_object, f"{name}, object")
            yield from image_or_problems(path, index.find(path, name), None, objects)


def _is_image(entry: object) -> bool:
    return isinstance(entry, dict) and all(
        any(key in entry for key in keys) for keys in (IMAGE, ANNOTATIONS)
    )


def _read_entry(entry: object) -> tuple[str, list]:
    """Return the name of an image, and its annotations."""
    entry = mapping(entry, "it")
    name, items = (
        member(entry, next((key for key in keys if key in entry), keys[0]))
        for keys in (IMAGE, ANNOTATIONS)
    )
    return text(name, "its image"), sequence(items, "its annotations")


def _read_object(item: object, place: str) -> AnnotatedObject:
    item = mapping(item, "it")
    label = text(member(item, "label"), "label")
    coordinates = mapping(member(item, "coordinates"), "coordinates")
    x, y, width, height = values = [
        parsed(member(coordinates, side), side) for side in SIDES
    ]
    if max(map(abs, values)) <= 1:
        raise Malformed(
            "its coordinates are fractions of the image; CreateML counts pixels"
        )
    return AnnotatedObject(label, (x - width / 2, y - height / 2, width, height), place)


FORMAT = AnnotationFormat(read)
