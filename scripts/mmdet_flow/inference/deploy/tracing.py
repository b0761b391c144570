"""A detector as one graph from pixels to candidates, traced with mmdet's own code.

Everything that mmdet computes for every prior of an image becomes part of the graph:
normalising, the network, scores, decoded boxes. What depends on which of them are kept
does not: there mmdet's functions are replaced while the graph is traced.
"""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from unittest.mock import patch

import torch
import torch.nn.functional as F
from mmdet.models.dense_heads import RPNHead, RTMDetInsHead, YOLOXHead
from mmdet.models.dense_heads.base_dense_head import BaseDenseHead
from torch import Tensor, nn

from mmdet_flow.inference.engines.engine import CannotTrace


class CandidatesGraph(nn.Module):
    """Pixels (1, height, width, 3) uint8 BGR -> the candidates of each level.

    Returns for each of the L levels the scores (priors, classes); then the boxes
    (priors of all levels, 4) in pixels of the input, not clipped; and what the head
    has besides, by ``names``: factors (priors,) that scores are multiplied by, or what
    masks are made of. Last come as many feature maps (1, height, width, channels) as
    are wanted.
    """

    shapes = ((1, -1, -1, 3),)

    def __init__(self, model: nn.Module, head: BaseDenseHead, maps: int = 0) -> None:
        super().__init__()
        self.model, self.head, self.maps = model, head, maps
        self.normalise = Normalise(model.data_preprocessor)
        self.names: list[str] = []

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        features = self.model.extract_feat(self.normalise(pixels))
        scores, more = candidates(self.head, self.head(features))
        for level, one in enumerate(features[: self.maps]):
            more[f"map-{level}"] = one.permute(0, 2, 3, 1)
        self.names = [f"scores-{level}" for level in range(len(scores))] + [*more]
        return (*scores, *more.values())


class Normalise(nn.Module):
    """What the data preprocessor of mmdet does with an image."""

    def __init__(self, preprocessor: nn.Module) -> None:
        super().__init__()
        if type(preprocessor).__name__ != "DetDataPreprocessor":
            raise CannotTrace(f"its images go through a {type(preprocessor).__name__}")
        self.swap = preprocessor._channel_conversion
        self.divisor = preprocessor.pad_size_divisor
        self.value = float(preprocessor.pad_value)
        normalises = preprocessor._enable_normalize
        self.mean = preprocessor.mean if normalises else None
        self.std = preprocessor.std if normalises else None

    def forward(self, pixels: Tensor) -> Tensor:
        image = pixels.permute(0, 3, 1, 2).float()
        if self.swap:
            image = image[:, [2, 1, 0]]
        if self.mean is not None:
            image = (image - self.mean) / self.std
        if self.divisor > 1:
            bottom, right = (-size % self.divisor for size in image.shape[2:])
            image = F.pad(image, (0, right, 0, bottom), value=self.value)
        return image


def candidates(head: BaseDenseHead, outputs: tuple) -> tuple[list[Tensor], dict]:
    """Return the scores of each level, and the boxes and other values of all priors."""
    if type(head) is YOLOXHead:
        return _of_yolox(head, outputs)
    if type(head) is RPNHead:
        return _of_rpn(head, outputs)
    kept: list[Tensor] = []
    with _keeping_all(head, kept):
        (found,) = head.predict_by_feat(
            *outputs,
            batch_img_metas=[{"img_shape": None, "scale_factor": (1.0, 1.0)}],
            rescale=False,
        )
    more = {"boxes": found.bboxes}
    if "score_factors" in found:
        more["factors"] = found.score_factors
    if isinstance(head, RTMDetInsHead):
        more |= {"priors": found.priors, "kernels": found.kernels}
        more["mask_feature"] = outputs[-1]
    return kept, more


