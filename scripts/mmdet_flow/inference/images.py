"""Decoding of images: one rule for training, files and Redis."""

from pathlib import Path

import numpy as np

from mmdet_flow.errors import DataError


def decode(encoded: bytes) -> np.ndarray:
    """Decode an image file to (height, width, 3) uint8 in BGR order.

    As in training: EXIF rotation is applied, alpha is dropped, grey becomes three
    equal channels, 16 bits become the upper 8. Raises DataError when it is broken.
    """
    import cv2

    if not encoded:
        raise DataError("the image is empty (0 bytes); send the content of a file")
    try:
        image = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as error:
        raise DataError(f"the image cannot be decoded: {error.err}") from None
    if image is None:
        raise DataError(
            f"the image cannot be decoded: {len(encoded)} bytes in no known format, or "
            "damaged; replace it"
        )
    return image


def read_image(path: Path) -> tuple[bytes, np.ndarray]:
    """Return the encoded bytes and the pixels of a file."""
    try:
        encoded = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}; check the path") from None
    try:
        return encoded, decode(encoded)
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
