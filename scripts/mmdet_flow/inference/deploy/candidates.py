"""From the candidates that a graph gives to the objects of an image."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mmdet_flow.inference.deploy.suppression import suppress


@dataclass(frozen=True)
class Selection:
    """Which candidates become objects, as the ``test_cfg`` of mmdet says.

    Attributes:
        best_class: whether a prior is a candidate of its best class alone.
        score: candidates have to be above it.
        most_of_level: the best candidates of each feature level that are looked at.
        clip: whether boxes are cut at the edge of the prepared image.
        smallest: boxes have to be wider and higher, in pixels of the image; -1 takes
            those without area, too.
        iou: overlap by which a box is suppressed.
        by_class: whether only boxes of the same class suppress each other.
        most: objects of an image.
        levels_as_classes: whether the number of a candidate's level is its label.
    """

    best_class: bool
    score: float
    most_of_level: int | None
    clip: bool
    smallest: float
    iou: float
    by_class: bool
    most: int | None
    levels_as_classes: bool = False

    def select(
        self,
        levels: Sequence[np.ndarray],
        values: Mapping[str, np.ndarray],
        size: tuple[int, int],
        scale: tuple[float, float],
        least: float,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Return boxes, scores, labels of the objects, and the priors they come from.

        Args:
            levels: scores (priors of the level, classes) float32.
            values: "boxes" (priors, 4) or (priors, classes, 4), and perhaps "factors"
                (priors,).
            size: (width, height) of the prepared image.
            scale: (x, y), pixels of the prepared image for one of the image.
            least: scores up to this are not asked for.
        """
        scores, labels, priors = self._candidates(levels, max(self.score, least))
        boxes = values["boxes"]
        boxes = boxes[priors] if boxes.ndim == 2 else boxes[priors, labels]
        if self.clip:
            boxes[:, 0::2] = boxes[:, 0::2].clip(0, size[0])
            boxes[:, 1::2] = boxes[:, 1::2].clip(0, size[1])
        boxes *= np.array([1 / scale[0], 1 / scale[1]] * 2, np.float32)
        if "factors" in values:
            scores = scores * values["factors"][priors]
        if self.smallest >= 0:
            wide = (boxes[:, 2:] - boxes[:, :2] > self.smallest).all(1)
            boxes, scores = boxes[wide], scores[wide]
            labels, priors = labels[wide], priors[wide]
        suppressing = labels if self.by_class else None
        kept = suppress(boxes, scores, suppressing, self.iou, self.most)
        return boxes[kept], scores[kept], labels[kept], priors[kept]

    def _candidates(
        self, levels: Sequence[np.ndarray], threshold: float
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return scores, labels, priors of what is above a threshold."""
        threshold = np.float32(threshold)
        found, first = [], 0
        for number, level in enumerate(levels):
            if self.best_class:
                labels = level.argmax(1)
                best = np.take_along_axis(level, labels[:, None], 1)[:, 0]
                priors = np.flatnonzero(best > threshold)
                scores, labels = best[priors], labels[priors]
            else:
                flat = level.reshape(-1)
                at = np.flatnonzero(flat > threshold)
                scores = flat[at]
                priors, labels = np.divmod(at, level.shape[1])
            if self.levels_as_classes:
                labels = np.full_like(labels, number)
            order = _best(scores, self.most_of_level)
            found.append((scores[order], labels[order], priors[order] + first))
            first += len(level)
        scores, labels, priors = map(np.concatenate, zip(*found, strict=True))
        return scores, labels, priors


def _best(scores: np.ndarray, most: int | None) -> np.ndarray:
    """Return the indices of the best scores, at most ``most``, the best first."""
    among = np.arange(len(scores))
    if most is not None and 0 < most < len(scores):
        # To sort a hundred thousand takes longer than to find those worth it.
        among = np.flatnonzero(scores >= np.partition(scores, -most)[-most])
    return among[np.argsort(-scores[among], kind="stable")[:most]]
