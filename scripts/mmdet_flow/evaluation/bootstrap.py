"""How sure the metrics are: intervals by resampling the images.

The percentile bootstrap of Efron, "Bootstrap Methods" (1979): images are drawn with
replacement as often as there are images, and the metrics are those of the drawn ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mmdet_flow.evaluation.metrics import average_precision, known

LEVEL = 0.95
SAMPLES = 1000
IOU_50, IOU_75 = 0, 5
"""Positions in pycocotools' overlaps, 0.50 to 0.95 in steps of 0.05."""


@dataclass(frozen=True)
class ClassMatches:
    """Detections of one class at T overlaps, highest score first.

    Attributes:
        image: (n,) the image of each detection.
        right, wrong: (T, n) whether it counts as such; neither, in a crowd.
        positives: (images,) how many objects of the class there are.
    """

    image: np.ndarray
    right: np.ndarray
    wrong: np.ndarray
    positives: np.ndarray

    def average_precision(self, weights: np.ndarray) -> np.ndarray:
        """Return the AP (T,) when each image counts as often as its weight says."""
        weight = weights[self.image]
        return average_precision(
            self.right * weight, self.wrong * weight, self.positives @ weights
        )


def matches_of(evaluation) -> list[ClassMatches]:
    """Return the matches of each class in an evaluation of pycocotools."""
    params = evaluation.params
    shape = (len(params.catIds), len(params.areaRng), len(params.imgIds))
    per_class = np.array(evaluation.evalImgs, dtype=object).reshape(shape)[:, 0]
    return [_join(images, len(params.iouThrs)) for images in per_class]


def _join(images: Sequence[dict | None], overlaps: int) -> ClassMatches:
    positives = np.zeros(len(images))
    image, score = [np.zeros(0, int)], [np.zeros(0)]
    right, wrong = [np.zeros((overlaps, 0), bool)], [np.zeros((overlaps, 0), bool)]
    for index, one in enumerate(images):
        if one is None:  # neither objects nor detections
            continue
        positives[index] = np.sum(np.asarray(one["gtIgnore"]) == 0)
        counts = ~one["dtIgnore"].astype(bool)
        matched = one["dtMatches"] > 0
        image.append(np.full(len(one["dtScores"]), index))
        score.append(np.asarray(one["dtScores"], float))
        right.append(matched & counts)
        wrong.append(~matched & counts)
    order = np.argsort(-np.concatenate(score), kind="stable")
    return ClassMatches(
        np.concatenate(image)[order],
        np.concatenate(right, 1)[:, order],
        np.concatenate(wrong, 1)[:, order],
        positives,
    )


def draw_weights(images: int, samples: int, seed: int) -> np.ndarray:
    """Return how often each image is drawn (samples, images), the same for a seed.

    Two models that are measured on the same images get the same draws: their
    differences are paired.
    """
    rng = np.random.default_rng(seed)
    return rng.multinomial(images, np.full(images, 1 / images), size=samples)


def resample(matches: Sequence[ClassMatches], weights: np.ndarray) -> np.ndarray:
    """Return the AP of each draw, class and overlap: (samples, classes, T)."""
    return np.array(
        [[one.average_precision(drawn) for one in matches] for drawn in weights]
    )


def intervals(
    evaluation, classes: Sequence[str], samples: int = SAMPLES, seed: int = 0
) -> dict:
    """Return [low, high] of mAP, mAP_50, mAP_75 and each class's mAP; None for n/a.

    A draw without an object of a class leaves that class out.
    """
    weights = draw_weights(len(evaluation.params.imgIds), samples, seed)
    values = resample(matches_of(evaluation), weights)
    figures = {
        "mAP": values,
        "mAP_50": values[..., IOU_50, None],
        "mAP_75": values[..., IOU_75, None],
    }
    per_class = {
        name: _interval(values[:, [index]]) for index, name in enumerate(classes)
    }
    return {name: _interval(own) for name, own in figures.items()} | {
        "per_class": per_class
    }


def _interval(values: np.ndarray) -> list[float] | None:
    """Return the interval of the means of values (samples, classes, T)."""
    values = values.reshape(len(values), -1)
    values = values[~np.isnan(values).all(1)]
    if not len(values):
        return None
    tail = (1 - LEVEL) / 2
    return [known(v) for v in np.quantile(np.nanmean(values, axis=1), (tail, 1 - tail))]
