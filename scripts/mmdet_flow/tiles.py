"""How large images are divided into tiles, for training, prediction and evaluation."""

import json
from dataclasses import asdict, dataclass
from typing import NamedTuple

from mmdet_flow.errors import UsageError

LEAST = 16
"""Pixels: a side of fewer has no object that a network could find."""

MOST = 1_000_000
"""Tiles of an image: more are a slip in the size, and not a large image."""


class Window(NamedTuple):
    """A rectangle of an image in pixels; right and bottom are exclusive."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        return self.right - self.left

    @property
    def height(self) -> int:
        return self.bottom - self.top


@dataclass(frozen=True)
class Tiles:
    """How an image is divided into overlapping tiles.

    Attributes:
        size: side of a tile, in pixels of the image after ``scale``.
        overlap: the fraction of a tile that it shares with the next, at least.
        scale: factor by which images are enlarged, or reduced if it is below 1. It
            is applied as tiles are resized to what the network takes, so that pixels
            are interpolated once: a tile is ``size / scale`` pixels of the image.
        full_image: whether the whole image is one more tile, for large objects.
    """

    size: int
    overlap: float = 0.2
    scale: float = 1.0
    full_image: bool = False

    def __post_init__(self) -> None:
        """Raise UsageError for values that divide no image."""
        if not 0 <= self.overlap < 1:
            raise UsageError(
                f"tile overlap {self.overlap:g}: is a fraction of a tile, from 0 to "
                "below 1; give e.g. 0.2"
            )
        if not self.scale > 0:
            raise UsageError(f"tile scale {self.scale:g}: give a number above 0")
        if self.side < LEAST:
            raise UsageError(
                f"tile size {self.size} at scale {self.scale:g}: is {self.side} pixels "
                f"of an image; {LEAST} are the least"
            )

    def __str__(self) -> str:
        """Return what decides the objects, in a line."""
        scale = f", scale {self.scale:g}" if self.scale != 1 else ""
        whole = ", full image" if self.full_image else ""
        return f"{self.size} px, overlap {self.overlap:g}{scale}{whole}"

    @property
    def side(self) -> int:
        """Side of a tile in pixels of the image."""
        return round(self.size / self.scale)

    def windows(self, width: int, height: int) -> list[Window]:
        """Return the tiles of an image, row by row; the whole image where it fits.

        They are of equal size and cover the image; neighbours share as nearly the same
        number of pixels as whole pixels allow. ``full_image`` comes last, and is left
        out where a tile is the whole image. Raises UsageError for over ``MOST`` tiles.
        """
        columns, rows = self._spans(width), self._spans(height)
        count = len(columns) * len(rows)
        if count > MOST:
            raise UsageError(
                f"tile size {self.size}: an image of {width} x {height} pixels has "
                f"{count} such tiles, more than {MOST}; make them larger"
            )
        windows = [
            Window(left, top, right, bottom)
            for top, bottom in rows
            for left, right in columns
        ]
        if self.full_image and count > 1:
            windows.append(Window(0, 0, width, height))
        return windows

    def _spans(self, length: int) -> list[tuple[int, int]]:
        """Return the first and last pixel, exclusive, of each tile along one side."""
        side = min(self.side, length)
        step = max(1, int(side * (1 - self.overlap)))
        gaps = -(-(length - side) // step)
        starts = [round(index * (length - side) / gaps) for index in range(gaps)]
        return [(start, start + side) for start in [*starts, length - side]]


def tiles_as_json(tiles: Tiles) -> bytes:
    """Return tiles as a package holds them."""
    return f"{json.dumps(asdict(tiles), sort_keys=True)}\n".encode()


def tiles_from_json(content: bytes) -> Tiles:
    """Return what ``tiles_as_json`` was given; ValueError or TypeError otherwise."""
    return Tiles(**json.loads(content))
