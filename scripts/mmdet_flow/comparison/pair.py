"""Two models that were measured on the same test images."""

from dataclasses import dataclass

import numpy as np

from mmdet_flow.comparison.flips import ImageFlips
from mmdet_flow.dataset.coco import CocoFile
from mmdet_flow.evaluation.assignment import Assignment


@dataclass(frozen=True)
class Pair:
    """Two models on the same test images.

    Attributes:
        truth: the annotations of both.
        kind: what detections are matched by, "segm" where both have masks, or "bbox".
        kept: what became of the detections of each that its own scores keep.
        lowest: (classes,) these scores, of each.
        flips: all images, most flips first.
        differences: the paired differences by kind.
    """

    truth: CocoFile
    kind: str
    kept: tuple[Assignment, Assignment]
    lowest: tuple[np.ndarray, np.ndarray]
    flips: list[ImageFlips]
    differences: dict[str, dict]
