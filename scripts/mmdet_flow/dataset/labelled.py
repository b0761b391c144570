"""Data sets as images with their objects, which their content tells apart."""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from hashlib import sha256
from pathlib import Path

from mmdet_flow import cli, layout
from mmdet_flow.dataset.annotations import AnnotatedObject
from mmdet_flow.dataset.check import Checked
from mmdet_flow.dataset.coco import CocoFile
from mmdet_flow.dataset.hashes import read_hashes
from mmdet_flow.dataset.readers.coco import object_reader
from mmdet_flow.errors import DataError
from mmdet_flow.files import sha256_of
from mmdet_flow.images import decode, read_file

Size = tuple[int, int]
"""(width, height) in pixels."""


@dataclass(frozen=True)
class LabelledImage:
    """An image with its objects.

    Attributes:
        name: the file name in its data set.
        file: the image file, which need not be there.
        sha256: of the image file.
        size: (width, height) in pixels, as training sees it.
        coco: its entry where it came from COCO.
        png: "" for the file as it is, or the view of it that becomes a PNG in a data
            set.
    """

    name: str
    file: Path
    sha256: str
    size: Size
    objects: tuple[AnnotatedObject, ...]
    coco: dict | None = None
    png: str = ""


@dataclass(frozen=True)
class LabelledSet:
    """A data set: its images by name, and its class list."""

    images: list[LabelledImage]
    classes: list[str]


def is_converted(place: Path) -> bool:
    """Whether a place is a COCO file with ``images.csv`` beside it, or its folder."""
    file = place / layout.ANNOTATIONS.name if place.is_dir() else place
    return file.is_file() and file.with_name(layout.PIXELS.name).is_file()


def read_converted(place: Path) -> LabelledSet:
    """Read a COCO file with ``images.csv`` beside it, as data convert writes them.

    ``place`` is that file or its folder; images are looked for in ``images/`` there.
    DataError where they do not belong together.
    """
    file = place / layout.ANNOTATIONS.name if place.is_dir() else place
    coco = CocoFile.read(file)
    hashes = read_hashes(file.with_name(layout.PIXELS.name))
    names = {one["id"]: one["name"] for one in coco.categories}
    objects = coco.objects_by_image()
    images = []
    for entry in sorted(coco.images, key=lambda one: one["file_name"]):
        name, size = entry["file_name"], (entry["width"], entry["height"])
        if name not in hashes:
            raise DataError(
                f"{file}: {name} is not in {layout.PIXELS.name} beside it; convert the "
                "data again"
            )
        read = object_reader(names, size)
        found = tuple(
            read(item, f"annotation {item['id']}") for item in objects[entry["id"]]
        )
        image = file.parent / layout.IMAGES.name / name
        images.append(LabelledImage(name, image, hashes[name], size, found, entry))
    return LabelledSet(images, coco.classes)


def labelled(checked: Checked, threads: int = 1) -> LabelledSet:
    """Return what was read and checked of any format; its COCO entries stay behind."""
    files = [one.source.image for one in checked.images]
    with ThreadPoolExecutor(threads) as pool:
        hashes = list(pool.map(sha256_of, files))
    images = [
        LabelledImage(
            one.name,
            one.source.image,
            digest,
            one.size,
            tuple(replace(item, coco=None) for item in one.source.objects),
            png=one.png,
        )
        for one, digest in zip(checked.images, hashes, strict=True)
    ]
    return LabelledSet(images, checked.classes)


class Known:
    """Images, to be found again by their content.

    That is the file, byte by byte; or else the pixels, as training sees them, since
    tools save images anew, and conversions do so without loss.
    """

    def __init__(self, images: Iterable[LabelledImage]) -> None:
        self._files: dict[str, list[LabelledImage]] = {}
        self._sizes: dict[Size, list[LabelledImage]] = {}
        for one in images:
            self._files.setdefault(one.sha256, []).append(one)
            self._sizes.setdefault(one.size, []).append(one)

    def find(self, image: LabelledImage) -> list[LabelledImage]:
        """Return the images of the same content, those of the same name first."""
        found = self._files.get(image.sha256) or self._of_pixels(image)
        return sorted(found, key=lambda one: one.name != image.name)

    def _of_pixels(self, image: LabelledImage) -> list[LabelledImage]:
        alike = self._sizes.get(image.size, [])
        pixels = _pixels_of(image.file, image.sha256) if alike else None
        return [
            one
            for one in alike
            if pixels and _pixels_of(one.file, one.sha256) == pixels
        ]


@cache
def _pixels_of(file: Path, digest: str) -> str | None:
    """Return the SHA-256 of the pixels of an image.

    None where the file is not there, is no image, or no longer the one that it was.
    """
    try:
        encoded = read_file(file)[0]
        if sha256(encoded).hexdigest() != digest:
            return None
        pixels = decode(encoded)
    except (DataError, OSError):
        return None
    return sha256(repr(pixels.shape).encode() + pixels.tobytes()).hexdigest()


def pair_up(
    before: Sequence[LabelledImage], after: Sequence[LabelledImage]
) -> list[tuple[LabelledImage | None, LabelledImage | None]]:
    """Return each image before with the one of the same content after, or None.

    Each belongs to one other at most. Those that are after alone come last.
    """
    known, taken, pairs = Known(before), set(), {}
    strangers = []
    for one in cli.progress(after, len(after), "images found again"):
        free = [other for other in known.find(one) if id(other) not in taken]
        if free:
            taken.add(id(free[0]))
            pairs[id(free[0])] = one
        else:
            strangers.append(one)
    found = [(one, pairs.get(id(one))) for one in before]
    return found + [(None, one) for one in strangers]
