"""Look at every annotation and every pixel before they are converted."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from mmdet_flow.dataset.annotations import (
    AnnotatedImage,
    AnnotatedObject,
    AnnotationFormat,
    Finding,
    error,
    index_images,
    warning,
)
from mmdet_flow.errors import DataError, did_you_mean


@dataclass(frozen=True)
class CheckedImage:
    """An annotated image whose pixels were read; ``size`` is (width, height)."""

    source: AnnotatedImage
    size: tuple[int, int]


def check(
    annotation_format: AnnotationFormat,
    annotations: Path,
    images: Path,
    classes: list[str] | None,
    threads: int,
) -> tuple[list[CheckedImage], list[Finding]]:
    """Read a data set; return its images, ordered by name, and all findings.

    ``classes`` are those allowed, None allows all. Raises DataError when a folder
    is missing or holds no annotation.
    """
    for folder in (annotations, images):
        if not folder.is_dir():
            raise DataError(f"{folder}: there is no such folder; check the config")
    read = list(annotation_format.read(annotations, images))
    findings = [item for item in read if isinstance(item, Finding)]
    sources = [item for item in read if isinstance(item, AnnotatedImage)]
    sources.sort(key=lambda item: item.image.name)
    if not read:
        raise DataError(f"{annotations}: holds no annotations; check folder and format")
    findings += _check_names(sources)
    findings += _check_unlabelled(sources, images)
    with ThreadPoolExecutor(threads) as pool:
        sizes = list(pool.map(lambda item: _decode(item.image), sources))
    checked = []
    for source, size in zip(sources, sizes, strict=True):
        if isinstance(size, Finding):
            findings.append(size)
            continue
        findings += _check_size(source, size)
        for number, item in enumerate(source.objects, 1):
            findings += _check_object(source, f"object {number}", item, size, classes)
        checked.append(CheckedImage(source, size))
    return checked, findings


def _decode(path: Path) -> tuple[int, int] | Finding:
    """Read all pixels of an image; return (width, height) or what is wrong."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            image.load()
            return image.size
    except Exception as problem:
        what = f"cannot be decoded: {problem}"
        return error(path, "", what, "replace the picture or remove its annotation")


def _check_names(sources: Iterable[AnnotatedImage]) -> Iterator[Finding]:
    seen: dict[str, AnnotatedImage] = {}
    for source in sources:
        other = seen.setdefault(source.image.stem, source)
        if other is not source:
            what = f"{other.annotation.name} annotates {source.image.name} too"
            yield error(source.annotation, "", what, "keep one annotation a picture")


def _check_unlabelled(
    sources: Iterable[AnnotatedImage], images: Path
) -> Iterator[Finding]:
    annotated = {source.image for source in sources}
    for paths in index_images(images).values():
        for path in paths:
            if path not in annotated:
                yield warning(
                    path,
                    "",
                    "has no annotation and is left out",
                    "annotate it to use it",
                )


def _check_size(source: AnnotatedImage, size: tuple[int, int]) -> Iterator[Finding]:
    if source.size and source.size != size:
        yield error(
            source.annotation,
            "size",
            f"says {source.size[0]}x{source.size[1]} but {source.image.name} has "
            f"{size[0]}x{size[1]} pixels",
            "annotate this very picture",
        )


def _check_object(
    source: AnnotatedImage,
    place: str,
    item: AnnotatedObject,
    size: tuple[int, int],
    classes: list[str] | None,
) -> Iterator[Finding]:
    x, y, width, height = item.bbox
    if not item.label:
        yield error(source.annotation, place, "has no class name", "name its class")
    elif classes is not None and item.label not in classes:
        hint = did_you_mean(item.label, classes).removeprefix("; ")
        what = f"class {item.label!r} is not among {', '.join(classes)}"
        yield error(
            source.annotation, place, what, hint or "add it to classes or rename it"
        )
    if width < 1 or height < 1:
        yield error(source.annotation, place, "its box is inverted", "swap its corners")
    elif x >= size[0] or y >= size[1] or x + width <= 0 or y + height <= 0:
        what = f"its box lies outside the {size[0]}x{size[1]} pixels"
        yield error(source.annotation, place, what, "move or remove the box")
    elif width < 2 or height < 2:
        what = f"its box is {width:g}x{height:g} pixels"
        yield warning(source.annotation, place, what, "check whether it is an object")
