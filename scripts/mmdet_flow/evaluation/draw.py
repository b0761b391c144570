"""Predictions drawn on their images, as one sheet."""

from pathlib import Path

import numpy as np

from mmdet_flow import cli
from mmdet_flow.dataset import fields
from mmdet_flow.dataset.annotations import AnnotatedObject
from mmdet_flow.dataset.fields import Malformed, mapping, member, sequence, text
from mmdet_flow.dataset.readers import opex
from mmdet_flow.detections import reaches
from mmdet_flow.errors import DataError, UsageError
from mmdet_flow.files import keep_inputs, new_file, read_json
from mmdet_flow.formats.objects import rectangle
from mmdet_flow.formats.overlay import draw_object
from mmdet_flow.images import read_image

MAX_WIDTH = 1200
"""Wider pictures are cut in a Snakemake report."""

HIGHEST = 2

Drawn = tuple[AnnotatedObject, float | None]
"""An object and its score, if it has one."""

EMPTY_HEIGHT = 100


def draw_sheet(
    folders: list[Path], images: Path, output: Path, count: int, score: float | None
) -> None:
    """Draw the objects of the first ``count`` OPEX files on their images.

    Those below ``score`` are left out, if it is given: a file holds what reached the
    score that it was predicted with. Without such files, where each image failed, the
    sheet is empty. Raises DataError where a folder or an image is missing, and
    UsageError if the name of ``output`` ends like that of no picture.
    """
    import cv2

    if not cv2.haveImageWriter(str(output)):
        raise UsageError(f"--output {output}: name it .jpg or .png")
    for folder in folders:
        if not folder.is_dir():
            raise DataError(f"{folder}: there is no such folder; predict first")
    files = sorted(path for folder in folders for path in folder.glob("*.json"))[:count]
    if not files:
        cli.log.warning("%s: holds no OPEX files; the sheet is empty", folders[0])
    contents = list(map(_read, files))
    keep_inputs([output], [images / name for name, _ in contents])
    labels = sorted({item.label for _, objects in contents for item, _ in objects})
    columns = min(4, len(files)) or 1
    width = MAX_WIDTH // columns
    tiles = []
    for name, objects in contents:
        image = read_image(images / name)[1]
        kept = [one for one in objects if _reaches(one[1], score)]
        tiles.append(_draw(image, kept, labels, width))
    height = max((tile.shape[0] for tile in tiles), default=EMPTY_HEIGHT)
    rows = -(-len(tiles) // columns) or 1
    sheet = np.full((rows * height, columns * width, 3), 255, np.uint8)
    for index, tile in enumerate(tiles):
        top, left = index // columns * height, index % columns * width
        sheet[top : top + tile.shape[0], left : left + tile.shape[1]] = tile
    with new_file(output) as temporary:
        temporary.write_bytes(cv2.imencode(output.suffix, sheet)[1].tobytes())
    cli.log.info("drew %d images into %s", len(tiles), output)


def _read(path: Path) -> tuple[str, list[Drawn]]:
    """Return the name of the image of an OPEX file, and its objects."""
    try:
        content = mapping(read_json(path), "it")
        name = text(member(content, "id"), "its id")
        items = sequence(member(content, "objects"), "objects")
        return name, [_read_object(*one) for one in enumerate(items, 1)]
    except Malformed as error:
        raise DataError(f"{path}: {error}; predict again") from None


def _read_object(number: int, item: object) -> Drawn:
    try:
        drawn = opex.read_object(item, "")
        score = item.get("score")
        return drawn, None if score is None else fields.number(score, "its score")
    except Malformed as error:
        raise Malformed(f"object {number}: {error}") from None


def _reaches(score: float | None, threshold: float | None) -> bool:
    return None in (score, threshold) or bool(reaches(score, threshold))


def _outline(item: AnnotatedObject) -> np.ndarray:
    """Return the points (n, 2) of the outline of an OPEX object, or of its box."""
    if item.polygons:
        return np.reshape(item.polygons[0], (-1, 2))
    x, y, width, height = item.bbox
    return np.array(rectangle((x, y, x + width - 1, y + height - 1)))


def _draw(image, objects: list[Drawn], labels: list[str], width: int):
    """Return the image at a width, with outlines, class names and scores.

    A high one is narrower: no tile is higher than HIGHEST times its width.
    """
    import cv2

    scale = min(width / image.shape[1], HIGHEST * width / image.shape[0])
    size = [max(1, round(side * scale)) for side in (image.shape[1], image.shape[0])]
    image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    for item, score in objects:
        draw_object(
            image,
            _outline(item) * scale,
            (item.bbox[0] * scale, item.bbox[1] * scale),
            item.label if score is None else f"{item.label} {score:.2f}",
            labels.index(item.label),
        )
    return image