def _of_yolox(head: YOLOXHead, outputs: tuple) -> tuple[list[Tensor], dict]:
    """Return one level: of each prior only its best class is a candidate."""
    classes, boxes, objects = (
        torch.cat([_rows(one, one.shape[1]) for one in levels]) for levels in outputs
    )
    priors = torch.cat(
        [
            _grid(head.prior_generator, index, one, with_stride=True)
            for index, one in enumerate(outputs[0])
        ]
    )
    scores = classes.sigmoid() * objects.sigmoid()
    return [scores], {"boxes": head._bbox_decode(priors, boxes[None])[0]}


def _of_rpn(head: RPNHead, outputs: tuple) -> tuple[list[Tensor], dict]:
    """Return levels with one class: that there is something."""
    scores, boxes = [], []
    for index, (classes, deltas) in enumerate(zip(*outputs, strict=True)):
        logits = _rows(classes, head.cls_out_channels)
        something = logits.sigmoid() if head.use_sigmoid_cls else logits.softmax(1)
        scores.append(something[:, :1])
        priors = _grid(head.prior_generator, index, classes, with_stride=False)
        boxes.append(head.bbox_coder.decode(priors, _rows(deltas, 4)))
    return scores, {"boxes": torch.cat(boxes)}


def _rows(level: Tensor, width: int) -> Tensor:
    return level.permute(0, 2, 3, 1).reshape(-1, width)


@contextmanager
def _keeping_all(head: BaseDenseHead, scores: list[Tensor]) -> Iterator[None]:
    """Let a head decode every prior, append its scores, and suppress nothing."""

    def keep_all(level, threshold, most, results=None):
        scores.append(level)
        none = level[:, 0]
        return none, none, slice(None), results

    def grids(sizes, dtype=None, device=None, with_stride=False):
        return [
            _grid(generator, index, size, with_stride)
            for index, size in enumerate(shapes)
        ]

    generator = head.prior_generator
    shapes: list[Tensor] = []
    original = head.predict_by_feat
    with ExitStack() as stack:
        for name in {type(head).__module__, BaseDenseHead.__module__, _where(head)}:
            module = sys.modules[name]
            if hasattr(module, "filter_scores_and_topk"):
                stack.enter_context(
                    patch.object(module, "filter_scores_and_topk", keep_all)
                )
        for name in ("_bbox_post_process", "_bbox_mask_post_process"):
            if hasattr(head, name):
                stack.enter_context(
                    patch.object(head, name, lambda results, **_: results)
                )
        stack.enter_context(patch.object(generator, "grid_priors", grids))

        def predict_by_feat(*outputs, **options):
            shapes[:] = outputs[0]
            return original(*outputs, **options)

        stack.enter_context(patch.object(head, "predict_by_feat", predict_by_feat))
        yield


def _where(head: BaseDenseHead) -> str:
    return type(head)._predict_by_feat_single.__module__


def _grid(generator, level: int, feature: Tensor, with_stride: bool) -> Tensor:
    """Return the priors (n, 2 or 4) of a level, for any size of its feature map.

    The same as ``grid_priors`` of mmdet, whose sizes would be fixed in the graph.
    """
    base, right, down = _pattern(generator, level, with_stride)
    ones = torch.ones_like(feature[0, 0])
    columns, rows = ones.cumsum(1) - 1, ones.cumsum(0) - 1
    shape = (-1, 1, 1)
    moved = columns.reshape(shape) * right + rows.reshape(shape) * down
    return (base + moved).reshape(-1, base.shape[-1])


def _pattern(generator, level: int, with_stride: bool) -> tuple[Tensor, ...]:
    """Return the priors (n, k) of the first cell, and the step to the next ones (k)."""

    def priors(*size: int) -> Tensor:
        options = {"with_stride": True} if with_stride else {}
        return generator.single_level_grid_priors(
            size, level_idx=level, device="cpu", **options
        )

    base = priors(1, 1)
    count = len(base)
    right = priors(1, 2)[count:] - base
    down = priors(2, 1)[count:] - base
    return base, right[:1], down[:1]
