"""The network: its classes, its norms, and the weights that it starts from."""

from mmdet_flow.errors import ModelError
from mmdet_flow.model.fit.tree import walk


def set_classes(model: dict, count: int) -> None:
    """Set the number of classes wherever the model holds it, the RPN aside."""
    for node in walk(model):
        if "RPN" in str(node.get("type", "")):
            continue
        for key, value in (
            ("num_classes", count),
            ("num_things_classes", count),
            ("num_stuff_classes", 0),
        ):
            if key in node:
                node[key] = value
        # One weight a class and one for "no object", as in the MaskFormer family.
        weights = node.get("class_weight")
        if isinstance(weights, list | tuple):
            node["class_weight"] = [weights[0]] * count + [weights[-1]]


def use_single_process_norm(model: dict) -> None:
    """Replace the batch norms that need several processes."""
    for node in walk(model):
        if node.get("type") in ("SyncBN", "MMSyncBN"):
            node["type"] = "BN"


def train_from_scratch(model: dict) -> None:
    """Drop pretrained weights, and thaw what was frozen because of them."""
    drop_pretrained(model)
    for node in walk(model):
        if node.get("pretrained"):
            node["pretrained"] = None
        if "frozen_stages" in node:
            node["frozen_stages"] = -1
        if "norm_eval" in node:
            node["norm_eval"] = False
        if node.get("requires_grad") is False and "BN" in str(node.get("type")):
            node["requires_grad"] = True


def freeze_stages(model: dict, count: int) -> None:
    """Keep the first stages of the backbone as they are; -1 trains all of it.

    Raises ModelError for a backbone that cannot do that.
    """
    import inspect

    import mmdet.models  # noqa: F401  fills the registry
    from mmdet.registry import MODELS

    backbone = model.get("backbone") or {}
    classes = inspect.getmro(MODELS.get(backbone.get("type")) or object)
    if not any("frozen_stages" in inspect.signature(cls).parameters for cls in classes):
        raise ModelError(
            f"--frozen-stages: the backbone {backbone.get('type')} has no stages to "
            "freeze; leave the option out"
        )
    backbone["frozen_stages"] = count


def drop_pretrained(model: dict) -> None:
    """Drop the weights that a model would load when it is built.

    Most are of the type Pretrained; the backbone PVT reads those that have no type.
    """
    for node in walk(model):
        init = node.get("init_cfg")
        if isinstance(init, dict) and "checkpoint" in init:
            node["init_cfg"] = None
