"""Predictions drawn on their images, as one sheet."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from mmdet_flow import cli
from mmdet_flow.dataset.predictions import PredictedObject, read_opex
from mmdet_flow.detections import reaches
from mmdet_flow.errors import DataError, UsageError
from mmdet_flow.files import keep_inputs, new_file, read_text
from mmdet_flow.formats.objects import rectangle
from mmdet_flow.formats.overlay import Drawn, draw_objects
from mmdet_flow.image_windows import WindowedImage, open_large
from mmdet_flow.images import MAX_PIXELS, opened, read_image
from mmdet_flow.tiles import Tiles, Window
from mmdet_flow.words import counted

MAX_WIDTH = 1200
"""Wider pictures are cut in a Snakemake report."""

HIGHEST = 2

EMPTY_HEIGHT = 100

BAND = 16
"""Rows of a picture that are made at a time of an image that is read by windows."""


BORDERS = ((255, 255, 255), (0, 0, 0))
"""Colours of the borders of tiles; neighbours, which overlap, take turns."""


def draw_sheet(
    folders: list[Path],
    images: Path,
    output: Path,
    count: int,
    score: float | None,
    tiles: Tiles | None = None,
    class_list: Path | None = None,
    max_pixels: int = MAX_PIXELS,
) -> None:
    """Draw the objects of the first ``count`` OPEX files on their images.

    Those below ``score`` are left out, if it is given: a file holds what reached the
    score that it was predicted with. Without such files, where each image failed, the
    sheet is empty. The borders of ``tiles`` are drawn, if there are any. The places of
    the classes in ``class_list`` decide their colours, or else their order. Raises
    DataError where a folder or an image is missing, or where one has more than
    ``max_pixels`` and is no TIFF, and UsageError if the name of ``output`` ends like
    that of no picture.
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
    contents = list(map(read_opex, files))
    keep_inputs([output], [class_list, *(images / one.name for one in contents)])
    known = read_text(class_list).splitlines() if class_list else []
    found = sorted({item.label for one in contents for item in one.objects})
    labels = {name: n for n, name in enumerate(dict.fromkeys([*known, *found]))}
    columns = min(4, len(files)) or 1
    width = MAX_WIDTH // columns
    pictures = []
    for one in contents:
        kept = [item for item in one.objects if _reaches(item.score, score)]
        with _pixels_of(images / one.name, max_pixels) as image:
            windows = tiles.windows(image.shape[1], image.shape[0]) if tiles else []
            pictures.append(_draw(image, kept, labels, width, windows))
    height = max((one.shape[0] for one in pictures), default=EMPTY_HEIGHT)
    rows = -(-len(pictures) // columns) or 1
    sheet = np.full((rows * height, columns * width, 3), 255, np.uint8)
    for index, one in enumerate(pictures):
        top, left = index // columns * height, index % columns * width
        sheet[top : top + one.shape[0], left : left + one.shape[1]] = one
    with new_file(output) as temporary:
        temporary.write_bytes(cv2.imencode(output.suffix, sheet)[1].tobytes())
    cli.log.info("drew %s into %s", counted(len(pictures), "image"), output)


@contextmanager
def _pixels_of(path: Path, max_pixels: int) -> Iterator[np.ndarray | WindowedImage]:
    """Open an image: all its pixels, or its windows if it is too large to unpack."""
    with opened(path) as stream:
        try:
            large = open_large(stream, max_pixels)
            yield read_image(path, max_pixels)[1] if large is None else large
        except DataError as error:
            reason = str(error).removeprefix(f"{path}: ")
            raise DataError(f"{path}: {reason}") from None


def _resized(image: np.ndarray | WindowedImage, size: list[int]) -> np.ndarray:
    """Return an image at a (width, height); one by windows in bands of rows."""
    import cv2

    width, height = size
    band = height if isinstance(image, np.ndarray) else BAND
    resized = np.empty((height, width, 3), np.uint8)
    for row in range(0, height, band):
        end = min(row + band, height)
        first, last = (round(at * image.shape[0] / height) for at in (row, end))
        resized[row:end] = cv2.resize(
            image[first:last, :], (width, end - row), interpolation=cv2.INTER_AREA
        )
    return resized


def _reaches(score: float | None, threshold: float | None) -> bool:
    return None in (score, threshold) or bool(reaches(score, threshold))


def _outline(item: PredictedObject) -> np.ndarray:
    """Return the points (n, 2) of the outline of an OPEX object, or of its box."""
    if item.polygons:
        return np.reshape(item.polygons[0], (-1, 2))
    x, y, width, height = item.bbox
    return np.array(rectangle((x, y, x + width - 1, y + height - 1)))


def _draw(
    image: np.ndarray | WindowedImage,
    objects: list[PredictedObject],
    labels: Mapping[str, int],
    width: int,
    windows: Sequence[Window],
) -> np.ndarray:
    """Return the image at a width, with outlines, class names, scores and windows.

    A high one is narrower: none is higher than HIGHEST times its width.
    """
    import cv2

    scale = min(width / image.shape[1], HIGHEST * width / image.shape[0])
    size = [max(1, round(side * scale)) for side in (image.shape[1], image.shape[0])]
    image = _resized(image, size)
    for number, one in enumerate(windows):
        left, top, right, bottom = (round(side * scale) for side in one)
        colour = BORDERS[number % len(BORDERS)]
        cv2.rectangle(image, (left, top), (right - 1, bottom - 1), colour)
    best_first = sorted(objects, key=lambda item: -(item.score or 0))
    draw_objects(
        image,
        [
            Drawn(
                _outline(item) * scale,
                np.array(item.bbox) * scale,
                item.label if item.score is None else f"{item.label} {item.score:.2f}",
                labels[item.label],
            )
            for item in best_first
        ],
    )
    return image
