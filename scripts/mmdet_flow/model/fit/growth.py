"""Images that are small at the beginning of a training, and of full size at its end.

After "EfficientNetV2" (Tan and Le 2021), without its changes of augmentation: what
small images teach is learned in a fraction of the time.
"""

import copy
import math
from typing import TYPE_CHECKING

from mmdet_flow.errors import UsageError

if TYPE_CHECKING:
    from mmengine.config import Config

SMALL_FRACTION = 0.6
"""The fraction of the epochs after which images have their full size."""

SIDES = ("scale", "crop_size", "size")
"""Keys of the light augmentation that hold (width, height)."""

LEAST_SIDE = 64
"""Pixels of the shorter side below which a network's coarsest map has but one cell."""


def grow(cfg: "Config", start: float, epochs: int) -> None:
    """Let the training begin with images of ``start`` times their size, in place.

    ``mmdet``'s PipelineSwitchHook changes the size between two epochs. The last epoch
    always has the full size. Raises UsageError for a ``start`` that is not above 0 and
    at most 1, and for a pipeline that mixes images, whose recipe changes by epochs of
    its own.
    """
    if not 0 < start <= 1:
        raise UsageError(f"grow_from: {start:g} is no fraction above 0 and at most 1")
    dataset = cfg.train_dataloader.dataset
    if "pipeline" not in dataset or _mixes_images(dataset.pipeline):
        raise UsageError(
            "grow_from: only images of augment: light can grow; take that, or leave "
            "grow_from at 1"
        )
    switch = math.floor(SMALL_FRACTION * epochs)
    full = dataset.pipeline
    small = _resized(full, start)
    if not switch or small == full:
        return
    dataset.pipeline = small
    hook = dict(type="PipelineSwitchHook", switch_epoch=switch, switch_pipeline=full)
    cfg.custom_hooks = [*(cfg.get("custom_hooks") or []), hook]


def _mixes_images(pipeline: list[dict]) -> bool:
    return any("Mosaic" in step["type"] or "MixUp" in step["type"] for step in pipeline)


def _resized(pipeline: list[dict], ratio: float) -> list[dict]:
    pipeline = copy.deepcopy(pipeline)
    for step in pipeline:
        for key in SIDES:
            if key in step:
                step[key] = tuple(_side(side * ratio) for side in step[key])
    return pipeline


def _side(side: float) -> int:
    """Round up to a multiple of 32, the largest stride of the zoo's networks."""
    return max(LEAST_SIDE, math.ceil(side / 32 - 0.01) * 32)
