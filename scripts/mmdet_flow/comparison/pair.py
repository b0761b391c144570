"""Two models that were measured on the same test images."""

from dataclasses import dataclass

from mmdet_flow.comparison.disagreements import Disagreement
from mmdet_flow.dataset.coco import CocoFile
from mmdet_flow.evaluation.assignment import Assignment


@dataclass(frozen=True)
class Pair:
    """Two models on the same test images.

    Attributes:
        truth: the annotations of both.
        iou_type: what detections are matched by, "segm" where both have masks, or
            "bbox".
        kept: what the detections of each are that reach its own score thresholds.
        images: all of them, those with the most disagreements first.
        differences: the paired differences by IoU type.
    """

    truth: CocoFile
    iou_type: str
    kept: tuple[Assignment, Assignment]
    images: list[Disagreement]
    differences: dict[str, dict]
