"""OPEX: one JSON beside each picture, corners inclusive, with polygons."""

from collections.abc import Iterator
from pathlib import Path

from mmdet_flow.dataset.annotations import (
    AnnotatedImage,
    AnnotatedObject,
    AnnotationFormat,
    Finding,
    error,
    index_images,
)
from mmdet_flow.errors import DataError
from mmdet_flow.files import link_or_copy, read_json


def read(annotations: Path, images: Path) -> Iterator[AnnotatedImage | Finding]:
    """Read each JSON below ``annotations``; its picture has the same stem."""
    index = index_images(images)
    for path in sorted(annotations.rglob("*.json")):
        try:
            content = read_json(path)
        except DataError as problem:
            yield error(path, "", str(problem), "mend or remove the file")
            continue
        yield from _read_one(path, content, index)


def stage(image: AnnotatedImage, folder: Path) -> Path:
    """Link the JSON beside its picture."""
    target = folder / f"{image.image.stem}.json"
    link_or_copy(image.annotation, target)
    return target


def _read_one(path: Path, content, index) -> Iterator[AnnotatedImage | Finding]:
    if not isinstance(content, dict) or not isinstance(content.get("objects"), list):
        yield error(
            path, "", "no list of objects", "this is not an OPEX file: remove it"
        )
        return
    candidates = index.get(path.stem, [])
    if len(candidates) != 1:
        what = f"{len(candidates)} pictures named {path.stem}"
        yield error(path, "", what, "keep exactly one picture with this stem")
        return
    objects = []
    for number, item in enumerate(content["objects"], 1):
        try:
            objects.append(_read_object(item))
        except (KeyError, TypeError, ValueError) as problem:
            what = f"not a valid object: {type(problem).__name__} {problem}"
            yield error(path, f"object {number}", what, "mend the object or remove it")
    yield AnnotatedImage(path, candidates[0], None, tuple(objects))


def _read_object(item: dict) -> AnnotatedObject:
    bbox = item["bbox"]
    left, top = int(bbox["left"]), int(bbox["top"])
    right, bottom = int(bbox["right"]), int(bbox["bottom"])
    points = item["polygon"]["points"]
    if len(points) < 3:
        raise ValueError(f"its polygon has {len(points)} points, and 3 are needed")
    return AnnotatedObject(
        str(item["label"]).strip(),
        tuple(map(float, (left, top, right - left + 1, bottom - top + 1))),
        tuple(float(value) for x, y in points for value in (x, y)),
    )


OPEX = AnnotationFormat(read=read, stage=stage, reader="from-opex-od")
