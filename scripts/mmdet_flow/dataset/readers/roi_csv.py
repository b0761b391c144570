"""ROI CSV: one row an object, corners inclusive, polygons as columns."""

import csv
import io
from collections.abc import Iterator, Sequence
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
CORNERS = ("x0", "y0", "x1", "y1")
SIZES = ("x", "y", "w", "h")
COLUMNS = (
    "file",
    *CORNERS,
    *(f"{name}n" for name in CORNERS),
    *("label", "label_str", "score", "poly_x", "poly_y", "poly_xn", "poly_yn"),
)


def read(source: Source, index: ImageIndex) -> Iterator[AnnotatedImage | Problem]:
    """Read each CSV; its rows may belong to several images.

    A CSV without rows is that of an image without objects, by its own name.
    """
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
            objects = read_objects(path, items, _read_object, f"{name}, object")
            is_alone = len(by_image) < 2 and path.name.endswith(SUFFIX)
            image = index.find_stated(path, name, own_name if is_alone else name)
            yield from image_or_problems(path, image, None, objects)


def write(images: Sequence[AnnotatedImage], folder: Path) -> list[Path]:
    """Write a CSV beside each image."""
    files = []
    for image in images:
        path = folder / f"{image.image.stem}{SUFFIX}"
        with path.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, COLUMNS)
            writer.writeheader()
            writer.writerows(_to_row(image, item) for item in image.objects)
        files.append(path)
    return files


def _read_rows(path: Path) -> list[dict]:
    stream = io.StringIO(read_text(path, "utf-8-sig"), newline="")
    rows = csv.DictReader(line for line in stream if not line.startswith("#"))
    try:
        columns = set(rows.fieldnames or ())
        if "file" not in columns or not (
            columns.issuperset(CORNERS) or columns.issuperset(SIZES)
        ):
            raise DataError("it needs the columns file, x0, y0, x1, y1, label_str")
        return list(rows)
    except csv.Error as error:
        raise DataError(f"broken CSV: {error}") from None


def _read_object(row: dict, place: str) -> AnnotatedObject:
    has_corners = row.get("x0") or "x" not in row
    names = CORNERS if has_corners else SIZES
    values = [parsed(member(row, name), name) for name in names]
    bbox = bbox_of_corners(*values) if has_corners else tuple(values)
    columns, rows = (parsed_list(row.get(key), key) for key in ("poly_x", "poly_y"))
    label = text(row.get("label_str") or "", "label_str")
    return AnnotatedObject(label, bbox, place, outline(columns, rows))


def _to_row(image: AnnotatedImage, item: AnnotatedObject) -> dict:
    x, y, width, height = item.bbox
    corners = (x, y, x + width - 1, y + height - 1)
    row = {"file": image.image.name, "label": 0, "score": 1.0}
    row["label_str"] = item.label
    row |= dict(zip(CORNERS, corners, strict=True))
    # The normalised columns have to be there, and nothing reads their values.
    row |= {f"{name}n": 0.5 for name in CORNERS}
    if item.polygon:
        for name, values in (("x", item.polygon[::2]), ("y", item.polygon[1::2])):
            row[f"poly_{name}"] = ",".join(map(str, values))
            row[f"poly_{name}n"] = ",".join("0.5" for _ in values)
    return row


FORMAT = AnnotationFormat(read, write, ("from-roi-od",), inclusive=True)
