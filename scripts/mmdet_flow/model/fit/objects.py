"""What the data have that a recipe would leave out: masks, and many objects."""

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from mmdet_flow import cli
from mmdet_flow.dataset.coco import CocoFile
from mmdet_flow.model.fit.tree import walk

if TYPE_CHECKING:
    from mmengine.config import Config

LIMITS = ("max_per_img", "max_per_image", "topk", "top_k", "nms_pre")
"""Keys that limit the detections of an image in test_cfg, in a level or in all."""

QUERIES = ("num_queries", "num_proposals")
"""Keys of a network that finds one object at most with each."""


def learn_masks(cfg: "Config", train: CocoFile) -> None:
    """Let pipelines take masks that are no polygons (RLE).

    Those that keep outlines as polygons would leave such objects out without a word.
    """
    if not any(isinstance(one.get("segmentation"), dict) for one in train.annotations):
        return
    for node in walk([cfg.train_dataloader, cfg.get("custom_hooks") or []]):
        if node.get("type") == "LoadAnnotations" and node.get("with_mask"):
            node["poly2mask"] = True


def allow_objects(cfg: "Config", splits: Iterable[CocoFile]) -> None:
    """Let a model find as many objects in an image as the fullest one has.

    A network with queries cannot find more than these, whatever its limits say.
    """
    most, image = max(map(_fullest, splits))
    limits = cfg.model.get("test_cfg") or {}
    queries = _queries(cfg.model)
    reach = min(most, *queries) if queries else most
    if reach < most:
        cli.log.warning(
            f"{image}: has {most} objects, and the model finds at most {reach} in an "
            "image, by its queries; choose another model, or divide the images"
        )
    for node in walk(limits):
        for key in LIMITS:
            value = node.get(key)
            if isinstance(value, int) and 0 < value < reach:
                node[key] = reach
                cli.log.warning(
                    f"{image}: has {most} objects; raised {key} of the model's tests "
                    f"from {value} to {reach}"
                )


def _queries(model: dict) -> list[int]:
    """Return how many queries a network has, wherever its config says so."""
    return [node[key] for node in walk(model) for key in QUERIES if node.get(key)]


def _fullest(split: CocoFile) -> tuple[int, str]:
    """Return how many objects the fullest image has, and which one that is."""
    counts = Counter(
        item["image_id"] for item in split.annotations if not item.get("iscrowd")
    )
    names = {image["id"]: image["file_name"] for image in split.images}
    image, count = max(counts.items(), key=lambda one: one[1], default=(None, 0))
    return count, names.get(image, "")
