"""What is kept at the score thresholds, counted image by image, and how sure it is."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mmdet_flow.evaluation.assignment import IGNORED, TRUE_POSITIVE, Assignment
from mmdet_flow.evaluation.bootstrap import (
    LEVEL,
    SAMPLES,
    differ,
    draw_weights,
    interval_of,
)
from mmdet_flow.evaluation.metrics import known


@dataclass(frozen=True)
class Counts:
    """Numbers of a class, or of all, in each image: (images,).

    With draws of images by weight they are those of each draw: (samples,).
    """

    objects: np.ndarray
    true_positives: np.ndarray
    false_positives: np.ndarray

    @property
    def kept(self) -> np.ndarray:
        return self.true_positives + self.false_positives

    def drawn(self, weights: np.ndarray) -> "Counts":
        """Return the sums over draws of images (samples, images)."""
        parts = self.objects, self.true_positives, self.false_positives
        return Counts(*(weights @ one for one in parts))

    def ratios(self) -> dict[str, np.ndarray]:
        """Return precision and recall; NaN where nothing is kept, or nothing there."""
        return {
            "precision": _ratio(self.true_positives, self.kept),
            "recall": _ratio(self.true_positives, self.objects),
        }


def counts_of(kept: Assignment, label: int | None = None) -> Counts:
    """Return the numbers of a class, or of all, in each image."""
    own = np.full(len(kept.label), True) if label is None else kept.label == label
    wanted = kept.state != IGNORED
    if label is not None:
        wanted &= kept.object_label == label
    matched = kept.outcome == TRUE_POSITIVE
    counted = kept.outcome != IGNORED

    def count(places: np.ndarray) -> np.ndarray:
        return np.bincount(places, minlength=len(kept.images))

    return Counts(
        count(kept.object_image[wanted]),
        count(kept.image[own & matched]),
        count(kept.image[own & counted & ~matched]),
    )


def count_intervals(
    counts: Mapping[str, Counts], samples: int = SAMPLES, seed: int = 0
) -> dict[str, dict[str, list | None]]:
    """Return [low, high] of precision and recall by name; None for n/a.

    The draws are those of the other metrics. Where what a ratio counts is in a single
    image there is no interval: that image drawn again is always the same.
    """
    images = len(next(iter(counts.values())).objects)
    weights = draw_weights(images, samples, seed)
    return {name: _intervals(own, weights) for name, own in counts.items()}


def _intervals(counts: Counts, weights: np.ndarray) -> dict[str, list | None]:
    wholes = {"precision": counts.kept, "recall": counts.objects}
    drawn = counts.drawn(weights).ratios()
    return {
        key: _interval(drawn[key], np.count_nonzero(whole))
        for key, whole in wholes.items()
    }


def _interval(drawn: np.ndarray, images: int) -> list | None:
    """Return the interval of a ratio, of which so many images tell something.

    Where all of them are right, or all wrong, each draw is, too. The next image may
    not be: then it is the exact interval of images that are right or wrong, of Clopper
    and Pearson, "The use of confidence or fiducial limits" (1934). Where the ratio is
    the same in all, and between these, there is no interval: nothing tells how it
    varies.
    """
    if images < 2:
        return None
    if differ(drawn):
        return interval_of(drawn)
    tail = ((1 - LEVEL) / 2) ** (1 / images)
    ratio = drawn[~np.isnan(drawn)][0]
    return {0.0: [0.0, known(1 - tail)], 1.0: [known(tail), 1.0]}.get(ratio)


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    out = np.full(len(whole), np.nan)
    return np.divide(part, whole, out=out, where=whole > 0)
