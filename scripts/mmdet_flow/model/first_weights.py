"""The weights that a training begins with: told how many of them fit."""

from pathlib import Path

from torch import nn

from mmdet_flow import cli
from mmdet_flow.errors import ModelError
from mmdet_flow.model.checkpoint import load_training_checkpoint

FITTING_FRACTION = 0.5
"""Weights of which fewer fit belong to another architecture."""


def load_weights(model: nn.Module, path: Path) -> None:
    """Load what fits by name and shape, and log how much that is.

    Raises ModelError when less than half of the model's weights fit.
    """
    given = load_training_checkpoint(path)["state_dict"]
    own = model.state_dict()
    fitting = {
        key: value
        for key, value in given.items()
        if key in own and own[key].shape == value.shape
    }
    if len(fitting) < FITTING_FRACTION * len(own):
        raise ModelError(
            f"{path}: {len(fitting)} of the model's {len(own)} weights fit; it is of "
            "another architecture, choose the one of these weights"
        )
    model.load_state_dict(fitting, strict=False)
    cli.log.info("%s: %d of %d weights fit", path, len(fitting), len(own))
