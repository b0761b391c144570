"""What an image file says of its pixels, without unpacking them."""

import io
from collections.abc import Mapping
from functools import cached_property

SIDEWAYS = range(5, 9)
"""Orientations that swap width and height."""

TURNING = range(2, 9)
"""Orientations that change a picture; 1 keeps it, and others mean nothing."""

FROM_RIGHT, FROM_BELOW = (2, 3, 6, 7), (3, 4, 7, 8)
"""Orientations that show columns from the right, and rows from below."""

ORIENTATION, WIDTH, HEIGHT, BITS = 274, 256, 257, 258
COMPRESSION, SAMPLE_FORMAT = 259, 339
PHOTOMETRIC, SAMPLES, TILE_WIDTH = 262, 277, 322
"""Tags of TIFF; EXIF has the first, too."""

TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
"""How a TIFF begins; with a plus, it is a BigTIFF."""

GREY = (0, 1)
"""Values of PHOTOMETRIC: white is the lowest value, or black is."""

FLOAT, LOG_LUV = 3, (34676, 34677)
"""The value of SAMPLE_FORMAT for floats, and those of COMPRESSION for brightness."""

UNPACKED = frozenset((1, 2, 3, 4, 5, 6, 7, 8, 32766, 32771, 32773, 32809, 32946))
"""Values of COMPRESSION that OpenCV's libtiff unpacks.

Of most others, such as JPEG 2000, it gives pixels, too, but black ones.
"""

MARKS = (b"Exif", b"eXIf", b"EXIF", b"tiff:Orientation", b"adobe.xmp", b"Raw profile")
"""One of these is in each file, TIFF aside, that says how it is turned."""

HEAD = 1 << 18
"""The bytes of a JPEG that these are looked for in; they stand before its pixels."""

LONG = 4
"""The type of a tag that is a number of four bytes."""


class Header:
    """The header of an encoded image; nothing in it has to be true.

    Attributes:
        kind: the format by its content, such as "JPEG", or "" if it is not known.
    """

    def __init__(self, encoded: bytes) -> None:
        from PIL import Image

        self._encoded = encoded
        Image.MAX_IMAGE_PIXELS = None  # the limit is that of the decoder
        try:
            self._image = Image.open(io.BytesIO(encoded))
        except Exception:  # what Pillow cannot read, OpenCV may
            self._image = None
        self.kind = (self._image and self._image.format) or ""
        if encoded.startswith(TIFF):
            self.kind = "TIFF"

    @property
    def size(self) -> tuple[int, int]:
        """Return (width, height) as they are stored, or zeros."""
        if WIDTH in self._tags and HEIGHT in self._tags:
            return self._number(WIDTH), self._number(HEIGHT)
        return self._image.size if self._image else (0, 0)

    @property
    def upright_size(self) -> tuple[int, int]:
        """Return (width, height) as viewers turn it, or zeros."""
        return self.size[::-1] if self.orientation in SIDEWAYS else self.size

    @cached_property
    def orientation(self) -> int:
        """How viewers turn it, by EXIF, XMP or a raw profile; 1 is not at all."""
        try:
            found = self._tags.get(ORIENTATION)
            if found is None and self.has_metadata:
                found = self._image.getexif().get(ORIENTATION)
        except Exception:  # metadata that are broken say nothing
            return 1
        return found if found in TURNING else 1

    @cached_property
    def is_turned(self) -> bool:
        """Whether OpenCV turns it as it is decoded, as viewers do.

        It looks into the tags of TIFF, and into EXIF of JPEG and PNG, where it takes
        the first two bytes of the number.
        """
        if self.orientation not in TURNING or self.kind == "TIFF":
            return self.orientation in TURNING
        encoded = self._image.info.get("exif") or b""
        if self.kind not in ("JPEG", "MPO", "PNG") or not encoded:
            return False
        from PIL.TiffImagePlugin import ImageFileDirectory_v2

        stream = io.BytesIO(encoded.removeprefix(b"Exif\0\0"))
        try:
            tags = ImageFileDirectory_v2(stream.read(8))
            stream.seek(tags.next)
            tags.load(stream)
        except Exception:  # broken metadata say nothing
            return False
        is_first = tags.tagtype.get(ORIENTATION) != LONG or encoded[6:7] == b"I"
        return is_first and tags.get(ORIENTATION) in TURNING

    @cached_property
    def has_metadata(self) -> bool:
        """Whether there may be an orientation in it."""
        end = HEAD if self._encoded.startswith(b"\xff\xd8") else len(self._encoded)
        return any(self._encoded.find(mark, 0, end) >= 0 for mark in MARKS)

    @property
    def is_deep(self) -> bool:
        """Whether its values have more than 8 bits."""
        if self.kind == "PNG":
            return self._encoded[24] > 8
        if BITS in self._tags:
            return max(_numbers(self._tags[BITS])) > 8
        return bool(self._image) and self._image.mode.startswith("I")

    @property
    def has_floats(self) -> bool:
        """Whether its values have no highest one that would be white."""
        is_float = FLOAT in _numbers(self._tags.get(SAMPLE_FORMAT))
        return is_float or self._tags.get(COMPRESSION) in LOG_LUV

    @property
    def is_beyond_opencv(self) -> bool:
        """Whether it is a TIFF that OpenCV 4.11 and 4.13 get wrong.

        Grey in tiles that is deep, or has alpha beside it, is sheared in their last
        column. Where tiles are to be mirrored, each is mirrored by itself. What cannot
        be unpacked may become black.
        """
        is_grey = self._tags.get(PHOTOMETRIC) in GREY
        is_sheared = is_grey and (self.is_deep or self._number(SAMPLES, 1) != 1)
        is_wrong_in_tiles = is_sheared or self.orientation in FROM_RIGHT
        return self._number(COMPRESSION, 1) not in UNPACKED or (
            TILE_WIDTH in self._tags and is_wrong_in_tiles
        )

    @property
    def has_more_pages(self) -> bool:
        """Whether there are pages or frames beyond the first."""
        if self.kind == "TIFF":
            return self._directory[1] > 0
        moving = self.kind in ("PNG", "WEBP", "GIF")
        return moving and getattr(self._image, "is_animated", False)

    @property
    def _tags(self) -> Mapping:
        return self._directory[0]

    def _number(self, tag: int, default: int = 0) -> int:
        return _numbers(self._tags.get(tag, default))[0]

    @cached_property
    def _directory(self) -> tuple[Mapping, int]:
        """The whole numbers in the tags of a TIFF, and where its next page is, or 0.

        Also of one that Pillow reads no pixels of. A damaged tag is none.
        """
        if self.kind != "TIFF":
            return {}, 0
        from PIL.TiffImagePlugin import ImageFileDirectory_v2

        stream = io.BytesIO(self._encoded)
        try:
            tags = ImageFileDirectory_v2(
                stream.read(16 if b"+" in self._encoded[2:4] else 8)
            )
            stream.seek(tags.next)
            tags.load(stream)
            return {tag: one for tag, one in tags.items() if _is_whole(one)}, tags.next
        except Exception:  # broken; the decoder tells
            return {}, 0


def _is_whole(value: object) -> bool:
    numbers = _numbers(value)
    return bool(numbers) and all(isinstance(one, int) for one in numbers)


def _numbers(value: object) -> tuple:
    return value if isinstance(value, tuple) else (value,)
