"""The size of images in the network, and their augmentation."""

import math
from typing import TYPE_CHECKING, Any

from mmdet_flow.dataset.coco import CocoFile
from mmdet_flow.model.fit.tree import (
    LOADERS,
    predicts_masks,
    stretches_images,
    test_scale,
    walk,
)

if TYPE_CHECKING:
    from mmengine.config import Config


def set_image_size(cfg: "Config", size: int) -> None:
    """Scale every size of pipelines and batch augmentations.

    Test pipelines that take images as they are, as CenterNet's do, get to resize them.

    ``size`` becomes the longer side at test time; training sizes keep their ratio
    to it. All results are multiples of 32, the largest stride of the zoo's networks.
    """
    _resize_in_tests(cfg)
    base = test_scale(cfg)
    keys = ("scale", "img_scale", "crop_size", "size", "scales", "border")
    hooks = [hook for hook in cfg.get("custom_hooks", []) if "switch_pipeline" in hook]
    loaders = [cfg[key] for key in LOADERS]
    batch = cfg.model.get("data_preprocessor", {}).get("batch_augments") or []
    for node in walk([loaders, hooks, batch]):
        for key in keys:
            if node.get(key) is not None:
                node[key] = _scaled(node[key], size / min(base))
        if "random_size_range" in node:
            ratio = size / max(base)
            node["random_size_range"] = tuple(
                _multiple_of_32(side * ratio) for side in node["random_size_range"]
            )


def limit_queries(cfg: "Config") -> None:
    """Let a transformer pick no more queries than its smallest images have features.

    Those that pick the best features as queries, as DINO does, would stop at an image
    with fewer. It counts for small ``image_size`` alone.
    """
    sides = [
        min(pair) * min(node.get("ratio_range", [1]))
        for node in walk(cfg.train_dataloader)
        for pair in node.get("scales") or [node.get("scale")]
        if isinstance(pair, list | tuple)
    ]
    if not cfg.model.get("as_two_stage") or not sides:
        return
    side = min(sides)
    features = sum(
        math.ceil(side / stride) * math.ceil(side / 2 / stride)  # of a narrow crop
        for stride in (8, 16, 32, 64)
    )
    cfg.model.num_queries = min(cfg.model.num_queries, features)


def _resize_in_tests(cfg: "Config") -> None:
    """Let test pipelines without a size resize images to that of the training."""
    tests = [cfg.test_dataloader, cfg.val_dataloader]
    sizes = [
        node["scale"]
        for node in walk(cfg.train_dataloader)
        if node.get("type") == "Resize" and node.get("scale")
    ]
    if not sizes or any("scale" in node for node in walk(cfg.test_dataloader)):
        return
    resize = dict(type="Resize", scale=sizes[-1], keep_ratio=True)
    for node in walk(tests):
        if node.get("type") == "PackDetInputs" and "meta_keys" in node:
            node["meta_keys"] = (*node["meta_keys"], "scale_factor")
        if "pipeline" in node:
            steps = [step["type"] for step in node["pipeline"]]
            first = steps.index("LoadImageFromFile") + 1
            node["pipeline"].insert(first, dict(resize))


def _scaled(value: Any, ratio: float) -> Any:
    """Scale a side, a (width, height), or a list of them; a pair becomes square."""
    if isinstance(value, int | float):
        return _multiple_of_32(value * ratio)
    if value and isinstance(value[0], list | tuple):
        return [_scaled(pair, ratio) for pair in value]
    side = _multiple_of_32(min(value, key=abs) * ratio)
    return (side, side)


def _multiple_of_32(side: float) -> int:
    return int(math.copysign(max(32, round(abs(side) / 32) * 32), side))


def use_light_augmentation(cfg: "Config", train: CocoFile) -> None:
    """Replace the training pipeline by a plain one: resize, crop, flip, colours.

    Heavy mixing of images pays over hundreds of epochs; short trainings on small
    data learn more from the pictures as they are. Images are padded to the
    size of the largest and not to a square, which saves computing the empty part; a
    network that stretches them to its own size in the test gets them so here, too.
    """
    dataset = cfg.train_dataloader.dataset
    while "dataset" in dataset:
        dataset = dataset.dataset
    scale, is_stretched = test_scale(cfg), stretches_images(cfg)
    if not is_stretched:
        scale = (max(scale), max(scale))
    dataset.pipeline = _light_pipeline(
        scale,
        scale if is_stretched else _largest_image(train, max(scale)),
        keep_ratio=not is_stretched,
        masks=predicts_masks(cfg),
    )
    cfg.train_dataloader.dataset = dataset
    for node in walk([cfg.val_dataloader, cfg.test_dataloader]):
        if node.get("type") == "Pad":
            node.pop("size", None)
            node["size_divisor"] = 32
    cfg.custom_hooks = [
        hook
        for hook in cfg.get("custom_hooks", [])
        if "PipelineSwitch" not in hook.type and "ModeSwitch" not in hook.type
    ]


def _light_pipeline(
    scale: tuple[int, int], size: tuple[int, int], keep_ratio: bool, masks: bool
) -> list[dict]:
    """Return the steps for images that are fitted into ``scale``, or stretched to it.

    And then padded to ``size``; both are (width, height).
    """
    outlines = dict(with_mask=True, poly2mask=False) if masks else {}
    return [
        dict(type="LoadImageFromFile"),
        dict(type="LoadAnnotations", with_bbox=True, **outlines),
        dict(
            type="RandomResize",
            scale=scale,
            ratio_range=(0.7, 1.3),
            keep_ratio=keep_ratio,
        ),
        dict(
            type="RandomCrop",
            crop_size=size,
            crop_type="absolute",
            recompute_bbox=True,
            allow_negative_crop=True,
        ),
        dict(type="FilterAnnotations", min_gt_bbox_wh=(1, 1), keep_empty=False),
        dict(type="YOLOXHSVRandomAug"),
        dict(
            type="RandomFlip",
            prob=0.75,
            direction=["horizontal", "vertical", "diagonal"],
        ),
        dict(type="Pad", size=size, pad_val=dict(img=(114, 114, 114))),
        dict(type="PackDetInputs"),
    ]


def _largest_image(train: CocoFile, side: int) -> tuple[int, int]:
    """Return the (width, height) that holds every image with its longer side resized.

    Rounded up to multiples of 32.
    """
    width = height = 32
    for image in train.images:
        scale = side / max(image["width"], image["height"])
        width = max(width, math.ceil(image["width"] * scale / 32 - 0.01) * 32)
        height = max(height, math.ceil(image["height"] * scale / 32 - 0.01) * 32)
    return width, height
