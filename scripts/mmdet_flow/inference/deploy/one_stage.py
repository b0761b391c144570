"""From pixels to objects, of a detector with one stage."""

import numpy as np

from mmdet_flow.inference.deploy.engine import Engine
from mmdet_flow.inference.deploy.form import Rules
from mmdet_flow.inference.deploy.preparation import Frame

KERNELS, FEATURE, PRIORS = "kernels", "mask_feature", "priors"


class OneStage:
    """Its graph gives candidates, some of which are the objects."""

    def __init__(self, rules: Rules, engine: Engine) -> None:
        self._selection, self._masks = rules.selection, rules.masks
        self._engine = engine

    def find(self, pixels: np.ndarray, frame: Frame, least: float) -> tuple:
        """Return boxes, scores, labels and masks of the objects in a prepared image.

        The masks are None for a model of boxes; scores up to ``least`` are not asked
        for.
        """
        levels, values = self._engine.candidates(pixels)
        boxes, scores, labels, priors = self._selection.select(
            levels, values, frame.prepared, frame.scale, least
        )
        masks = None
        if self._masks is not None:
            masks = self._masks.masks(
                values[FEATURE][0],
                values[KERNELS][priors],
                values[PRIORS][priors],
                frame.scale,
                frame.size,
            )
        return boxes, scores, labels, masks
