"""The stages of a training, between which a hook changes its images."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mmengine.config import Config


@dataclass(frozen=True)
class Stage:
    """A part of a training; ``pipeline`` is None where the data set has its own."""

    first_epoch: int
    pipeline: list[dict] | None = None


def stages_of(cfg: "Config") -> list[Stage]:
    """Return the stages that the hooks of a config make, in their order."""
    hooks = [one for one in cfg.get("custom_hooks") or [] if "switch_pipeline" in one]
    later = [Stage(one.switch_epoch, one.switch_pipeline) for one in hooks]
    begun = [one for one in later if one.first_epoch < cfg.train_cfg.max_epochs]
    return [Stage(0), *sorted(begun, key=lambda stage: stage.first_epoch)]


@contextlib.contextmanager
def images_of(stage: Stage, dataset) -> Iterator[None]:
    """Let a data set give the images of a stage for a while."""
    from mmcv.transforms import Compose

    own = dataset.pipeline
    if stage.pipeline is not None:
        dataset.pipeline = Compose(stage.pipeline)
    try:
        yield
    finally:
        dataset.pipeline = own
