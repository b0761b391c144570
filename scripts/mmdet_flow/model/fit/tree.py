"""Reading a config as a tree of dictionaries."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from mmdet_flow.errors import ModelError

if TYPE_CHECKING:
    from mmengine.config import Config

LOADERS = ("train_dataloader", "val_dataloader", "test_dataloader")


def walk(node: Any) -> Iterator[dict]:
    """Yield each dictionary of a config tree, parents first."""
    if isinstance(node, dict):
        yield node
        for child in list(node.values()):
            yield from walk(child)
    elif isinstance(node, list | tuple):
        for child in node:
            yield from walk(child)


def predicts_masks(cfg: "Config") -> bool:
    """Whether the recipe trains on instance masks."""
    return any(
        node.get("type") == "LoadAnnotations" and node.get("with_mask")
        for node in walk(cfg.train_dataloader)
    )


def stretches_images(cfg: "Config") -> bool:
    """Whether a network is made for one size, and stretches images to it in the test.

    With smaller ones, or one side of them, nothing is left for the last maps of SSD.
    """
    return any(node.get("keep_ratio") is False for node in walk(cfg.test_dataloader))


def test_scale(cfg: "Config") -> tuple[int, int]:
    """Return the (width, height) that the test pipeline fits images into."""
    for node in walk(cfg.test_dataloader):
        scale = node.get("scale")
        if isinstance(scale, int):
            return scale, scale
        if isinstance(scale, list | tuple):
            return tuple(scale)
    raise ModelError(
        "the config's test pipeline resizes to no fixed size; leave image_size empty, "
        "with augment: recipe"
    )
