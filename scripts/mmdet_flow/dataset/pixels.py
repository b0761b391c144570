"""What an image file is, by decoding every pixel of it once."""

import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mmdet_flow.errors import DataError
from mmdet_flow.image_header import HEAD, TURNING, Header
from mmdet_flow.image_windows import turned
from mmdet_flow.images import CANNOT, JPEG, PNG, decode, opened, read_file, unpack

BACK = {6: 8, 8: 6}
"""The orientation that undoes another; the others undo themselves."""

DARK, FEW = 64, 0.001
"""Grey levels that 14 bits in 16 do not reach, and the fraction of pixels that may."""

THUMBNAIL = 16
"""Side of the grey picture that near-duplicates are compared by."""

MAX_DIFFERENCE = 2.0
"""Mean difference of two thumbnails, in grey levels, below which they are the same."""


@dataclass(frozen=True)
class Views:
    """One picture in three ways, (height, width, 3) uint8 BGR, one array where equal.

    Attributes:
        seen: as training and prediction see it.
        stored: as it is stored, without any orientation.
        upright: as viewers turn it, who know more ways to say an orientation.
    """

    seen: np.ndarray
    stored: np.ndarray
    upright: np.ndarray


@dataclass(frozen=True)
class Pixels:
    """What an image file is, decoded or as its header says.

    Attributes:
        sizes: (width, height) in pixels of each view, by its name.
        orientation: "" if nothing turns the image, or who does: "all" or "viewers".
        highest: what its values reach, where they are all in the lower of 16 bits.
        has_more_pages: whether there are pages or frames that nobody looks at.
        thumbnail: (16, 16) uint8 grey levels of the image as it is seen, or None
            where only the header was read.
    """

    sizes: dict[str, tuple[int, int]]
    orientation: str
    highest: int | None
    has_more_pages: bool
    thumbnail: np.ndarray | None


def read_pixels(path: Path) -> Pixels | str:
    """Decode an image wholly; return what it is, or what is wrong with it."""
    try:
        encoded, _ = read_file(path)
        header = Header(encoded)
        views = _views(encoded, header)
        return Pixels(
            {name: _size(picture) for name, picture in vars(views).items()},
            _turned_by(views),
            _highest(encoded, header, views.seen),
            header.has_more_pages,
            _thumbnail(views.seen),
        )
    except Exception as error:
        reason = str(error).removeprefix(f"{path}: ")
        return f"it cannot be decoded: {reason.removeprefix(CANNOT)}"


def read_outside(path: Path) -> Pixels | None:
    """Return what a file says of itself, as far as that is known without decoding it.

    None where it says nothing: it may be damaged, or of a rare kind. A PNG may say who
    turns it after its pixels, too, which are not read for that.
    """
    try:
        header = _header_of(path, (JPEG, PNG))
    except DataError:
        return None
    stored, upright = header.size, header.upright_size
    if not all(stored):
        return None
    turned_by = "all" if header.is_turned else "viewers"
    return Pixels(
        {
            "seen": upright if header.is_turned else stored,
            "stored": stored,
            "upright": upright,
        },
        turned_by if header.orientation in TURNING else "",
        None,
        header.has_more_pages,
        None,
    )


def _header_of(path: Path, kinds: tuple[bytes, ...] = (JPEG,)) -> Header:
    """Return the header of a file; of some kinds by its beginning, which suffices."""
    with opened(path) as stream:
        head = stream.read(HEAD)
    if head.startswith(kinds) and all((header := Header(head)).size):
        return header
    return Header(read_file(path)[0])


def read_size(path: Path, oriented: bool) -> tuple[int, int]:
    """Return (width, height) in pixels, as stored or as viewers turn it.

    Pixels are not decoded. Raises DataError where the file is no image.
    """
    header = _header_of(path)
    if not all(header.size):
        raise DataError(f"{path}: cannot be read as an image; replace it")
    return header.upright_size if oriented else header.size


def save_as_png(source: Path, target: Path, view: str) -> None:
    """Write a view of an image, by its name, as PNG."""
    import cv2

    encoded, _ = read_file(source)
    picture = getattr(_views(encoded, Header(encoded)), view)
    target.write_bytes(cv2.imencode(".png", picture)[1].tobytes())


def _views(encoded: bytes, header: Header) -> Views:
    seen = stored = decode(encoded)
    if header.kind == "TIFF":  # its decoder turns it, whatever it is asked for
        stored = turned(seen, BACK.get(header.orientation, header.orientation))
    elif header.has_metadata:
        stored = unpack(encoded, oriented=False)
    if not _same(stored, seen):
        return Views(seen, stored, seen)
    upright = turned(seen, header.orientation)
    return Views(seen, seen, seen if _same(upright, seen) else upright)


def _same(one: np.ndarray, other: np.ndarray) -> bool:
    return one is other or np.array_equal(one, other)


def _turned_by(views: Views) -> str:
    if views.seen is not views.stored:
        return "all"
    return "" if views.seen is views.upright else "viewers"


def _size(picture: np.ndarray) -> tuple[int, int]:
    return picture.shape[1], picture.shape[0]


def _highest(encoded: bytes, header: Header, seen: np.ndarray) -> int | None:
    """Return what the values of a deep image reach, a few aside, if that is little."""
    if not header.is_deep or (seen >= DARK).mean() > FEW:
        return None
    values = _values(encoded, header)
    return int(np.quantile(values, 1 - FEW, method="higher")) or None


def _values(encoded: bytes, header: Header) -> np.ndarray:
    """Return the values of an image as they are stored."""
    if header.kind == "TIFF":
        import tifffile

        return tifffile.TiffFile(io.BytesIO(encoded)).pages[0].asarray()
    import cv2

    return cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_UNCHANGED)


def _thumbnail(picture: np.ndarray) -> np.ndarray:
    import cv2

    grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    return cv2.resize(grey, (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA)


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
