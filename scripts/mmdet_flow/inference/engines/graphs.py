"""The parts of a detector that OpenVINO runs, as modules that can be traced.

A one-stage detector is one graph: backbone, neck and dense head. A two-stage detector
is a graph of backbone, neck and region proposal head, and one for each box and mask
head, with RoIAlign between them. Of any other detector backbone and neck are the graph.
"""

from dataclasses import dataclass
from typing import Any

from mmdet.models.dense_heads.base_dense_head import BaseDenseHead
from mmdet.models.detectors import SingleStageDetector, TwoStageDetector
from mmdet.models.roi_heads import CascadeRoIHead, StandardRoIHead
from mmdet.models.roi_heads.roi_extractors import SingleRoIExtractor
from torch import Tensor, nn

from mmdet_flow.roi_align import RoIAlign


class Features(tuple):
    """Feature maps on their way to the heads, with the dense head's outputs."""

    dense: Any = None


class DenseGraph(nn.Module):
    """Backbone and neck, and the dense head if there is one.

    Image (1, 3, height, width), normalised -> feature maps (1, height, width,
    channels), and the head's outputs.
    """

    def __init__(self, model: nn.Module, head: nn.Module | None) -> None:
        super().__init__()
        self.model, self.head = model, head
        self.needs_features = not isinstance(model, SingleStageDetector) or head is None

    def forward(self, image: Tensor) -> tuple:
        features = tuple(self.model.extract_feat(image))
        dense = self.head(features) if self.head is not None else ()
        maps = features if self.needs_features else ()
        return tuple(one.permute(0, 2, 3, 1) for one in maps), dense


@dataclass(frozen=True)
class RegionParts:
    """A RoI extractor of a model and the head that its output goes to."""

    name: str
    extractor: SingleRoIExtractor
    head: nn.Module


def dense_head(model: nn.Module) -> nn.Module | None:
    """Return the head that can join backbone and neck in one graph."""
    if isinstance(model, SingleStageDetector):
        standard, name = SingleStageDetector, "bbox_head"
    else:
        standard, name = TwoStageDetector, "rpn_head"
    head = getattr(model, name, None)
    follows = (
        isinstance(model, standard)
        and type(model).predict is standard.predict
        and isinstance(head, BaseDenseHead)
        and type(head).predict is BaseDenseHead.predict
    )
    return head if follows else None


def region_parts(model: nn.Module) -> list[RegionParts]:
    """Return the pairs of RoI extractor and head that can become graphs."""
    roi_head = getattr(model, "roi_head", None)
    if type(roi_head) not in (StandardRoIHead, CascadeRoIHead):
        return []
    if roi_head.with_shared_head:
        return []
    parts = []
    for task in ("bbox", "mask"):
        head = getattr(roi_head, f"{task}_head", None)
        extractor = getattr(roi_head, f"{task}_roi_extractor", None)
        if head is None or extractor is None:
            continue
        many = isinstance(head, nn.ModuleList)
        pairs = zip(extractor, head, strict=True) if many else [(extractor, head)]
        parts += [
            RegionParts(f"{task}-{number}", *pair) for number, pair in enumerate(pairs)
        ]
    return parts if all(_is_plain(part.extractor) for part in parts) else []


def _is_plain(extractor: nn.Module) -> bool:
    return type(extractor) is SingleRoIExtractor and all(
        type(layer) is RoIAlign for layer in extractor.roi_layers
    )
