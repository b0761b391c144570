"""Decoding of images: one rule for training, files and Redis."""

import io
import re
from pathlib import Path

import numpy as np

from mmdet_flow.errors import DataError

MAX_PIXELS = 200_000_000
"""Larger images are refused before they are unpacked."""

JPEG, JPEG_END, PNG = b"\xff\xd8\xff", b"\xff\xd9", b"\x89PNG"
SEGMENT = re.compile(rb"\xff([\xc0-\xcf\xda-\xfe])")
"""How a segment of a JPEG begins; two bytes with its length follow, and count, too."""

SCAN = b"\xda"
"""The segment that pixels follow."""


def decode(encoded: bytes, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """Decode an image file to (height, width, 3) uint8 in BGR order.

    As in training: EXIF rotation is applied, alpha is dropped, palettes and CMYK
    become colours, grey becomes three equal channels, 16 bits become the upper 8.
    Raises DataError when it is broken, cut off, or has more than ``max_pixels``.
    """
    import cv2

    if not encoded:
        raise DataError("the image is empty (0 bytes); send the content of a file")
    _refuse_large(_size_in_header(encoded), max_pixels)
    if _is_cut_off(encoded):
        raise DataError("the image is cut off; send it again, whole")
    try:
        image = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as error:
        raise DataError(f"the image cannot be decoded: {error.err}") from None
    if image is None:
        raise DataError(
            f"the image cannot be decoded: {len(encoded)} bytes in no known format, or "
            "damaged; replace it"
        )
    _refuse_large((image.shape[1], image.shape[0]), max_pixels)
    return image


def read_image(path: Path, max_pixels: int = MAX_PIXELS) -> tuple[bytes, np.ndarray]:
    """Return the encoded bytes and the pixels of a file."""
    try:
        encoded = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}; check the path") from None
    try:
        return encoded, decode(encoded, max_pixels)
    except DataError as error:
        raise DataError(f"{path}: {error}") from None


def _size_in_header(encoded: bytes) -> tuple[int, int]:
    """Return (width, height) without unpacking, or zeros for rare formats."""
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = None  # the limit is ours
    try:
        with Image.open(io.BytesIO(encoded)) as header:
            return header.size
    except Exception:  # what Pillow cannot read, OpenCV may
        return 0, 0


def _refuse_large(size: tuple[int, int], max_pixels: int) -> None:
    if size[0] * size[1] > max_pixels:
        raise DataError(
            f"the image has {size[0]} x {size[1]} pixels, more than --max_pixels "
            f"{max_pixels}; cut it into tiles or raise the limit"
        )


def _is_cut_off(encoded: bytes) -> bool:
    """Whether a JPEG or PNG lacks its end; OpenCV would invent the missing rows."""
    if encoded.startswith(JPEG):
        return encoded.find(JPEG_END, _start_of_pixels(encoded)) < 0
    return encoded.startswith(PNG) and encoded.rfind(b"IEND") < encoded.rfind(b"IDAT")


def _start_of_pixels(jpeg: bytes) -> int:
    """Return where the first scan of a JPEG begins, or its length if it has none.

    Segments before it are leapt over: a thumbnail in one of them has scans of its own.
    """
    at = 2
    while found := SEGMENT.search(jpeg, at):
        at = found.end()
        if found[1] == SCAN:
            return at
        at += int.from_bytes(jpeg[at : at + 2])
    return len(jpeg)
