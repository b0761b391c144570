"""Regions of feature maps: each cut out of the map that fits its size (RoIAlign).

Equal to mmdet's SingleRoIExtractor with mmcv's RoIAlign, after "Feature Pyramid
Networks" (Lin et al. 2017) and "Mask R-CNN" (He et al. 2017).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Regions:
    """How that which a head sees of a region is cut out of the feature maps.

    Attributes:
        strides: of the maps, in pixels of the prepared image.
        finest: regions of less than twice this length (root of the area) are cut out
            of the first map, those of less than four times out of the second, and so
            on.
        bins: in height and width of a region.
        samples: in height and width of a bin; 0 takes one for each pixel of the map
            that it spans.
        aligned: whether the centre of a pixel is at a half, not at zero.
    """

    strides: tuple[float, ...]
    finest: float
    bins: tuple[int, int]
    samples: int
    aligned: bool

    def cut(self, maps: Sequence[np.ndarray], boxes: np.ndarray) -> np.ndarray:
        """Return the mean features (n, *bins, channels) of the bins of boxes.

        Args:
            maps: (height, width, channels) float32, of each stride.
            boxes: (n, 4) float32 in pixels of the prepared image.
        """
        found = np.empty((len(boxes), *self.bins, maps[0].shape[2]), np.float32)
        levels = self._levels(boxes)
        for level, stride in enumerate(self.strides):
            some = np.flatnonzero(levels == level)
            self._cut(maps[level], boxes[some] * np.float32(1 / stride), found, some)
        return found

    def _levels(self, boxes: np.ndarray) -> np.ndarray:
        """Return the index of the map of each box."""
        size = boxes[:, 2:] - boxes[:, :2]
        length = np.sqrt(size[:, 0] * size[:, 1])
        levels = np.floor(np.log2(length / np.float32(self.finest) + np.float32(1e-6)))
        return levels.clip(0, len(self.strides) - 1)

    def _cut(
        self, feature: np.ndarray, boxes: np.ndarray, found: np.ndarray, at: np.ndarray
    ) -> None:
        """Write boxes, in pixels of a map, to these indices of what is found."""
        height, width, channels = feature.shape
        down = self._axis(boxes[:, 1], boxes[:, 3], self.bins[0], height)
        across = self._axis(boxes[:, 0], boxes[:, 2], self.bins[1], width)
        for index, (y, rows), (x, columns) in zip(at, down, across, strict=True):
            some = feature[y : y + rows.shape[1], x : x + columns.shape[1]]
            # The mean over an area is that over rows, and then over columns.
            means = rows @ some.reshape(len(some), -1)
            np.matmul(columns, means.reshape(len(rows), -1, channels), out=found[index])

    def _axis(
        self, start: np.ndarray, end: np.ndarray, bins: int, length: int
    ) -> list[tuple[int, np.ndarray]]:
        """Return the first pixel of each region along an axis, and weights from there.

        The weights (bins, pixels) of a bin add up to 1, to less where samples are
        outside, and to 0 where there are none.
        """
        offset = np.float32(0.5 if self.aligned else 0)
        start, end = start - offset, end - offset
        sizes = np.maximum(end - start, 0 if self.aligned else 1) / np.float32(bins)
        counts = (
            np.ceil(sizes) if self.samples == 0 else np.full(len(sizes), self.samples)
        )
        found: list = [None] * len(start)
        for count in np.unique(counts):
            # Regions with as many samples in a bin are sampled together.
            some = np.flatnonzero(counts == count)
            parts = _weights(start[some], sizes[some], bins, int(count), length)
            for index, part in zip(some, parts, strict=True):
                found[index] = part
        return found


def _weights(
    start: np.ndarray, size: np.ndarray, bins: int, samples: int, length: int
) -> list[tuple[int, np.ndarray]]:
    """Return what ``_axis`` does, of bins of a size with this number of samples."""
    if samples == 0:
        return [(0, np.zeros((bins, 1), np.float32))] * len(start)
    steps = (np.arange(samples, dtype=np.float32) + np.float32(0.5)) / samples
    begins = start[:, None] + np.arange(bins, dtype=np.float32) * size[:, None]
    at = begins[:, :, None] + steps * size[:, None, None]
    share = ((at >= -1) & (at <= length)) / np.float32(samples)
    at = at.clip(0, length - 1)
    low = at.astype(int)
    high = np.minimum(low + 1, length - 1)
    upper = (at - low).astype(np.float32) * share
    lower = share - upper
    first = low[:, 0, 0]
    ends = high[:, -1, -1] - first + 1
    weights = np.zeros((len(start), bins, ends.max()), np.float32)
    region, each = np.ogrid[: len(start), :bins]
    origin = first[:, None]
    for sample in range(samples):
        weights[region, each, low[:, :, sample] - origin] += lower[:, :, sample]
        weights[region, each, high[:, :, sample] - origin] += upper[:, :, sample]
    return [
        (begin, one[:, :end])
        for begin, one, end in zip(first, weights, ends, strict=True)
    ]
