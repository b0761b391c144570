"""Decoding of images: one rule for training, files and Redis."""

import io
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from mmdet_flow.errors import DataError
from mmdet_flow.files import Identity, identity_of, sha256_of_stream
from mmdet_flow.image_header import TIFF, Header
from mmdet_flow.image_windows import WindowedImage

MAX_PIXELS = 200_000_000
"""Larger images are refused before they are unpacked."""

JPEG, JPEG_END, PNG = b"\xff\xd8\xff", b"\xff\xd9", b"\x89PNG"
SEGMENT = re.compile(rb"\xff([\xc0-\xcf\xda-\xfe])")
"""How a segment of a JPEG begins; two bytes with its length follow, and count, too."""

SCAN = b"\xda"
"""The segment that pixels follow."""

BASELINE, EXTENDED, PROGRESSIVE = b"\xc0", b"\xc1", b"\xc2"
"""The frames of a JPEG whose pixels are in Huffman codes."""

FILLER = bytes(range(1, 255)) * 2
"""Codes that a scan which lacks some of its own takes, and a whole one leaps over."""

GREY = 128
"""What libjpeg makes of pixels that are not there."""

GIBIBYTE = 2**30


CANNOT = "the image cannot be decoded: "

READ = frozenset(("JPEG", "MPO", "PNG", "BMP", "WEBP", "TIFF", "JPEG2000", "PPM"))
"""Formats of which OpenCV reads all but rare files."""


def decode(encoded: bytes, max_pixels: int | None = None) -> np.ndarray:
    """Decode an image file to (height, width, 3) uint8 in BGR order.

    By ``unpack``, as in training, and only if it is whole. Raises DataError when it is
    broken, cut off, or has more than ``max_pixels``, a limit that the user may raise
    (None: MAX_PIXELS, which nobody may).
    """
    if not encoded:
        raise DataError("the image is empty (0 bytes); send the content of a file")
    jpeg = _Jpeg.read(encoded) if encoded.startswith(JPEG) else None
    _refuse_large(jpeg.size if jpeg else Header(encoded).size, max_pixels)
    if _is_cut_off(encoded, jpeg):
        raise DataError("the image is cut off; send it again, whole")
    image = unpack(encoded)
    _refuse_large((image.shape[1], image.shape[0]), max_pixels)
    if jpeg and _lacks_pixels(encoded, jpeg, image):
        raise DataError(
            "the image lacks pixels before its end mark, as if cut off in the middle; "
            "send it again, whole"
        )
    return image


def unpack(encoded: bytes, oriented: bool = True) -> np.ndarray:
    """Decode an image file to (height, width, 3) uint8 in BGR order.

    The one way from files to pixels: check, conversion, training, prediction and
    service take it. The content says what format it is. The orientation of EXIF is
    applied unless ``oriented`` is false (TIFF: always), alpha is dropped, palettes and
    CMYK become colours, grey becomes three equal channels, 16 bits become the upper 8,
    and of several pages the first is seen. Raises DataError for what this cannot read.

    OpenCV would make black what is damaged of a TIFF, so that it only reads the rare
    ones that have no windows.
    """
    import cv2

    flags = cv2.IMREAD_COLOR | (0 if oriented else cv2.IMREAD_IGNORE_ORIENTATION)
    if encoded.startswith(TIFF):
        header = Header(encoded)
        if header.has_floats:
            raise DataError(
                f"{CANNOT}it is a TIFF of floats, which does not say "
                "what is white; save it with 8 or 16 bits"
            )
        image = WindowedImage(io.BytesIO(encoded))
        if not image.is_rare or header.is_beyond_opencv:
            # A tile may be larger than a small image.
            image.require_readable(max(MAX_PIXELS, image.shape[0] * image.shape[1]))
            return image[:, :]
    try:
        image = cv2.imdecode(np.frombuffer(encoded, np.uint8), flags)
    except cv2.error as error:
        raise DataError(f"{CANNOT}{error.err}") from None
    if image is None:
        raise DataError(f"{CANNOT}{_why_not(encoded)}")
    return image


def _why_not(encoded: bytes) -> str:
    # Pillow knows no JPEG of 12 bits, and no JPEG-LS, which begin as others do.
    kind = Header(encoded).kind or ("JPEG" if encoded.startswith(JPEG) else "")
    if not kind:
        return f"{len(encoded)} bytes in no known format, or damaged; replace it"
    if kind in READ:
        what = f"it is a {kind} of a rare sort, or damaged"
        return f"{what}; copy the file again, or save it as PNG"
    return f"it is a {kind}, which is not read; save it as PNG"


def read_image(path: Path, max_pixels: int | None = None) -> tuple[bytes, np.ndarray]:
    """Return the encoded bytes and the pixels of a file, as ``decode`` limits them."""
    encoded, _ = read_file(path, max_pixels)
    try:
        return encoded, decode(encoded, max_pixels)
    except DataError as error:
        raise DataError(f"{path}: {error}") from None


