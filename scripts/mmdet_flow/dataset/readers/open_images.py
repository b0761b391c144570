"""Open Images: CSV files with a row a box, in fractions of the image."""

import csv
import io
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
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
from mmdet_flow.dataset.fields import Malformed, flag, parsed, text
from mmdet_flow.dataset.fractions import BEYOND, with_size
from mmdet_flow.dataset.image_index import ImageIndex
from mmdet_flow.errors import DataError
from mmdet_flow.files import read_text

IMAGE, LABEL, SIDES = "ImageID", "LabelName", ("XMin", "YMin", "XMax", "YMax")
SCORE, GROUP, SUBSET = "Confidence", "IsGroupOf", "Subset"
UNKNOWN = "-1"
"""What flags are that nobody has set."""

BOXES, LISTED = {IMAGE, LABEL, *SIDES}, {IMAGE, SUBSET}
LABELS = {IMAGE, LABEL}, {IMAGE, LABEL, SCORE, "Source"}
"""Columns of tables: of boxes, of lists of images, and of labels of whole images, which
have no more than the second of them."""

BESIDE = {"MaskPath": "masks", "LabelName1": "relations", "EstimatedYesNo": "points"}
"""What else a table may hold, by the column that tells it."""

DESCRIPTIONS = (
    *(r".*class-descriptions-boxable\.csv", r".*class-descriptions\.csv"),
    r"classes\.csv",
)
"""What files are called that have the names of classes, the one to take first."""

OF_SUBSET = re.compile(r"(?:oidv\d+-)?(.+)-annotations-bbox\.csv")

Rows = Sequence[Mapping[str, str | None]]


def read(source: Source, index: ImageIndex) -> Iterator[AnnotatedImage | Problem]:
    """Read each CSV; images that lists of images name and no box is of are empty.

    Classes have the names that a file of descriptions has for their ids.
    """
    tables: dict[str, list[tuple[Path, Rows]]] = {"boxes": [], "list": []}
    for path in source.files("*.csv"):
        if path == source.labels or _rank(path) is not None:
            continue
        try:
            kind, rows = _read_table(path)
        except DataError as error:
            yield broken(path, error)
            continue
        if kind in tables:
            tables[kind].append((path, rows))
        elif kind and rows:
            yield Problem("left-aside", path, "", f"{kind}: {len(rows)}")
    names = _class_names(source) if tables["boxes"] else {}
    annotated: set[Path] = set()
    for path, rows in tables["boxes"]:
        for item in _read_boxes(path, rows, names, source.oriented, index):
            if isinstance(item, AnnotatedImage):
                annotated.add(item.image)
            yield item
    for path, rows in tables["list"]:
        yield from _without_boxes(path, rows, annotated, index)


def _read_table(path: Path) -> tuple[str, Rows]:
    """Return what a CSV holds, and its rows."""
    rows = csv.DictReader(io.StringIO(read_text(path), newline=""))
    try:
        return _kind_of(set(rows.fieldnames or ())), list(rows)
    except csv.Error as error:
        raise DataError(f"broken CSV: {error}") from None


def _kind_of(columns: set[str]) -> str:
    """Return what a table holds, "" if it is none of images; DataError for others."""
    if columns >= BOXES:
        return "boxes"
    if len(columns) <= 2 and not any(IMAGE in name for name in columns):
        return ""  # names of classes and attributes
    if beside := next((BESIDE[key] for key in BESIDE if key in columns), None):
        return beside
    if LABELS[0] <= columns <= LABELS[1]:
        return "labels of images"
    if columns >= LISTED and columns.isdisjoint((LABEL, *SIDES)):
        return "list"
    raise DataError(f"it needs the columns {', '.join((IMAGE, LABEL, *SIDES))}")


