"""Images that are small at the beginning of a training, and of full size at its end.

After "EfficientNetV2" (Tan and Le 2021), without its changes of augmentation: what
small images teach is learned in a fraction of the time.
"""

import copy
import math
from collections import defaultdict
from collections.abc import Callable
from statistics import median
from typing import TYPE_CHECKING

from mmdet_flow import cli
from mmdet_flow.dataset.coco import CocoFile
from mmdet_flow.errors import UsageError
from mmdet_flow.model.fit.recipe import Recipe
from mmdet_flow.model.fit.tree import stretches_images, test_scale

if TYPE_CHECKING:
    from mmengine.config import Config

SMALL_FRACTION = 0.6
"""The fraction of the epochs after which images have their full size."""

SIDES = ("scale", "crop_size", "size")
"""Keys of the light augmentation that hold (width, height)."""

AUTO = "auto"
"""Grow where it is known to help, and not at all elsewhere."""

AUTO_FRACTION, AUTO_SIDE = 0.5, 160
"""With what of their size images begin then, and the least pixels of the longer side.

With 96 pixels a training with masks had learned nothing when they grew.
"""

LEAST_PIXELS = 8
"""Of the shorter side of a small object: a cell of the finest map of most networks."""

LEAST_SIDE = 64
"""Pixels of the shorter side below which a network's coarsest map has but one cell."""


def grow(cfg: "Config", recipe: Recipe, train: CocoFile) -> None:
    """Let the training begin with images of ``grow_from`` of their size, in place.

    They are larger where objects would be too small to be seen. ``mmdet``'s
    PipelineSwitchHook changes the size between two epochs. The last epoch always has
    the full size. Raises UsageError for a fraction that is not above 0 and at most 1,
    for a pipeline that mixes images, whose recipe changes by epochs of its own, and for
    a model that gives its batches sizes of its own.
    """
    resizes, has_a_size = _batch_sizes(cfg.model), stretches_images(cfg)
    if recipe.grow_from == AUTO and (resizes or has_a_size):
        return
    start = first_fraction(
        recipe.grow_from, recipe.augment, lambda: max(test_scale(cfg))
    )
    if start == 1:
        return
    if not 0 < start < 1:
        raise UsageError(f"grow_from: {start:g} is no fraction above 0 and at most 1")
    if resizes:
        raise UsageError(
            f"grow_from: the model gives batches a size of its own ({resizes}), "
            "whatever that of their images is; leave grow_from at 1"
        )
    dataset = cfg.train_dataloader.dataset
    if "pipeline" not in dataset or _mixes_images(dataset.pipeline):
        raise UsageError(
            "grow_from: only images of augment: light can grow; take that, or leave "
            "grow_from at 1"
        )
    switch = small_epochs(recipe.epochs)
    full = dataset.pipeline
    small = _resized(full, first_ratio(start, _smallest(train, max(test_scale(cfg)))))
    if not switch or small == full:
        return
    dataset.pipeline = small
    hook = dict(type="PipelineSwitchHook", switch_epoch=switch, switch_pipeline=full)
    cfg.custom_hooks = [*(cfg.get("custom_hooks") or []), hook]


def first_fraction(
    grow_from: float | str, augment: str, side: Callable[[], float]
) -> float:
    """Return with what fraction of their size images are to begin; 1 if none grow.

    Args:
        grow_from: that fraction, or AUTO, which only large images of the light
            augmentation grow by.
        augment: "light", or "recipe".
        side: returns the longer side of images of full size, in pixels. It is only
            asked where that matters, as some recipes have no fixed size.
    """
    if grow_from != AUTO:
        return grow_from
    if augment == "recipe" or AUTO_FRACTION * side() < AUTO_SIDE:
        return 1.0
    return AUTO_FRACTION


def small_epochs(epochs: int) -> int:
    """Return how many of so many epochs have small images, where images grow."""
    return math.floor(SMALL_FRACTION * epochs)


def first_ratio(start: float, pixels: float) -> float:
    """Return of what size images are at first, as a fraction of their full size.

    That is ``start``, or more: objects of the smallest class keep LEAST_PIXELS.
    ``pixels`` is the shorter side of an object in the middle of that class, in images
    of full size.
    """
    return max(start, LEAST_PIXELS / max(pixels, LEAST_PIXELS))


def _smallest(train: CocoFile, side: int) -> float:
    """Return the pixels of the smallest class, in images whose longer side is given."""
    longer = {one["id"]: max(one["width"], one["height"]) for one in train.images}
    shorter = defaultdict(list)
    for item in train.annotations:
        fraction = min(item["bbox"][2:]) / longer[item["image_id"]]
        shorter[item["category_id"]].append(fraction * side)
    least = min(map(median, shorter.values()), default=LEAST_PIXELS)
    cli.log.debug("the smallest class has %.1f pixels", least)
    return least


def _batch_sizes(model: dict) -> str:
    """Return what in a model changes the size of whole batches, or "" for nothing."""
    batches = (model.get("data_preprocessor") or {}).get("batch_augments") or []
    return ", ".join(step["type"] for step in batches)


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
