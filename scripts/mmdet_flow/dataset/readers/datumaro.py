"""Datumaro: JSON files of several images each, one a subset."""

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from mmdet_flow.dataset.annotations import (
    AnnotatedImage,
    AnnotatedObject,
    AnnotationFormat,
    Problem,
    Source,
    broken,
    image_or_problems,
)
from mmdet_flow.dataset.fields import (
    Malformed,
    flag,
    mapping,
    member,
    named,
    number,
    parsed,
    sequence,
    text,
    whole,
)
from mmdet_flow.dataset.image_index import ImageIndex
from mmdet_flow.dataset.masks import Size, box_of_rle, frame_of, without_image
from mmdet_flow.dataset.rle import require_rle
from mmdet_flow.dataset.shapes import ellipse, polygon, read_shapes, rectangle
from mmdet_flow.errors import DataError
from mmdet_flow.files import read_json

OF_IMAGES = ("label", "caption")
"""Types of annotations that say something of the whole image."""


def read(source: Source, index: ImageIndex) -> Iterator[AnnotatedImage | Problem]:
    """Read each JSON; its items name their images, which may lie in a folder a subset.

    Annotations of one label and ``group`` are the parts of one object.
    """
    for path in source.files("*.json"):
        try:
            content = mapping(read_json(path), "it")
            labels = _read_labels(content)
            items = sequence(member(content, "items"), "items")
        except DataError as error:
            yield broken(path, error)
            continue
        if count := sum(map(_count_of_images, items)):
            what = f"labels and captions of images: {count}"
            yield Problem("left-aside", path, "", what)
        for place, item in enumerate(items, 1):
            try:
                name, annotations = _read_item(item)
            except DataError as error:
                yield broken(path, error, f"item {place}")
                continue
            image = index.find(path, f"{path.stem}/{name}")
            size = _read_size(item)
            numbered = (
                pair for pair in enumerate(annotations, 1) if not _is_of_image(pair[1])
            )
            read_one = _reader(labels, image, size)
            place = f"{name}, annotation"
            objects = read_shapes(path, numbered, read_one, _group_of, place)
            yield from image_or_problems(path, image, size, objects)


def _read_labels(content: dict) -> list[str]:
    categories = mapping(member(content, "categories"), "categories")
    label = mapping(categories.get("label", {}), "categories.label")
    labels = sequence(label.get("labels", []), "categories.label.labels")
    return [
        text(member(mapping(one, "a label"), "name"), "the name of a label")
        for one in labels
    ]


def _read_item(item: object) -> tuple[str, list]:
    """Return the name of the image, with folders, and its annotations."""
    item = mapping(item, "it")
    image = mapping(item.get("image") or {}, "its image")
    name = text(image.get("path") or member(item, "id"), "its name")
    return name, sequence(item.get("annotations", []), "its annotations")


def _read_size(item: dict) -> Size | None:
    size = (item.get("image") or {}).get("size")
    if isinstance(size, list) and len(size) == 2:
        height, width = size
        if type(width) is int and type(height) is int and min(size) > 0:
            return width, height
    return None


def _is_of_image(annotation: object) -> bool:
    return isinstance(annotation, dict) and annotation.get("type") in OF_IMAGES


def _count_of_images(item: object) -> int:
    annotations = item.get("annotations") if isinstance(item, dict) else None
    return sum(map(_is_of_image, annotations)) if isinstance(annotations, list) else 0


def _group_of(annotation: object) -> Hashable | None:
    group = annotation.get("group") if isinstance(annotation, dict) else None
    if not isinstance(group, int) or not group:
        return None
    attributes = annotation.get("attributes")
    crowd = attributes.get("is_crowd") if isinstance(attributes, dict) else None
    return group, repr(annotation.get("label_id")), bool(crowd)


def _reader(
    labels: Sequence[str], image: Path | Problem, size: Size | None
) -> Callable:
    frame = frame_of(image, size)

    def read_annotation(item: object, place: str) -> AnnotatedObject:
        item = mapping(item, "it")
        attributes = mapping(item.get("attributes") or {}, "attributes")
        crowd = flag(attributes.get("is_crowd"), "is_crowd")
        return replace(read_shape(item, attributes, place), crowd=crowd)

    def read_shape(item: dict, attributes: dict, place: str) -> AnnotatedObject:
        label, kind = _label(item, labels), member(item, "type")
        if kind == "bbox":
            degrees = parsed(attributes.get("rotation") or 0, "rotation")
            return rectangle(label, _numbers(item, "bbox", 4), place, degrees)
        if kind == "polygon":
            return polygon(label, _numbers(item, "points"), place)
        if kind == "ellipse":
            left, top, right, bottom = _numbers(item, "points", 4)
            centre = (left + right) / 2, (top + bottom) / 2
            radii = (right - left) / 2, (bottom - top) / 2
            return ellipse(label, centre, radii, place)
        if kind == "mask":
            return _mask(label, member(item, "rle"), frame(), place)
        raise Malformed(f"its type is {named(kind)}, which encloses nothing")

    return read_annotation


def _label(item: dict, labels: Sequence[str]) -> str:
    if item.get("label_id") is None:
        return ""
    label = whole(item["label_id"], "label_id")
    if not 0 <= label < len(labels):
        raise Malformed(f"its label_id {label} is none of the {len(labels)} labels")
    return labels[label]


def _numbers(item: dict, key: str, count: int | None = None) -> tuple[float, ...]:
    values = sequence(member(item, key), key)
    if len(values) != (count or len(values)) or len(values) % 2:
        raise Malformed(f"its {key} has {len(values)} numbers")
    return tuple(number(value, f"a number of its {key}") for value in values)


def _mask(label: str, rle: object, frame: Size | None, place: str) -> AnnotatedObject:
    if frame is None:
        return without_image(label, place)
    require_rle(rle, frame)
    return AnnotatedObject(label, box_of_rle(rle), place, mask=rle)


FORMAT = AnnotationFormat(read)
