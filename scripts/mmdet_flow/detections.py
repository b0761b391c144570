"""What a model found in one image: all that writers and services get to see."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np


def reaches(scores: np.ndarray, threshold: float | np.ndarray) -> np.ndarray:
    """Return which scores (n,) are at least a threshold: a number, or one each (n,).

    This is the one comparison there is. Scores are float32, and so thresholds are
    compared as such: 0.7 keeps what a model and all files call 0.7.
    """
    return np.asarray(scores, np.float32) >= np.asarray(threshold, np.float32)


class _Part:
    """A part of an image that begins at ``left``, ``top``, and its ``pixels``."""

    left: int
    top: int
    shape: tuple[int, int]
    pixels: np.ndarray

    @property
    def right(self) -> int:
        return self.left + self.shape[1]

    @property
    def bottom(self) -> int:
        return self.top + self.shape[0]

    @property
    def area(self) -> int:
        return int(np.count_nonzero(self.pixels))

    def within(self, left: int = 0, top: int = 0) -> tuple[slice, slice]:
        """Return its rows and columns in an array that begins at ``left``, ``top``."""
        rows = slice(self.top - top, self.bottom - top)
        return rows, slice(self.left - left, self.right - left)

    def in_image(self, width: int, height: int) -> np.ndarray:
        """Return the mask (height, width) bool of the whole image."""
        whole = np.zeros((height, width), bool)
        whole[self.within()] = self.pixels
        return whole


@dataclass(frozen=True)
class Mask(_Part):
    """The pixels of an object: a part of its image that has them all.

    Attributes:
        left, top: where the part begins, in pixels of the image.
        pixels: (height, width) bool; both may be 0.
    """

    left: int
    top: int
    pixels: np.ndarray

    @property
    def shape(self) -> tuple[int, int]:
        return self.pixels.shape

    @classmethod
    def of_image(cls, pixels: np.ndarray) -> "Mask":
        """Return the smallest part of a mask (height, width) bool of a whole image.

        It is a copy: one object does not keep the masks of all in memory.
        """
        columns, rows = (np.flatnonzero(pixels.any(axis)) for axis in (0, 1))
        if not len(columns):
            return cls(0, 0, np.zeros((0, 0), bool))
        left, top = int(columns[0]), int(rows[0])
        part = pixels[top : rows[-1] + 1, left : columns[-1] + 1]
        return cls(left, top, part.copy())

    @classmethod
    def join(cls, masks: Sequence["Mask | PackedMask"]) -> "Mask":
        """Return the pixels of several masks of one image."""
        left, top = (
            min(getattr(one, side) for one in masks) for side in ("left", "top")
        )
        right, bottom = (
            max(getattr(one, side) for one in masks) for side in ("right", "bottom")
        )
        joined = cls(left, top, np.zeros((bottom - top, right - left), bool))
        for one in masks:
            joined.pixels[one.within(left, top)] |= one.pixels
        return joined

    def moved(self, right: int, down: int) -> "Mask":
        """Return the same pixels elsewhere in an image."""
        return Mask(self.left + right, self.top + down, self.pixels)

    def packed(self) -> "PackedMask":
        """Return the same pixels in an eighth of the memory."""
        return PackedMask(self.left, self.top, self.shape, np.packbits(self.pixels))


@dataclass(frozen=True)
class PackedMask(_Part):
    """A mask of an image that may have ten thousands of them.

    Attributes:
        left, top: as in ``Mask``.
        shape: (height, width) of its pixels.
        bits: (bytes,) uint8, eight pixels each, row by row.
    """

    left: int
    top: int
    shape: tuple[int, int]
    bits: np.ndarray

    def moved(self, right: int, down: int) -> "PackedMask":
        """Return the same pixels elsewhere in an image."""
        return replace(self, left=self.left + right, top=self.top + down)

    def packed(self) -> "PackedMask":
        return self

    @property
    def pixels(self) -> np.ndarray:
        """(height, width) bool, unpacked each time."""
        pixels = np.unpackbits(self.bits, count=self.shape[0] * self.shape[1])
        return pixels.view(bool).reshape(self.shape)


@dataclass(frozen=True)
class Detections:
    """The objects of one image, highest score first.

    Attributes:
        width, height: size of the image in pixels, after its EXIF rotation.
        boxes: (n, 4) float32, left, top, right, bottom in pixels; the right and
            bottom edges are exclusive.
        scores: (n,) float32 from 0 to 1.
        labels: (n,) int64, indices into ``classes``.
        classes: the class names.
        masks: n of them, or None if the model has no masks; packed if of tiles.
    """

    width: int
    height: int
    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]
    masks: tuple[Mask, ...] | tuple[PackedMask, ...] | None = None

    def __post_init__(self) -> None:
        count = len(self.scores)
        for name, array, shape in (
            ("boxes", self.boxes, (count, 4)),
            ("scores", self.scores, (count,)),
            ("labels", self.labels, (count,)),
        ):
            if array.shape != shape:
                raise ValueError(f"{name}: expected shape {shape}, got {array.shape}")
        if self.masks is not None and len(self.masks) != count:
            raise ValueError(f"masks: expected {count}, got {len(self.masks)}")

    def __len__(self) -> int:
        return len(self.scores)

    def above(self, score: float | np.ndarray) -> "Detections":
        """Return the objects with at least this score, or that of their class.

        ``score`` is a number, or float64 (classes,).
        """
        if isinstance(score, np.ndarray):
            score = score[self.labels]
        return self.chosen(np.flatnonzero(reaches(self.scores, score)))

    def packed(self) -> "Detections":
        """Return the same objects with packed masks."""
        masks = self.masks and tuple(one.packed() for one in self.masks)
        return replace(self, masks=masks)

    def chosen(self, which: np.ndarray) -> "Detections":
        """Return some objects, by their numbers (n,) in descending order of score."""
        return Detections(
            self.width,
            self.height,
            self.boxes[which],
            self.scores[which],
            self.labels[which],
            self.classes,
            None if self.masks is None else tuple(self.masks[one] for one in which),
        )
