"""Images as a network takes them: resized and padded as in mmdet's test pipelines."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np


class Frame(NamedTuple):
    """The size of an image, before and after it is prepared.

    Attributes:
        size: (width, height).
        prepared: the same, as the network sees it.
        scale: (x, y), pixels of the prepared image for one of the image.
    """

    size: tuple[int, int]
    prepared: tuple[int, int]
    scale: tuple[float, float]


@dataclass(frozen=True)
class Preparation:
    """What is done with an image before the network sees it.

    Attributes:
        size: the (width, height) that it is resized to.
        keep_ratio: whether it only has to fit into the size.
        pad_size: the (width, height) that it is padded to, to the right and bottom;
            larger ones stay.
        pad_square: whether it is padded to a square.
        pad_divisor: width and height are padded to multiples of it.
        pad_value: of the padding, in BGR.
    """

    size: tuple[int, int]
    keep_ratio: bool = True
    pad_size: tuple[int, int] = (0, 0)
    pad_square: bool = False
    pad_divisor: int = 1
    pad_value: tuple[int, int, int] = (0, 0, 0)

    def frame(self, width: int, height: int) -> Frame:
        """Return the sizes of an image of this size."""
        size = self.resized(width, height)
        scale = size[0] / width, size[1] / height
        return Frame((width, height), self.padded(*size), scale)

    def resized(self, width: int, height: int) -> tuple[int, int]:
        """Return the (width, height) of an image of this size once it is resized."""
        if not self.keep_ratio:
            return self.size
        long, short = max(self.size), min(self.size)
        scale = min(long / max(height, width), short / min(height, width))
        return int(width * scale + 0.5), int(height * scale + 0.5)

    def padded(self, width: int, height: int) -> tuple[int, int]:
        """Return the (width, height) of a resized image once it is padded."""
        if self.pad_square:
            width = height = max(width, height)
        width = max(width, self.pad_size[0])
        height = max(height, self.pad_size[1])
        divisor = self.pad_divisor
        return -(-width // divisor) * divisor, -(-height // divisor) * divisor

    def prepare(self, image: np.ndarray) -> np.ndarray:
        """Return a (height, width, 3) uint8 image as the network takes it."""
        import cv2

        size = self.resized(image.shape[1], image.shape[0])
        width, height = self.padded(*size)
        if (width, height) == size:
            return cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)
        canvas = np.empty((height, width, 3), np.uint8)
        cv2.resize(
            image,
            size,
            dst=canvas[: size[1], : size[0]],
            interpolation=cv2.INTER_LINEAR,
        )
        # By rows: numpy takes its time over each pixel of three numbers.
        row = np.array(self.pad_value * width, np.uint8)
        rows, edge = canvas.reshape(height, -1), 3 * size[0]
        rows[size[1] :] = row
        rows[: size[1], edge:] = row[edge:]
        return canvas
