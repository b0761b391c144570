"""Weights to start from: found without a network, and told how many of them fit."""

import re
from pathlib import Path

from torch import nn

from mmdet_flow import cli
from mmdet_flow.cache import default_cache
from mmdet_flow.errors import ModelError
from mmdet_flow.files import sha256_of
from mmdet_flow.model.checkpoint import load_training_checkpoint

FITTING_FRACTION = 0.5
"""Weights of which fewer fit belong to another architecture."""

HASH = re.compile(r"-([0-9a-f]{8,64})\.pth$")
"""The beginning of the SHA-256 that names of published weights end with."""


def find_weights(name: str) -> Path:
    """Return the file of weights given as a path, or as a name in the cache.

    The name's own hash is checked. Raises ModelError that says how to get the file.
    """
    path = Path(name)
    cached = default_cache() / "weights" / path.name
    found = next((one for one in (path, cached) if one.is_file()), None)
    if found is None:
        raise ModelError(
            f"{name}: neither a file nor in {cached.parent}; put it there, for mmdet's "
            "own weights from the Weights line of its model-index.yml"
        )
    if wanted := HASH.search(found.name):
        sha256 = sha256_of(found)
        if not sha256.startswith(wanted[1]):
            raise ModelError(
                f"{found}: its SHA-256 begins with {sha256[:8]}, not {wanted[1]}; "
                "it is damaged, fetch it again"
            )
    return found


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
