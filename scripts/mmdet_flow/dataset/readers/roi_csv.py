"""ROI CSV: one row an object, with corners or sizes, polygons as columns."""

import csv
import io
from collections.abc import Iterator
from functools import partial
from itertools import dropwhile
from pathlib import Path

from mmdet_flow.dataset.annotations import (
    AnnotatedImage,
    AnnotatedObject,
    AnnotationFormat,
    Problem,
    Source,
    bbox_of_corners,
    image_or_problems,
    read_objects,
)
from mmdet_flow.dataset.fields import member, outline, parsed, parsed_list, text
from mmdet_flow.dataset.image_index import ImageIndex
from mmdet_flow.errors import DataError
from mmdet_flow.files import read_text

SUFFIX = "-rois.csv"
COMMENT = "#"
CORNERS = ("x0", "y0", "x1", "y1")
SIZES = ("x", "y", "w", "h")


def read(source: Source, index: ImageIndex) -> Iterator[AnnotatedImage | Problem]:
    """Read each CSV; its rows may belong to several images.

    A CSV without rows is that of an image without objects, by its own name.
    """
    read_one = partial(_read_object, edges=source.edges)
    for path in source.files("*.csv"):
        own_name = path.name.removesuffix(SUFFIX)
        try:
            rows = _read_rows(path)
        except DataError as error:
            yield index.broken(path, own_name, error)
            continue
        by_image: dict[str, list[dict]] = {}
        for row in rows:
            # A row that is cut off before its file is of an image without a name.
            by_image.setdefault(row["file"] or "", []).append(row)
        for name, items in (by_image or {own_name: []}).items():
            objects = read_objects(path, items, read_one, f"{name}, object")
            is_alone = len(by_image) < 2 and path.name.endswith(SUFFIX)
            image = index.find_stated(path, name, own_name if is_alone else name)
            yield from image_or_problems(path, image, None, objects)


def _read_rows(path: Path) -> list[dict]:
    stream = io.StringIO(read_text(path), newline="")
    # Below the header the names of images may begin with the sign of comments.
    rows = csv.DictReader(dropwhile(_is_comment, stream))
    try:
        columns = set(rows.fieldnames or ())
        if "file" not in columns or not (
            columns.issuperset(CORNERS) or columns.issuperset(SIZES)
        ):
            raise DataError("it needs the columns file, x0, y0, x1, y1, label_str")
        return [row for row in rows if not _is_comment_row(row)]
    except csv.Error as error:
        raise DataError(f"broken CSV: {error}") from None


def _is_comment(line: str) -> bool:
    return line.startswith(COMMENT)


def _is_comment_row(row: dict) -> bool:
    """Whether a row is a line that begins with the sign, and has a single cell."""
    name, *others = row.values()
    return _is_comment(name or "") and not any(others)


def _read_object(row: dict, place: str, edges: str) -> AnnotatedObject:
    has_corners = row.get("x0") or "x" not in row
    names = CORNERS if has_corners else SIZES
    values = [parsed(member(row, name), name) for name in names]
    bbox = bbox_of_corners(*values, edges) if has_corners else tuple(values)
    columns, rows = (parsed_list(row.get(key), key) for key in ("poly_x", "poly_y"))
    label = text(row.get("label_str") or "", "label_str")
    polygon = outline(columns, rows)
    return AnnotatedObject(label, bbox, place, (polygon,) if polygon else ())


FORMAT = AnnotationFormat(read, corners=True)
