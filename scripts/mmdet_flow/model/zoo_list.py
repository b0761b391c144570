"""The list of the model zoo: name, task and size of each config."""

import fnmatch

from mmdet_flow.errors import ModelError, did_you_mean
from mmdet_flow.model.config import load_config
from mmdet_flow.model.size import count_weights
from mmdet_flow.model.zoo import zoo_configs


def print_zoo(pattern: str) -> None:
    """Print name, task and size of the model-zoo configs that match, as they come."""
    names = [name for name in zoo_configs() if fnmatch.fnmatch(name, pattern)]
    if not names:
        raise ModelError(
            f"--list {pattern}: no config of the model zoo matches; patterns have *"
            + did_you_mean(pattern, zoo_configs())
        )
    width = max(map(len, names))
    for name in names:
        print(f"{name:{width}}  {describe(name)}", flush=True)


def describe(name: str) -> str:
    """Say what a config of the zoo learns and how many weights its model has.

    The model is built without memory for its weights, where its code allows that.
    """
    from mmdet_flow.model.fit.tree import predicts_masks

    try:
        cfg = load_config(name)
        task = "boxes, masks" if predicts_masks(cfg) else "boxes"
        return f"{task:12}  {count_weights(cfg) / 1e6:6.1f} M weights"
    except Exception as error:  # a config may ask for packages that are not here
        lines = str(error).strip().splitlines() or [type(error).__name__]
        return f"cannot be built here: {lines[0][:80]}"
