"""ADAMS: a report in Java's properties format beside each image."""

from collections.abc import Iterator
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
from mmdet_flow.dataset.fields import member, outline, parsed, parsed_list, text
from mmdet_flow.dataset.image_index import ImageIndex
from mmdet_flow.errors import DataError
from mmdet_flow.files import read_text

SIDES = ("x", "y", "width", "height")
TYPE_SUFFIX = "\tDataType"


def read(source: Source, index: ImageIndex) -> Iterator[AnnotatedImage | Problem]:
    """Read each report; its image has the same stem.

    Objects are the groups of fields like ``Object.1.x``, whatever their prefix.
    """
    for path in source.files("*.report"):
        try:
            fields = _read_fields(path)
        except DataError as error:
            yield index.broken(path, path.stem, error)
            continue
        groups: dict[str, dict[str, str]] = {}
        for name, value in sorted(fields.items()):
            group, _, key = name.rpartition(".")
            # A field on its own, like Image.Width, belongs to no object.
            if "." in group and not key.endswith(TYPE_SUFFIX):
                groups.setdefault(group, {})[key] = value
        objects = read_objects(path, list(groups.values()), _read_object)
        yield from image_or_problems(path, index.find(path, path.stem), None, objects)


def _read_fields(path: Path) -> dict[str, str]:
    import javaproperties

    content = read_text(path)
    try:
        return javaproperties.loads(content)
    except ValueError as error:
        raise DataError(f"broken report: {error}") from None


def _read_object(fields: dict[str, str], place: str) -> AnnotatedObject:
    bbox = tuple(parsed(member(fields, side), side) for side in SIDES)
    columns, rows = (parsed_list(fields.get(key), key) for key in ("poly_x", "poly_y"))
    label = text(fields.get("type", ""), "type")
    polygon = outline(columns, rows)
    return AnnotatedObject(label, bbox, place, (polygon,) if polygon else ())


FORMAT = AnnotationFormat(read)
