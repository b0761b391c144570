"""The stages of a training, between which a hook changes its images."""

import contextlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mmengine.config import Config

    from mmdet_flow.model.course import Course


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


class Switches:
    """The hooks that change images at an epoch of the plan, on another course.

    Args:
        hooks: all of a training.
        length: the iterations of an epoch.
        epochs: those of the plan.
    """

    def __init__(self, hooks: Sequence, length: int, epochs: int) -> None:
        self._places = []
        for hook in hooks:
            if hasattr(hook, "switch_epoch"):
                self._places.append((hook, hook.switch_epoch * length))
            elif hasattr(hook, "num_last_epochs"):  # that of YOLOX
                first = epochs - hook.num_last_epochs - 1
                self._places.append((hook, first * length))

    def reached(self, course: "Course", done: int) -> list[bool]:
        """Return which of them are to have changed images after so many iterations."""
        return [course.place(done) >= place for _, place in self._places]

    def follow(self, course: "Course", done: int) -> list[bool]:
        """Let them change images as is due now, and return what is ``reached``.

        Without a turn that is at the epochs which they know.
        """
        reached = self.reached(course, done)
        for (hook, _), is_due in zip(self._places, reached, strict=True):
            if course.turns and hasattr(hook, "switch_epoch"):
                hook.switch_epoch = -math.inf if is_due else math.inf
            elif course.turns:
                hook.num_last_epochs = math.inf if is_due else -math.inf
        return reached
