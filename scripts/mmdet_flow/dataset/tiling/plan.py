"""Which tiles of an image are kept, and with what: decided before pixels are read."""

import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np

from mmdet_flow.dataset.tiling.parts import Part, TiledObject
from mmdet_flow.errors import UsageError
from mmdet_flow.files import NAME_MAX
from mmdet_flow.tiles import Tiles, Window

CUT = ".png"
"""What tiles are written as, without loss; an image that stays whole stays as it is."""

NAME = re.compile(r".+_\d+_\d+_\d+_\d+(\.\w+)?")
"""What names of tiles match."""


@dataclass(frozen=True)
class Cutting:
    """How a data set is cut into tiles.

    Attributes:
        tiles: how an image is divided.
        min_visible: the fraction of an object's area in its image that a tile must
            show for the object to be learned there.
        empty: the fraction of the tiles without any object that is kept.
        seed: of the choice of these.
    """

    tiles: Tiles
    min_visible: float = 0.3
    empty: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        """Raise UsageError for what are no fractions."""
        for name in ("min_visible", "empty"):
            if not 0 <= (value := getattr(self, name)) <= 1:
                option = f"--tile-{name.replace('_', '-')}"
                raise UsageError(f"{option} {value:g}: give a fraction, from 0 to 1")


@dataclass(frozen=True)
class Tile:
    """A tile that is kept.

    Attributes:
        name: that of its file.
        window: what of the image it shows.
        parts: what it shows of objects, by the index of each.
    """

    name: str
    window: Window
    parts: dict[int, Part]


@dataclass(frozen=True)
class Divided:
    """An image, and its tiles.

    Attributes:
        image: as COCO has it.
        objects: its annotations, as COCO has them.
        count: of all its tiles.
        kept: those that are written.
        visible: (objects,) the largest fraction of each that one tile shows.
        whole: (objects,) whether a tile shows all of it.
        learned: (objects,) in how many tiles it is learned.
    """

    image: dict
    objects: Sequence[dict]
    count: int
    kept: Sequence[Tile]
    visible: np.ndarray
    whole: np.ndarray
    learned: np.ndarray

    @property
    def crowd(self) -> np.ndarray:
        """(objects,) whether each is a crowd, which is not learned."""
        return np.array([bool(one.get("iscrowd")) for one in self.objects], bool)


def divide(image: dict, objects: Sequence[dict], cutting: Cutting) -> Divided:
    """Divide an image of a COCO file into tiles, and choose those to keep.

    A tile is kept if an object is learned in it. Of those that show no object, a
    fraction is; of those that show crowds alone, or parts too small to be learned,
    none: they would be learned as background. An image that is its only tile is kept,
    whatever it shows.
    """
    name, size = image["file_name"], (image["width"], image["height"])
    windows = cutting.tiles.windows(*size)
    items = [TiledObject(one, size) for one in objects]
    visible, learned = np.zeros(len(items)), np.zeros(len(items), int)
    whole = np.zeros(len(items), bool)
    kept = []
    for window, near in zip(windows, _near(items, windows), strict=True):
        shown = ((index, items[index].part_in(window)) for index in near)
        parts = {index: part for index, part in shown if part}
        for index, part in parts.items():
            visible[index] = max(visible[index], part.visible)
            whole[index] |= part.is_whole
            learned[index] += is_learned(part, cutting)
        if (
            any(is_learned(part, cutting) for part in parts.values())
            or (not parts and _is_chosen(name, window, cutting))
            or len(windows) == 1
        ):
            kept.append(Tile(tile_name(name, window, size), window, parts))
    return Divided(image, objects, len(windows), kept, visible, whole, learned)


def _near(
    items: Sequence[TiledObject], windows: Sequence[Window]
) -> Iterator[list[int]]:
    """Yield the indices of the objects whose extent reaches into each window."""
    nowhere = (np.inf, np.inf, -np.inf, -np.inf)
    extents = np.array([one.extent or nowhere for one in items]).reshape(-1, 4)
    left, top, right, bottom = extents.T
    for window in windows:
        across = (left < window.right) & (right > window.left)
        down = (top < window.bottom) & (bottom > window.top)
        yield np.flatnonzero(across & down).tolist()


def is_learned(part: Part, cutting: Cutting) -> bool:
    """Whether what a tile shows of an object is learned there."""
    crowd = part.annotation.get("iscrowd")
    return not crowd and (part.is_whole or part.visible >= cutting.min_visible)


def _is_chosen(name: str, window: Window, cutting: Cutting) -> bool:
    """Whether a tile without objects is kept: by its own hash, not by those before."""
    words = "/".join(map(str, (cutting.seed, name, *window)))
    digest = hashlib.sha256(words.encode()).digest()
    return int.from_bytes(digest[:8], "big") < cutting.empty * 2**64


def tile_name(name: str, window: Window, size: tuple[int, int]) -> str:
    """Return the name of a tile of an image of (width, height) pixels.

    It has the whole name of the image, so that no two images share one, and the window.
    A name that would be too long for a disk has a hash for that of the image.
    """
    is_cut = window != (0, 0, *size)
    end = CUT if is_cut else PurePosixPath(name).suffix
    place = "_{}_{}_{}_{}".format(*window) + end
    encoded = os.fsencode(name)
    if len(encoded) + len(place) > NAME_MAX:
        name = hashlib.sha256(encoded).hexdigest()
    return name + place