def _read_boxes(
    path: Path, rows: Rows, names: Mapping, oriented: bool, index: ImageIndex
) -> Iterator[AnnotatedImage | Problem]:
    if scored := sum(map(_is_scored, rows)):
        yield Problem("left-aside", path, "", f"confidences of a model: {scored}")
    found = OF_SUBSET.fullmatch(path.name)
    subset = found[1] if found else ""
    by_image: dict[str, list] = {}
    for row in rows:
        by_image.setdefault(row[IMAGE] or "", []).append(row)
    for name, items in by_image.items():
        image, size = with_size(_find(index, path, subset, name), oriented)
        objects = read_objects(path, items, _reader(names, size), f"{name}, box")
        yield from image_or_problems(path, image, None, objects)


def _find(index: ImageIndex, path: Path, subset: str, name: str) -> Path | Problem:
    """Return the image of an id: of several, the one in the folder of its subset."""
    found = index.find(path, f"{subset}/{name}")
    return found if isinstance(found, Path) else index.find(path, name)


def _is_scored(row: Mapping) -> bool:
    """Whether somebody was not sure: those who draw a box write 1, or nothing."""
    try:
        return float(row.get(SCORE) or 1) != 1
    except ValueError:
        return True


def _reader(names: Mapping[str, str], size: tuple[int, int]) -> Callable:
    def read_box(row: dict, place: str) -> AnnotatedObject:
        label = text(row[LABEL] or "", LABEL)
        x, y, right, bottom = (
            _fraction(row, side) * pixels
            for side, pixels in zip(SIDES, size * 2, strict=True)
        )
        group = (row.get(GROUP) or "").strip()
        crowd = group != UNKNOWN and flag(group, GROUP)
        bbox = x, y, right - x, bottom - y
        return AnnotatedObject(names.get(label, label), bbox, place, crowd=crowd)

    return read_box


def _fraction(row: dict, side: str) -> float:
    value = parsed(row[side] or "", side)
    if not BEYOND[0] < value < BEYOND[1]:
        raise Malformed(
            f"{side} is {value:g}, not a fraction of the image; pixels have to be "
            "divided by its size"
        )
    return value


def _without_boxes(
    path: Path, rows: Rows, annotated: set[Path], index: ImageIndex
) -> Iterator[AnnotatedImage]:
    """Yield the images of a list that are there, and not annotated yet."""
    for row in rows:
        subset = row[SUBSET] or ""
        image = _find(index, path, subset, row[IMAGE] or "")
        if isinstance(image, Path) and image not in annotated:
            annotated.add(image)
            yield AnnotatedImage(path, image, None, (), subset=subset)


def label_files(paths: Iterable[Path]) -> list[Path]:
    """Return the files that have the names of classes, the one to take first."""
    ranked = ((_rank(path), path) for path in paths)
    found = sorted(one for one in ranked if one[0] is not None)
    return [path for _, path in found if path.is_file()]


def _rank(path: Path) -> int | None:
    fitting = (re.fullmatch(name, path.name) for name in DESCRIPTIONS)
    return next((rank for rank, fits in enumerate(fitting) if fits), None)


def _class_names(source: Source) -> dict[str, str]:
    """Return the names of classes by their ids; two of one name keep the id, too."""
    path = source.labels or _beside(source.annotations)
    if path is None:
        return {}
    rows = csv.reader(io.StringIO(read_text(path), newline=""))
    try:
        pairs = ([text(cell, "a name") for cell in row[:2]] for row in rows)
        names = {pair[0]: pair[1] for pair in pairs if len(pair) > 1 and pair[1]}
    except (csv.Error, Malformed) as error:
        raise DataError(f"{path}: broken CSV: {error}; correct it") from None
    if source.labels and not names:
        raise DataError(f"{path}: has no names of classes; write ID,NAME a line")
    counts = Counter(names.values())
    return {
        key: f"{name} ({key})" if counts[name] > 1 else name
        for key, name in names.items()
    }


def _beside(place: Path) -> Path | None:
    """Return the descriptions in the folder of annotations, or beside that."""
    folder = place if place.is_dir() else place.parent
    beside = (folder.parent.glob(where) for where in ("*.csv", "metadata/*.csv"))
    found = (*label_files(folder.rglob("*.csv")), *label_files(chain(*beside)))
    return next(iter(found), None)


FORMAT = AnnotationFormat(read, label_files=label_files, beside=r".*\.csv")
