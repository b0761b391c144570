"""How sure the metrics are: intervals by resampling the images.

The percentile bootstrap of Efron, "Bootstrap Methods" (1979): images are drawn with
replacement as often as there are images, and the metrics are those of the drawn ones.
"""

from collections.abc import Callable, Sequence
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
        matched, unmatched: (T, n) whether it is a true or a false positive; neither,
            in a crowd.
        positives: (images,) how many objects of the class there are.
    """

    image: np.ndarray
    matched: np.ndarray
    unmatched: np.ndarray
    positives: np.ndarray

    def average_precision(self, weights: np.ndarray) -> np.ndarray:
        """Return the AP (T,) when each image counts as often as its weight says."""
        weight = weights[self.image]
        return average_precision(
            self.matched * weight, self.unmatched * weight, self.positives @ weights
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
    matched, unmatched = (
        [np.zeros((overlaps, 0), bool)],
        [np.zeros((overlaps, 0), bool)],
    )
    for index, one in enumerate(images):
        if one is None:  # neither objects nor detections
            continue
        positives[index] = np.sum(np.asarray(one["gtIgnore"]) == 0)
        counts = ~one["dtIgnore"].astype(bool)
        found = one["dtMatches"] > 0
        image.append(np.full(len(one["dtScores"]), index))
        score.append(np.asarray(one["dtScores"], float))
        matched.append(found & counts)
        unmatched.append(~found & counts)
    order = np.argsort(-np.concatenate(score), kind="stable")
    return ClassMatches(
        np.concatenate(image)[order],
        np.concatenate(matched, 1)[:, order],
        np.concatenate(unmatched, 1)[:, order],
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

    A draw without an object of a class leaves that class out. Where objects are in a
    single image there is no interval, nor where all images are equally right or wrong:
    whatever is drawn is the same then.
    """
    weights = draw_weights(len(evaluation.params.imgIds), samples, seed)
    matches = matches_of(evaluation)
    drawn = _figures(resample(matches, weights), classes)
    return _each(
        lambda values, varies: (
            interval_of(values) if varies and differ(values) else None
        ),
        drawn,
        _vary(matches, classes),
    )


def differ(values: np.ndarray) -> bool:
    """Whether the draws (samples,) that are known are not all the same."""
    values = values[~np.isnan(values)]
    return len(values) > 0 and values.min() < values.max()


def interval_of(values: np.ndarray) -> list[float | None] | None:
    """Return [low, high] of the draws (samples,) that are known; None if none is."""
    return _rounded(_quantiles(values), known)


def paired_differences(
    first, second, classes: Sequence[str], samples: int = SAMPLES, seed: int = 0
) -> dict:
    """Return how the figures of a second evaluation of the same images differ.

    The keys are those of `intervals`; each has the "difference" (second minus first)
    and its interval, "low" and "high", or is None for n/a. Both evaluations see the
    same draws, so what an image does to both of them alike cancels out.
    """
    both = [drawn_figures(one, classes, samples, seed) for one in (first, second)]
    return _each(difference_of, *both)


def drawn_figures(
    evaluation, classes: Sequence[str], samples: int = SAMPLES, seed: int = 0
) -> dict:
    """Return the figures of the whole, which come first, and of each draw.

    The keys are those of `intervals`; each has (1 + samples,) values, NaN for n/a, and
    draws are n/a where they cannot vary. Evaluations of the same images see the same
    draws.
    """
    images = len(evaluation.params.imgIds)
    weights = draw_weights(images, samples, seed)
    weights = np.concatenate([np.ones((1, images), int), weights])
    matches = matches_of(evaluation)
    drawn = _figures(resample(matches, weights), classes)
    return _each(_only_if, drawn, _vary(matches, classes))


def _only_if(values: np.ndarray, varies: bool) -> np.ndarray:
    """Return the whole with its draws, or with none that says anything."""
    return values if varies else np.append(values[:1], np.full(len(values) - 1, np.nan))


def _vary(matches: Sequence[ClassMatches], classes: Sequence[str]) -> dict:
    """Return which figures can vary: those of objects in more than one image."""
    every = np.count_nonzero(sum(one.positives for one in matches)) > 1
    return {
        "mAP": every,
        "mAP_50": every,
        "mAP_75": every,
        "per_class": {
            name: np.count_nonzero(one.positives) > 1
            for name, one in zip(classes, matches, strict=True)
        },
    }


def difference_of(first: np.ndarray, second: np.ndarray) -> dict | None:
    """Return the "difference" of a figure, second minus first, with "low" and "high".

    Both (1 + samples,) as `drawn_figures` returns them; None where the whole is n/a.
    """
    whole, *drawn = second - first
    if np.isnan(whole):
        return None
    ends = _rounded(_quantiles(np.array(drawn)), _signed)
    low, high = ends or (None, None)
    return {"difference": _signed(whole), "low": low, "high": high}


def _figures(values: np.ndarray, classes: Sequence[str]) -> dict:
    """Return the figures of values (samples, classes, T), each (samples,) or NaN."""
    return {
        "mAP": _means(values),
        "mAP_50": _means(values[..., IOU_50, None]),
        "mAP_75": _means(values[..., IOU_75, None]),
        "per_class": {
            name: _means(values[:, [index]]) for index, name in enumerate(classes)
        },
    }


def _each(function: Callable, *figures: dict) -> dict:
    """Return figures that a function makes of figures with the same keys."""
    return {
        name: _each(function, *(one[name] for one in figures))
        if isinstance(own, dict)
        else function(*(one[name] for one in figures))
        for name, own in figures[0].items()
    }


def _means(values: np.ndarray) -> np.ndarray:
    """Return the mean of each draw (samples,) over what is known of it, or NaN."""
    values = values.reshape(len(values), -1)
    count = (~np.isnan(values)).sum(1)
    return np.divide(
        np.nansum(values, 1), count, out=np.full(len(values), np.nan), where=count > 0
    )


def _quantiles(values: np.ndarray) -> np.ndarray:
    """Return the ends of the interval (2,) of what is known; none if nothing is."""
    values = values[~np.isnan(values)]
    tail = (1 - LEVEL) / 2
    return np.quantile(values, (tail, 1 - tail)) if len(values) else values


def _rounded(values: np.ndarray, digits: Callable) -> list[float | None] | None:
    return [digits(value) for value in values] or None


def _signed(value: float) -> float:
    """Return four digits of a difference, of which none is -0."""
    return round(float(value), 4) + 0.0
