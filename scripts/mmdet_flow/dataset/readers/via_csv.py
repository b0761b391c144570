"""VGG Image Annotator: CSV files with a row a region, its shape as JSON in a cell."""

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path

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
from mmdet_flow.dataset.fields import Malformed, mapping, shown
from mmdet_flow.dataset.image_index import ImageIndex
from mmdet_flow.dataset.readers.vgg import read_region
from mmdet_flow.errors import DataError
from mmdet_flow.files import read_text

NAME, SHAPE, ATTRIBUTES = "filename", "region_shape_attributes", "region_attributes"
"""The columns that are read."""

VIA_3 = "spatial_coordinates"
"""A column of version 3, which is about videos, too."""


def read(source: Source, index: ImageIndex) -> Iterator[AnnotatedImage | Problem]:
    """Read each CSV; an image without regions has a row with an empty shape."""
    for path in source.files("*.csv"):
        try:
            rows = _read_rows(path)
        except DataError as error:
            yield broken(path, error)
            continue
        by_image: dict[str, list[dict]] = {}
        for row in rows:
            by_image.setdefault(row[NAME] or "", []).append(row)
        for name, items in by_image.items():
            regions = [row for row in items if not _is_empty(row)]
            objects = read_objects(path, regions, _read_object, f"{name}, region")
            yield from image_or_problems(path, index.find(path, name), None, objects)


def _read_rows(path: Path) -> list[dict]:
    content = read_text(path)
    if VIA_3 in content.partition("\n")[0] or content.startswith("# Exported"):
        raise DataError(
            "it is a CSV of VIA 3; export the annotations as COCO or with VIA 2"
        )
    csv.field_size_limit(2**31 - 1)  # polygons are long
    # Earlier versions of VIA mark the row of names as a comment.
    rows = csv.DictReader(io.StringIO(content.removeprefix("#"), newline=""))
    try:
        if not {NAME, SHAPE, ATTRIBUTES} <= set(rows.fieldnames or ()):
            raise DataError(f"it needs the columns {NAME}, {SHAPE}, {ATTRIBUTES}")
        return list(rows)
    except csv.Error as error:
        raise DataError(f"broken CSV: {error}") from None


def _is_empty(row: dict) -> bool:
    return (row[SHAPE] or "").strip() in ("", "{}")


def _read_object(row: dict, place: str) -> AnnotatedObject:
    return read_region(_mapping(row, SHAPE), _mapping(row, ATTRIBUTES), place, {})


def _mapping(row: dict, column: str) -> dict:
    try:
        value = json.loads(row[column] or "{}")
    except (ValueError, RecursionError):
        raise Malformed(f"{column} is {shown(row[column])}, no JSON") from None
    return mapping(value, column)


FORMAT = AnnotationFormat(read)
