"""Annotations in memory, as read from any format, and what is wrong with them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class AnnotatedObject:
    """One object: ``bbox`` is (x, y, width, height) in pixels, as in COCO.

    ``polygon`` is its outline as (x0, y0, x1, y1, ...), or empty.
    """

    label: str
    bbox: tuple[float, float, float, float]
    polygon: tuple[float, ...] = ()


@dataclass(frozen=True)
class AnnotatedImage:
    """One annotation file with its image.

    ``size`` is the (width, height) that the annotation claims, if it claims one.
    """

    annotation: Path
    image: Path
    size: tuple[int, int] | None
    objects: tuple[AnnotatedObject, ...]


@dataclass(frozen=True)
class Finding:
    """Something wrong with a data set: where, what, and how to mend it.

    An ``error`` stops the conversion, a ``warning`` is reported only.
    """

    severity: str
    file: str
    place: str
    what: str
    fix: str

    def __str__(self) -> str:
        place = f", {self.place}" if self.place else ""
        return f"{self.file}{place}: {self.what}; {self.fix}"


@dataclass(frozen=True)
class AnnotationFormat:
    """How one format is read by us and handed to wai.annotations.

    ``read`` yields images and findings for an annotation and an image folder.
    ``stage`` writes an annotation into a folder, beside the link of its image, and
    returns the file to convert. ``reader`` is the command of wai.annotations.
    """

    read: Callable[[Path, Path], Iterator[AnnotatedImage | Finding]]
    stage: Callable[[AnnotatedImage, Path], Path]
    reader: str


def error(file: Path, place: str, what: str, fix: str) -> Finding:
    return Finding("error", file.name, place, what, fix)


def warning(file: Path, place: str, what: str, fix: str) -> Finding:
    return Finding("warning", file.name, place, what, fix)


def index_images(folder: Path) -> dict[str, list[Path]]:
    """Return the image files below a folder by their stem, in sorted order."""
    index: dict[str, list[Path]] = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file():
            index.setdefault(path.stem, []).append(path)
    return index


IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp")
"""What the readers of wai.annotations accept."""
