"""From pixels to objects, of a detector with two stages."""

import numpy as np

from mmdet_flow.inference.deploy.engine import Engine
from mmdet_flow.inference.deploy.form import BOXES, MASKS, Rules
from mmdet_flow.inference.deploy.preparation import Frame

UNSCALED = (1.0, 1.0)


class TwoStage:
    """Its first graph gives candidates for regions, which the others look at again."""

    def __init__(self, rules: Rules, engine: Engine) -> None:
        self._selection, self._second = rules.selection, rules.second_stage
        self._engine = engine

    def find(self, pixels: np.ndarray, frame: Frame, least: float) -> tuple:
        """Return boxes, scores, labels and masks of the objects in a prepared image.

        The masks are None for a model of boxes; scores up to ``least`` are not asked
        for.
        """
        second, graphs = self._second, self._engine.graphs
        levels, values = self._engine.candidates(pixels)
        maps = [values[name][0] for name in values if name.startswith("map-")]
        regions, *_ = second.proposals.select(
            levels, values, frame.prepared, UNSCALED, least=-1.0
        )
        scores, boxes = graphs[BOXES](second.boxes.cut(maps, regions), regions)
        # mmdet scales boxes before it suppresses some, or after it has made masks.
        scale = frame.scale if second.masks is None else UNSCALED
        boxes, scores, labels, _ = self._selection.select(
            [scores], {"boxes": boxes}, frame.prepared, scale, least
        )
        if second.masks is None:
            return boxes, scores, labels, None
        (small,) = graphs[MASKS](second.masks.regions.cut(maps, boxes), labels)
        boxes /= np.array(frame.scale * 2, np.float32)
        return boxes, scores, labels, second.masks.masks(small, boxes, frame.size)
