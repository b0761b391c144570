"""A detector of large images, which shows the tiles of an image to another detector."""

from collections.abc import Sequence
from itertools import islice

import numpy as np

from mmdet_flow.detections import Detections
from mmdet_flow.errors import DataError
from mmdet_flow.image_windows import WindowedImage
from mmdet_flow.inference.tiled.merging import merge
from mmdet_flow.tiles import Tiles

TOGETHER = 32
"""Tiles that the detector gets at a time: many for its threads, few for memory."""


class TiledDetector:
    """Finds the objects of images by their tiles.

    Attributes:
        classes, engine: those of the detector that sees the tiles.
        meta: its own, and how images are divided.
    """

    def __init__(self, detector, tiles: Tiles) -> None:
        self.classes, self.engine = detector.classes, detector.engine
        self.meta = detector.meta | {"tiles": str(tiles)}
        self._detector, self._tiles = detector, tiles

    def predict(self, images: Sequence) -> list[Detections]:
        """Find the objects in images, each (height, width, 3) uint8 BGR.

        An image may be an array, or whatever gives one for two slices, as
        ``WindowedImage`` does: its tiles are read as their turn comes.
        """
        return [self._predict(image) for image in images]

    def _predict(self, image) -> Detections:
        height, width = image.shape[:2]
        if self._tiles.full_image and isinstance(image, WindowedImage):
            raise DataError(
                "the image is too large to be seen as a whole; leave out the full image"
            )
        windows = self._tiles.windows(width, height)
        found: list[Detections] = []
        remaining = iter(windows)
        while some := list(islice(remaining, TOGETHER)):
            tiles = [
                np.ascontiguousarray(image[one.top : one.bottom, one.left : one.right])
                for one in some
            ]
            shown = self._detector.predict(tiles)
            found += [one.packed() for one in shown] if len(windows) > 1 else shown
        return merge(width, height, windows, found)
