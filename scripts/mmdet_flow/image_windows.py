"""TIFF files read window by window: tiles and strips are unpacked as they are needed.

Slides and maps are TIFF that are too large to unpack. What is read of them is what
``images.unpack`` would give, with bounded memory.
"""

import itertools
import logging
from collections import OrderedDict
from typing import Any, BinaryIO

import numpy as np

from mmdet_flow.errors import DataError
from mmdet_flow.image_header import (
    FROM_BELOW,
    FROM_RIGHT,
    ORIENTATION,
    SIDEWAYS,
    TIFF,
    TURNING,
)

CACHE = 1 << 28
"""Bytes of unpacked tiles that are kept, as neighbouring windows share them."""

STRIP = 1 << 22
"""Bytes that are read at a time where the pixels are not compressed, and not tiled."""

MINISWHITE, MINISBLACK, RGB, PALETTE, YCBCR = 0, 1, 2, 3, 6
"""Values of the tag PhotometricInterpretation: what samples mean."""

JPEG, UNASSOCIATED = 7, 2
"""Values of Compression and ExtraSamples."""

JPEG_2000_YCBCR = 33003
"""The value of Compression for JPEG 2000 whose colours only its maker knows."""


class WindowedImage:
    """An image that gives its pixels by windows: ``image[top:bottom, left:right]``.

    They are (height, width, 3) uint8 in BGR order: 16 bits become the upper 8, palettes
    become colours, and colours are multiplied by an alpha channel, as libtiff does it.
    A window is one of the image as its tag Orientation turns it.

    Attributes:
        shape: (height, width, 3), turned.
    """

    def __init__(self, stream: BinaryIO) -> None:
        """Open the first page of a TIFF; DataError if it is damaged."""
        import tifffile

        logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # errors are raised
        self._cache: OrderedDict[tuple[int, int], np.ndarray] = OrderedDict()
        try:
            self._page: Any = tifffile.TiffFile(stream, name="image").pages[0]
            self._stored = self._page.imagelength, self._page.imagewidth
            self._size = self._size_of_cells()
            _require_sound(self._page, *self._stored, *self._size)
            tag = self._page.tags.get(ORIENTATION)
            self._orientation = tag.value if tag and tag.value in TURNING else 1
            is_sideways = self._orientation in SIDEWAYS
            self.shape = (*(self._stored[::-1] if is_sideways else self._stored), 3)
            self._reason = _why_not(self._page)
        except Exception:  # a damaged file may raise anything
            raise DataError("its header is damaged; copy the file again") from None

    @property
    def is_rare(self) -> bool:
        """Whether it is of a sort whose windows cannot be read."""
        return bool(self._reason)

    def require_readable(self, max_pixels: int) -> None:
        """Raise DataError for a TIFF whose windows cannot be read.

        ``max_pixels`` is the limit of what is unpacked at a time.
        """
        reason, packed = self._reason, self._size[0] * self._size[1]
        if not reason and packed > max_pixels:
            reason = f"{packed} pixels are packed together"
        if reason:
            raise DataError(
                f"its windows cannot be read: {reason}; save it as a tiled TIFF of "
                "8 bits in RGB"
            )

    def __getitem__(self, key: tuple[slice, slice]) -> np.ndarray:
        """Return a window; DataError where the file is damaged there."""
        rows, columns = (
            range(*part.indices(length))
            for part, length in zip(key, self.shape, strict=False)
        )
        if self._orientation in FROM_BELOW:
            rows = _from_end(rows, self.shape[0])
        if self._orientation in FROM_RIGHT:
            columns = _from_end(columns, self.shape[1])
        if self._orientation in SIDEWAYS:
            rows, columns = columns, rows
        stored = self._window(rows, columns)
        return np.ascontiguousarray(turned(stored, self._orientation))

    def _window(self, rows: range, columns: range) -> np.ndarray:
        """Return a window of the image as it is stored."""
        window = np.empty((len(rows), len(columns), 3), np.uint8)
        height, width = self._size
        for row, column in itertools.product(
            range(rows.start // height, -(-rows.stop // height)),
            range(columns.start // width, -(-columns.stop // width)),
        ):
            cell = self._cell(row, column)
            top, left = row * height, column * width
            first = max(top, rows.start), max(left, columns.start)
            last = (
                min(top + cell.shape[0], rows.stop),
                min(left + cell.shape[1], columns.stop),
            )
            window[
                first[0] - rows.start : last[0] - rows.start,
                first[1] - columns.start : last[1] - columns.start,
            ] = cell[first[0] - top : last[0] - top, first[1] - left : last[1] - left]
        return window

    def _size_of_cells(self) -> tuple[int, int]:
        """Return the (height, width) of a tile or strip, or of what is read as one."""
        page, (height, width) = self._page, self._stored
        if page.is_tiled:
            return page.tilelength, page.tilewidth
        if _is_plain(page):
            row = width * page.samplesperpixel * page.bitspersample // 8
            return max(1, min(height, STRIP // row)), width
        return min(page.rowsperstrip, height), width

    def _cell(self, row: int, column: int) -> np.ndarray:
        """Return the pixels of a tile or strip; the last ones are kept."""
        if (row, column) in self._cache:
            self._cache.move_to_end((row, column))
            return self._cache[row, column]
        read = self._plain if _is_plain(self._page) else self._packed
        try:
            pixels = _to_bgr(self._page, read(row, column))
        except Exception as error:  # a damaged file may raise anything
            raise DataError(
                f"its pixels cannot be read at row {row * self._size[0]}, column "
                f"{column * self._size[1]}: {error}; copy the file again"
            ) from None
        self._cache[row, column] = pixels
        cell = self._size[0] * self._size[1] * 3
        while len(self._cache) > max(1, CACHE // cell):
            self._cache.popitem(last=False)
        return pixels

    def _plain(self, row: int, column: int) -> np.ndarray:
        """Read rows that lie in the file as they are: (rows, width, samples)."""
        page, (height, width) = self._page, self._stored
        top = row * self._size[0]
        rows = min(self._size[0], height - top)
        kind = np.dtype(f"{page.parent.byteorder}u{page.bitspersample // 8}")
        length = width * page.samplesperpixel * kind.itemsize
        stream = page.parent.filehandle
        stream.seek(page.dataoffsets[0] + top * length)
        values = np.frombuffer(stream.read(rows * length), kind)
        return values.reshape(rows, width, page.samplesperpixel)

    def _packed(self, row: int, column: int) -> np.ndarray:
        """Unpack a tile or strip: (rows, columns, samples)."""
        page = self._page
        across, down = (
            -(-length // size)
            for length, size in zip(self._stored[::-1], self._size[::-1], strict=True)
        )
        planes = page.samplesperpixel if page.planarconfig == 2 else 1
        numbers = [
            plane * across * down + row * across + column for plane in range(planes)
        ]
        parts = [self._segment(number) for number in numbers]
        return np.concatenate(parts, axis=2)

    def _segment(self, number: int) -> np.ndarray:
        page = self._page
        stream, count = page.parent.filehandle, page.databytecounts[number]
        stream.seek(page.dataoffsets[number])
        packed = stream.read(count) if count else None
        tables = {}
        if page.compression == JPEG:
            tables = {"jpegtables": page.jpegtables, "jpegheader": page.jpegheader}
        pixels, _, shape = page.decode(packed, number, **tables)
        if pixels is None:  # left out, as maps do beyond their edges
            return np.zeros(shape[1:], f"u{page.bitspersample // 8}")
        return pixels[0]


def open_large(stream: BinaryIO, max_pixels: int) -> WindowedImage | None:
    """Return a TIFF of more than so many pixels by windows, None for any other image.

    Raises DataError where its windows cannot be read. Whoever unpacks the others says
    what is wrong with them.
    """
    is_tiff = stream.read(4) in TIFF
    stream.seek(0)
    if not is_tiff:
        return None
    try:
        image = WindowedImage(stream)
    except DataError:
        stream.seek(0)
        return None
    if image.shape[0] * image.shape[1] <= max_pixels:
        return None
    image.require_readable(max_pixels)
    return image


def turned(picture: np.ndarray, orientation: int) -> np.ndarray:
    """Return a picture (height, width, ...) as an orientation of EXIF or TIFF says."""
    if orientation in SIDEWAYS:
        picture = picture.swapaxes(0, 1)
    if orientation in FROM_RIGHT:
        picture = picture[:, ::-1]
    if orientation in FROM_BELOW:
        picture = picture[::-1]
    return picture


def _from_end(part: range, length: int) -> range:
    """Return what a part of so many rows or columns is, counted from the end."""
    return range(length - part.stop, length - part.start)


def _require_sound(page, *sizes: object) -> None:
    """Raise ValueError for a page whose tags are no numbers, or a size of nothing."""
    numbers = *sizes, page.samplesperpixel, page.compression, page.photometric
    if not all(isinstance(one, int) for one in numbers) or min(sizes) < 1:
        raise ValueError


def _is_plain(page) -> bool:
    """Whether pixels lie in the file as they are, row by row."""
    return bool(page.is_contiguous) and not page.is_tiled and page.planarconfig == 1


def _why_not(page) -> str:
    """Return what is rare about a page, or nothing where its windows can be read."""
    from tifffile import TIFF

    packed = page.compression
    if packed == JPEG_2000_YCBCR or packed not in TIFF.DECOMPRESSORS:
        return f"it is packed as {_name_of(packed)}"
    if page.imagedepth != 1 or page.sampleformat != 1:
        return "its pixels are no whole numbers in a plane"
    if page.bitspersample not in (8, 16):
        return f"its samples have {page.bitspersample} bits"
    meanings = (MINISWHITE, MINISBLACK, RGB, PALETTE)
    if page.photometric not in meanings and page.compression != JPEG:
        return f"its colours are {_name_of(page.photometric)}"
    return ""


def _name_of(value: object) -> object:
    """Return what TIFF calls a value, or the value where it does not know it."""
    return getattr(value, "name", value)


def _to_bgr(page, samples: np.ndarray) -> np.ndarray:
    """Return samples (rows, columns, samples) as uint8 in BGR order."""
    if page.photometric == PALETTE:
        colours = (np.asarray(page.colormap) >> 8).astype(np.uint8)
        return np.ascontiguousarray(colours[::-1].T[samples[..., 0]])
    colours = 3 if page.photometric in (RGB, YCBCR) else 1
    if samples.dtype.itemsize == 2:
        # As OpenCV has it for grey, and libtiff for colours.
        samples = samples >> 8 if colours == 1 else (samples + np.uint32(128)) // 257
        samples = samples.astype(np.uint8)
    pixels = samples[..., :colours][..., ::-1]
    if page.photometric == MINISWHITE:
        pixels = 255 - pixels
    if colours == 3 and page.extrasamples[:1] == (UNASSOCIATED,):
        alpha = samples[..., colours : colours + 1].astype(np.uint16)
        pixels = ((pixels * alpha + 127) // 255).astype(np.uint8)
    return np.ascontiguousarray(np.broadcast_to(pixels, (*samples.shape[:2], 3)))
