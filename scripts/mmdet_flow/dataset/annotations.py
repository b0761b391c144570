"""Annotations in memory, as read from any format."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from mmdet_flow.dataset.fields import Malformed
from mmdet_flow.errors import DataError, UsageError

if TYPE_CHECKING:
    from mmdet_flow.dataset.image_index import ImageIndex

STEPS = 64
"""Coordinates are kept to so many steps a pixel."""

EDGES = ("inclusive", "exclusive", "inclusive-from-1", "exclusive-from-1")
"""What corners name: the first and last pixel of a box or the edges around them, of
which the first of the image is 0, or 1. The first is the default."""

Box = tuple[float, float, float, float]
"""(x, y, width, height) in pixels, as in COCO."""

Outline = tuple[float, ...]
"""(x0, y0, x1, y1, ...) in pixels."""


@dataclass(frozen=True)
class AnnotatedObject:
    """One object of an image.

    Coordinates are those of COCO: the upper left corner of the image is (0, 0), that
    of the next pixel (1, 0), and the width of a box is its right edge less its left.
    What a format counts in another way is converted by its reader.

    Attributes:
        label: its class name.
        bbox: (x, y, width, height) in pixels; fractions are allowed.
        place: where in the annotation file it stands, for messages.
        polygons: the parts of its outline, (x0, y0, x1, y1, ...) each: none, one or
            several.
        mask: COCO's RLE of an object that outlines cannot hold, such as one with a
            hole, or None. ``bbox`` is that of the mask.
        crowd: whether it stands for a group of objects, which training leaves out.
        coco: the whole annotation where it came from COCO, to be passed through.
    """

    label: str
    bbox: Box
    place: str = ""
    polygons: tuple[Outline, ...] = ()
    mask: dict | None = None
    crowd: bool = False
    coco: dict | None = field(default=None, compare=False)


@dataclass(frozen=True)
class AnnotatedImage:
    """The annotation of one image.

    Attributes:
        annotation: the file that it was read from.
        image: the image file.
        size: the (width, height) in pixels that the annotation claims, or None.
        objects: in the order of the file.
        coco: the image's entry where it came from COCO, to be passed through.
        subset: what the annotation calls the part of the data that it is in, or "".
    """

    annotation: Path
    image: Path
    size: tuple[int, int] | None
    objects: tuple[AnnotatedObject, ...]
    coco: dict | None = field(default=None, compare=False)
    subset: str = ""


@dataclass(frozen=True)
class Problem:
    """Something that could not be read; ``check`` is one of ``findings.CHECKS``.

    ``objects`` are those that are lost with it, and ``images`` the files that are
    without their annotation by it.
    """

    check: str
    file: Path
    place: str
    what: str
    objects: tuple[AnnotatedObject, ...] = ()
    images: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Source:
    """Where the annotations of a data set are.

    Attributes:
        annotations: their folder, or a single file.
        images: the folder of the images; folders inside it are searched too.
        pattern: the glob of the annotation files, or None for that of the format.
        labels: the file that names the classes of a format which numbers them.
        oriented: whether normalised coordinates mean the image as its EXIF tag rotates
            it, not as it is stored.
        edges: what the corners of a format with corners name, one of ``EDGES``.
    """

    annotations: Path
    images: Path
    pattern: str | None = None
    labels: Path | None = None
    oriented: bool = False
    edges: str = EDGES[0]

    def files(self, default: str) -> list[Path]:
        """Return the annotation files in sorted order; UsageError for no pattern."""
        if self.annotations.is_file():
            return [self.annotations]
        try:
            return sorted(self.annotations.rglob(self.pattern or default))
        except (ValueError, NotImplementedError) as error:
            raise UsageError(
                f"--glob {self.pattern}: {error}; write it as train/*.xml"
            ) from None


Read = Callable[[Source, "ImageIndex"], Iterator[AnnotatedImage | Problem]]
"""What yields the images that a source holds, and what could not be read of it."""


@dataclass(frozen=True)
class AnnotationFormat:
    """How a format is read.

    ``read`` yields what a source holds. ``is_coco`` formats need no conversion, and
    those with ``corners`` are read by the rule of ``Source.edges``. ``class_list``
    tells the classes of a source in its own order, None where it has none.
    ``label_files`` tells which of some files may be ``Source.labels``, the one to take
    first.
    ``beside`` is a regular expression of how files are called that may lie beside those
    of a format, hold no object, and are nothing to be told.
    ``annotators`` tells who annotated, and what reads the annotations of one of them,
    where a format keeps those of several.
    """

    read: Read
    is_coco: bool = False
    corners: bool = False
    class_list: Callable[[Source], list[str] | None] | None = None
    label_files: Callable[[Iterable[Path]], list[Path]] | None = None
    beside: str = r"(?!)"
    annotators: Callable[[Source], dict[str, Read]] | None = None


def first_and_last(edges: str) -> tuple[float, float]:
    """Return what the first column is called by a rule, and what is beyond a corner."""
    return float(edges.endswith("from-1")), float(edges.startswith("inclusive"))


def bbox_of_corners(
    left: float, top: float, right: float, bottom: float, edges: str = EDGES[0]
) -> Box:
    """Return (x, y, width, height) of two corners, by one of the rules of EDGES.

    Corners that are swapped give a negative width or height.
    """
    first, last = first_and_last(edges)
    # The last pixel is on the right and below, whichever corner was written first.
    left, right = (left, right + last) if left < right + last else (left + last, right)
    top, bottom = (top, bottom + last) if top < bottom + last else (top + last, bottom)
    return left - first, top - first, right - left, bottom - top


def corners_of_bbox(bbox: Box, edges: str = EDGES[0]) -> Box:
    """Return left, top, right and bottom of a box, by one of the rules of EDGES."""
    first, last = first_and_last(edges)
    x, y, width, height = bbox
    beyond = first - last
    return x + first, y + first, x + width + beyond, y + height + beyond


def bbox_of_points(points: Sequence[float]) -> Box:
    """Return (x, y, width, height) around (x0, y0, x1, y1, ...), least to greatest."""
    columns, rows = points[0::2], points[1::2]
    left, top = min(columns), min(rows)
    return left, top, max(columns) - left, max(rows) - top


def in_steps(item: AnnotatedObject) -> AnnotatedObject:
    """Return an object with its edges and corners rounded to steps of a pixel."""
    values = (*item.bbox, *chain.from_iterable(item.polygons))
    if all((value * STEPS).is_integer() for value in values):
        return item
    x, y, width, height = item.bbox
    left, top, right, bottom = map(_rounded, (x, y, x + width, y + height))
    polygons = tuple(tuple(map(_rounded, part)) for part in item.polygons)
    bbox = left, top, right - left, bottom - top
    return replace(item, bbox=bbox, polygons=polygons)


def _rounded(value: float) -> float:
    return round(value * STEPS) / STEPS


def area_of_points(points: Sequence[float]) -> float:
    """Return what (x0, y0, x1, y1, ...) enclose, by the shoelace formula."""
    columns, rows = points[0::2], points[1::2]
    following = zip(columns[1:] + columns[:1], rows[1:] + rows[:1], strict=True)
    pairs = zip(columns, rows, following, strict=True)
    return abs(sum(x * below - right * y for x, y, (right, below) in pairs)) / 2


def read_objects(
    file: Path,
    items: Sequence,
    read_one: Callable,
    place: str = "object",
    first: int = 1,
) -> Iterator[AnnotatedObject | Problem]:
    """Read each item of a list; what is no valid object becomes a Problem.

    The place of an object is its number, counted from that of the first. Coordinates
    are rounded to steps of a pixel; those of COCO stay as they are.
    """
    for number, item in enumerate(items, first):
        where = f"{place} {number}"
        try:
            read = read_one(item, where)
            yield read if read.coco is not None else in_steps(read)
        except Malformed as error:
            what = f"no valid object: {error}"
            yield Problem("invalid-object", file, where, what)


def broken(
    file: Path, error: DataError | str, place: str = "", images: tuple[Path, ...] = ()
) -> Problem:
    """Return the problem of a file, or of a part of it, that cannot be read."""
    what = str(error).removeprefix(f"{file}: ").removeprefix(f"{file}, ")
    return Problem("broken-annotation", file, place, what, images=images)


def image_or_problems(
    file: Path,
    image: Path | Problem,
    size: tuple[int, int] | None,
    read: Iterator[AnnotatedObject | Problem],
) -> Iterator[AnnotatedImage | Problem]:
    """Yield the problems of a file, and its image with the objects that are valid."""
    items = list(read)
    yield from (item for item in items if isinstance(item, Problem))
    objects = tuple(item for item in items if isinstance(item, AnnotatedObject))
    if isinstance(image, Problem):
        yield replace(image, objects=objects)
    else:
        yield AnnotatedImage(file, image, size, objects)
