"""Annotations in memory, as read from any format."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from mmdet_flow.dataset.fields import Malformed
from mmdet_flow.errors import DataError, UsageError

if TYPE_CHECKING:
    from mmdet_flow.dataset.image_index import ImageIndex


@dataclass(frozen=True)
class AnnotatedObject:
    """One object of an image.

    Attributes:
        label: its class name.
        bbox: (x, y, width, height) in pixels, as in COCO.
        place: where in the annotation file it stands, for messages.
        polygon: its outline as (x0, y0, x1, y1, ...) in pixels, or empty.
        coco: the whole annotation where it came from COCO, to be passed through.
    """

    label: str
    bbox: tuple[float, float, float, float]
    place: str = ""
    polygon: tuple[float, ...] = ()
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
    """

    annotation: Path
    image: Path
    size: tuple[int, int] | None
    objects: tuple[AnnotatedObject, ...]
    coco: dict | None = field(default=None, compare=False)


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
    """

    annotations: Path
    images: Path
    pattern: str | None = None
    labels: Path | None = None
    oriented: bool = False

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


@dataclass(frozen=True)
class AnnotationFormat:
    """How a format is read by us, and written again for wai.annotations.

    ``read`` yields what a source holds. ``write`` puts the annotations of images that
    lie in a folder beside them and returns the files to convert. ``command`` is the
    reader of wai.annotations with its options; without one, nothing is converted.
    ``inclusive`` formats count the pixels of the right and bottom edge to the box.
    """

    read: Callable[[Source, "ImageIndex"], Iterator[AnnotatedImage | Problem]]
    write: Callable[[Sequence[AnnotatedImage], Path], list[Path]] | None = None
    command: tuple[str, ...] = ()
    inclusive: bool = False


def bbox_of_corners(left: float, top: float, right: float, bottom: float):
    """Return (x, y, width, height) of corners whose pixels belong to the box."""
    return (
        float(left),
        float(top),
        float(right - left + 1),
        float(bottom - top + 1),
    )


def bbox_of_points(points: Sequence[float]):
    """Return (x, y, width, height) around (x0, y0, x1, y1, ...), edges included."""
    columns, rows = points[0::2], points[1::2]
    return bbox_of_corners(min(columns), min(rows), max(columns), max(rows))


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

    The place of an object is its number, counted from that of the first.
    """
    for number, item in enumerate(items, first):
        where = f"{place} {number}"
        try:
            yield read_one(item, where)
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
