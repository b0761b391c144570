"""The second stage of a detector of mmdet: what can be traced, and what is read off."""

import torch
from mmdet.models.dense_heads import RPNHead
from mmdet.models.roi_heads import StandardRoIHead
from mmdet.models.roi_heads.bbox_heads import BBoxHead
from mmdet.models.roi_heads.mask_heads import FCNMaskHead
from mmdet.models.roi_heads.roi_extractors import SingleRoIExtractor
from torch import Tensor, nn

from mmdet_flow.inference.deploy.candidates import Selection
from mmdet_flow.inference.deploy.form import BOXES, MASKS, SecondStage
from mmdet_flow.inference.deploy.region_masks import RegionMasks
from mmdet_flow.inference.deploy.regions import Regions
from mmdet_flow.inference.engines.engine import CannotTrace
from mmdet_flow.inference.engines.graphs import region_parts
from mmdet_flow.roi_align import use_fast_roi_align


class BoxesGraph(nn.Module):
    """Features (n, *bins, channels) of regions (n, 4) -> what they are, and where.

    Returns scores (n, classes), and boxes (n, classes, 4) or, if they are those of all
    classes, (n, 4), in pixels as the regions are, not clipped.
    """

    def __init__(self, head: BBoxHead, extractor: SingleRoIExtractor) -> None:
        super().__init__()
        self.head, self.regions = head, _read_regions(extractor)
        self.shapes = ((-1, *self.regions.bins, extractor.out_channels), (-1, 4))

    def forward(self, features: Tensor, regions: Tensor) -> tuple[Tensor, Tensor]:
        logits, deltas = self.head(features.permute(0, 3, 1, 2))
        boxes = self.head.bbox_coder.decode(regions, deltas)
        if not self.head.reg_class_agnostic:
            boxes = boxes.reshape(-1, self.head.num_classes, 4)
        return logits.softmax(1)[:, :-1], boxes

    def probe(self, count: int) -> tuple[Tensor, Tensor]:
        """Return inputs of this many regions."""
        generator = torch.Generator().manual_seed(0)
        corners = torch.rand((count, 2, 2), generator=generator) * 300
        regions = corners.sort(1).values.reshape(count, 4)
        return _features(count, self.shapes[0], generator), regions


class MasksGraph(nn.Module):
    """Features (n, *bins, channels) of objects with labels (n,) -> their masks.

    Returns the probabilities (n, height, width) of pixels that fill the boxes.
    """

    def __init__(self, head: FCNMaskHead, extractor: SingleRoIExtractor) -> None:
        super().__init__()
        self.head, self.regions = head, _read_regions(extractor)
        self.shapes = ((-1, *self.regions.bins, extractor.out_channels), (-1,))

    def forward(self, features: Tensor, labels: Tensor) -> tuple[Tensor]:
        logits = self.head(features.permute(0, 3, 1, 2))
        if self.head.class_agnostic:
            labels = labels * 0
        return (logits[torch.arange(logits.shape[0]), labels].sigmoid(),)

    def probe(self, count: int) -> tuple[Tensor, Tensor]:
        """Return inputs of this many objects."""
        generator = torch.Generator().manual_seed(0)
        labels = torch.arange(count) % self.head.num_classes
        return _features(count, self.shapes[0], generator), labels


def second_stage(
    model: nn.Module, proposals: Selection
) -> tuple[SecondStage, dict[str, nn.Module]]:
    """Return the rules of the second stage of a detector, and its graphs.

    Raises CannotTrace for one that is not that of Faster or Mask R-CNN.
    """
    use_fast_roi_align(model)
    _require_plain(model)
    head = model.roi_head
    graphs: dict = {BOXES: BoxesGraph(head.bbox_head, head.bbox_roi_extractor)}
    masks = None
    if head.with_mask:
        graphs[MASKS] = MasksGraph(head.mask_head, head.mask_roi_extractor)
        threshold = float(head.test_cfg.mask_thr_binary)
        masks = RegionMasks(graphs[MASKS].regions, threshold)
    return SecondStage(proposals, graphs[BOXES].regions, masks), graphs


def _read_regions(extractor: SingleRoIExtractor) -> Regions:
    """Return how an extractor cuts regions out of feature maps."""
    layer = extractor.roi_layers[0]
    return Regions(
        strides=tuple(map(float, extractor.featmap_strides)),
        finest=float(extractor.finest_scale),
        bins=tuple(map(int, layer.output_size)),
        samples=int(layer.sampling_ratio),
        aligned=bool(layer.aligned),
    )


def _features(count: int, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    return torch.randn((count, *shape[1:]), generator=generator)


def _require_plain(model: nn.Module) -> None:
    head = model.roi_head
    for part, plain in ((model.rpn_head, RPNHead), (head, StandardRoIHead)):
        if type(part) is not plain:
            raise CannotTrace(f"it has a {type(part).__name__}, no {plain.__name__}")
    if not region_parts(model):
        raise CannotTrace("its regions are not cut out by RoIAlign of a single level")
    boxes = head.bbox_head
    if not _predicts_like(boxes, BBoxHead) or boxes.custom_cls_channels:
        raise CannotTrace(f"its {type(boxes).__name__} scores in a way of its own")
    if not (boxes.with_cls and boxes.with_reg and boxes.bbox_coder.encode_size == 4):
        raise CannotTrace("its second stage gives no classes, or no boxes")
    if head.with_mask:
        masks = head.mask_head
        if not _predicts_like(masks, FCNMaskHead):
            raise CannotTrace(f"its {type(masks).__name__} has a way of its own")
        if head.test_cfg.mask_thr_binary < 0:
            raise CannotTrace("its masks are not of two values")


def _predicts_like(head: nn.Module, standard: type) -> bool:
    names = ("predict_by_feat", "_predict_by_feat_single")
    return isinstance(head, standard) and all(
        getattr(type(head), name) is getattr(standard, name) for name in names
    )
