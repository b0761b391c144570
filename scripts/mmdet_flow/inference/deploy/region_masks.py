"""The masks of regions, as Mask R-CNN has them: small ones that fill their boxes."""

from dataclasses import dataclass

import numpy as np

from mmdet_flow.detections import Mask
from mmdet_flow.inference.deploy.regions import Regions


@dataclass(frozen=True)
class RegionMasks:
    """How masks are made of regions (mmdet's FCNMaskHead; He et al. 2017).

    Attributes:
        regions: what the head sees of them.
        threshold: of a pixel's probability.
    """

    regions: Regions
    threshold: float

    def masks(
        self, small: np.ndarray, boxes: np.ndarray, size: tuple[int, int]
    ) -> tuple[Mask, ...]:
        """Return the masks of objects in an image of ``size`` (width, height).

        Args:
            small: probabilities (n, h, w) float32 that fill the boxes.
            boxes: (n, 4) float32 in pixels of the image.
        """
        masks = []
        starts = np.maximum(np.floor(boxes[:, :2]) - 1, 0).astype(int)
        ends = np.minimum(np.ceil(boxes[:, 2:]) + 1, size).astype(int)
        threshold = np.float32(self.threshold)
        for one, box, (x, y), (right, bottom) in zip(
            small, boxes, starts.tolist(), ends.tolist(), strict=True
        ):
            rows = _bilinear(y, bottom, box[1], box[3], one.shape[0])
            columns = _bilinear(x, right, box[0], box[2], one.shape[1])
            masks.append(Mask(x, y, rows @ one @ columns.T >= threshold))
        return tuple(masks)


def _bilinear(
    begin: int, end: int, low: np.float32, high: np.float32, length: int
) -> np.ndarray:
    """Return the weights (pixels, length) of what lies between ``low`` and ``high``.

    They are those of the pixels from ``begin`` up to ``end``; beyond the edges is zero.
    """
    pixels = np.arange(begin, end, dtype=np.float32) + np.float32(0.5)
    with np.errstate(divide="ignore", invalid="ignore"):
        places = (pixels - low) / (high - low) * 2 - 1
    places[np.isinf(places)] = 0  # as mmdet has it for boxes without area
    places = ((places + 1) * length - 1) / 2
    distances = np.abs(places[:, None] - np.arange(length, dtype=np.float32))
    return np.maximum(1 - distances, 0)
