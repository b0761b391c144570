"""What an image file is, by decoding every pixel of it once."""

import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mmdet_flow.images import read_image

ORIENTATION = 0x0112
"""The EXIF tag that says how to turn an image."""

SIDEWAYS = range(5, 9)
"""Values of that tag which swap width and height."""

THUMBNAIL = 16
"""Side of the grey picture that near-duplicates are compared by."""

MAX_DIFFERENCE = 2.0
"""Mean difference of two thumbnails, in grey levels, below which they are the same."""


@dataclass(frozen=True)
class Pixels:
    """A decoded image file.

    Attributes:
        stored: (width, height) in pixels as they are stored.
        size: (width, height) as viewers and training show it, rotated by its EXIF tag.
        thumbnail: (16, 16) uint8 grey levels of the rotated image.
    """

    stored: tuple[int, int]
    size: tuple[int, int]
    rotated: bool
    thumbnail: np.ndarray


def read_pixels(path: Path) -> Pixels | str:
    """Decode an image wholly; return what it is, or what is wrong with it."""
    from PIL import Image, ImageOps

    try:
        # As training and prediction decode it, who refuse more than Pillow does.
        encoded, _ = read_image(path)
        with Image.open(io.BytesIO(encoded)) as image:
            image.load()
            stored = image.size
            rotated = image.getexif().get(ORIENTATION, 1) != 1
            oriented = ImageOps.exif_transpose(image) if rotated else image
            small = oriented.convert("L").resize(
                (THUMBNAIL, THUMBNAIL), Image.Resampling.BOX
            )
            return Pixels(stored, oriented.size, rotated, np.asarray(small))
    except Exception as error:
        reason = str(error).removeprefix(f"{path}: ")
        return f"it cannot be decoded: {reason}"


def read_size(path: Path, oriented: bool) -> tuple[int, int]:
    """Return (width, height) in pixels, as stored or rotated by the EXIF tag.

    Pixels are not decoded. Raises whatever Pillow does where the file is no image.
    """
    from PIL import Image

    with Image.open(path) as image:
        sideways = oriented and image.getexif().get(ORIENTATION) in SIDEWAYS
        return image.size[::-1] if sideways else image.size


def save_as_png(source: Path, target: Path, oriented: bool) -> None:
    """Write the pixels of an image as PNG, as stored or rotated by its EXIF tag.

    Deeper images keep their upper 8 bits, as training sees them.
    """
    import cv2

    flags = cv2.IMREAD_COLOR | (0 if oriented else cv2.IMREAD_IGNORE_ORIENTATION)
    image = cv2.imdecode(np.fromfile(source, np.uint8), flags)
    target.write_bytes(cv2.imencode(".png", image)[1].tobytes())


def group_duplicates(thumbnails: Iterable[np.ndarray]) -> list[list[int]]:
    """Return the indices of images with the same content, in groups of two or more.

    Candidates share a quarter of their 8x8 difference hash (dHash); thumbnails decide.
    Work grows with the number of images, not with that of their pairs.
    """
    pictures = [picture.astype(np.int16) for picture in thumbnails]
    first_of: dict[int, int] = {}
    bands: dict[tuple[int, bytes], list[int]] = {}
    for index, picture in enumerate(pictures):
        bits = np.packbits(picture[::2, ::2] > np.roll(picture[::2, ::2], 1, 1))
        keys = [(band, bits[band * 2 : band * 2 + 2].tobytes()) for band in range(4)]
        for candidate in {item for key in keys for item in bands.get(key, ())}:
            difference = np.abs(picture - pictures[candidate]).mean()
            if difference < MAX_DIFFERENCE:
                first_of[index] = candidate
                break
        else:
            # Only the first of a group is compared with: groups cost nothing.
            for key in keys:
                bands.setdefault(key, []).append(index)
    groups: dict[int, list[int]] = {}
    for index, first in first_of.items():
        groups.setdefault(first, [first]).append(index)
    return list(groups.values())