def read_file(path: Path, max_pixels: int | None = None) -> tuple[bytes, Identity]:
    """Return the bytes of a regular file, and what it was when they were read.

    Never waits, as opening a pipe would. Raises DataError for whatever else has the
    name of an image, and for a file that is written while it is read.
    """
    with opened(path) as stream:
        status = os.fstat(stream.fileno())
        seen = identity_of(status)
        if status.st_size > max(GIBIBYTE, 16 * (max_pixels or MAX_PIXELS)):
            raise DataError(
                f"{path}: has {status.st_size} bytes, more than an image of "
                f"{_limit(max_pixels)} pixels; {'raise it or ' if max_pixels else ''}"
                "take the file away"
            )
        content = stream.read()
        require_unchanged(path, stream, seen)
    return content, seen


def hash_file(path: Path) -> tuple[str, Identity]:
    """Return the SHA-256 of a regular file, and what it was when it was read.

    As ``read_file`` does, without having all of it in memory.
    """
    with opened(path) as stream:
        seen = identity_of(os.fstat(stream.fileno()))
        sha256 = sha256_of_stream(stream)
        require_unchanged(path, stream, seen)
    return sha256, seen


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """Open a regular file; what keeps it from being read is a DataError."""
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):
            raise DataError(f"{path}: is {_file_type(status)}, no file; take it away")
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as stream:
            yield stream
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}; check the path") from None
    except ValueError as error:  # a NUL in a name
        raise DataError(f"{path}: {error}; check the path") from None


def require_unchanged(path: Path, stream: BinaryIO, seen: Identity) -> None:
    """Raise DataError for a file that is no longer what was seen of it."""
    if identity_of(os.fstat(stream.fileno())) != seen:
        raise DataError(f"{path}: was written while it was read; run again")


def _file_type(status: os.stat_result) -> str:
    names = {stat.S_IFDIR: "folder", stat.S_IFIFO: "pipe", stat.S_IFSOCK: "socket"}
    return f"a {names.get(stat.S_IFMT(status.st_mode), 'device')}"


def _refuse_large(size: tuple[int, int], max_pixels: int | None) -> None:
    if size[0] * size[1] > (max_pixels or MAX_PIXELS):
        raise DataError(
            f"the image has {size[0]} x {size[1]} pixels, more than "
            f"{_limit(max_pixels)}; cut it into tiles"
            f"{' or raise the limit' if max_pixels else ''}"
        )


def _limit(max_pixels: int | None) -> str:
    """Return a limit, by the name of its option if the user may raise it."""
    return f"max_pixels {max_pixels}" if max_pixels else str(MAX_PIXELS)


@dataclass(frozen=True)
class _Jpeg:
    """What stands in a JPEG before its pixels.

    Attributes:
        start: where the first scan begins, or the length of the file if it has none.
        frame: the type of its frame, or nothing.
        size: (width, height) as they are stored, or zeros.
        is_one_scan: whether the first scan has all the colours.
    """

    start: int
    frame: bytes
    size: tuple[int, int]
    is_one_scan: bool

    @classmethod
    def read(cls, encoded: bytes) -> "_Jpeg":
        """Read the segments before the first scan.

        They are leapt over: a thumbnail in one of them has scans of its own.
        """
        at, frame, size, colours = 2, b"", (0, 0), b"\0"
        while found := SEGMENT.search(encoded, at):
            at = found.end()
            if found[1] == SCAN:
                return cls(at, frame, size, encoded[at + 2 : at + 3] == colours)
            if found[1] <= b"\xcf" and found[1] not in (b"\xc4", b"\xc8", b"\xcc"):
                height, width = encoded[at + 3 : at + 5], encoded[at + 5 : at + 7]
                size = int.from_bytes(width, "big"), int.from_bytes(height, "big")
                frame, colours = found[1], encoded[at + 7 : at + 8] or b"\0"
            at += int.from_bytes(encoded[at : at + 2], "big")
        return cls(len(encoded), frame, size, False)


def _is_cut_off(encoded: bytes, jpeg: _Jpeg | None) -> bool:
    """Whether a JPEG or PNG lacks its end; OpenCV would invent the missing rows."""
    if jpeg:
        return encoded.find(JPEG_END, jpeg.start) < 0
    return encoded.startswith(PNG) and encoded.rfind(b"IEND") < encoded.rfind(b"IDAT")


def _lacks_pixels(encoded: bytes, jpeg: _Jpeg, image: np.ndarray) -> bool:
    """Whether a JPEG ends before its pixels do, though it has its end mark.

    libjpeg invents the rest. Then codes before the end mark become pixels, which in a
    whole image they do not. That costs a decoding, so it is only looked at where a
    corner is as grey as what libjpeg invents, or where the last scan is not all.
    """
    if jpeg.frame not in (BASELINE, EXTENDED, PROGRESSIVE):
        return False
    corners = image[:: max(1, len(image) - 1), :: max(1, image.shape[1] - 1)]
    one_scan = jpeg.frame != PROGRESSIVE and jpeg.is_one_scan
    if one_scan and not (corners == GREY).all(axis=2).any():
        return False
    end = encoded.find(JPEG_END, jpeg.start)
    filled = encoded[:end] + FILLER + encoded[end:]
    found = _pixels_of(filled)
    if found is None or np.array_equal(found, image[:, :, ::-1]):
        return False
    # Those of OpenCV are rotated, or made of grey or CMYK.
    return not np.array_equal(found, _pixels_of(encoded))


def _pixels_of(encoded: bytes) -> np.ndarray | None:
    """Return the pixels by Pillow, which does not print what libjpeg warns of."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(encoded)) as image:
            return np.asarray(image)
    except Exception:  # what Pillow cannot read is not compared
        return None
