"""COCO metrics by pycocotools, which is the reference."""

import contextlib
import io
from collections import Counter
from collections.abc import Sequence

import numpy as np

from mmdet_flow.contents import Figures
from mmdet_flow.dataset.coco import CocoFile

METRICS = tuple(Figures.__annotations__)
"""The names of the twelve figures of COCO, in their order."""

LIMITS = (1, 10, 100)
"""Detections of a class in an image that count in AR_1, AR_10 and AR_100; in all other
figures, as in COCO, so many as the last one says."""

CROWDED = 10
"""Where an image has more objects of a class than that, so many times more count."""

SIZES = ("all", "small", "medium", "large")
RECALLS = np.linspace(0, 1, 101)


def measure(truth: CocoFile, results: list[dict], iou_type: str) -> dict:
    """Return the COCO metrics of results; None where there is no ground truth.

    ``iou_type`` is "bbox" or "segm". Average precision is over IoU 0.50 to 0.95, of at
    most ``limit_of`` detections of a class in an image (Lin et al., "Microsoft COCO",
    2014).
    ``per_class`` has the mAP of each class and ``per_class_metrics`` all figures.
    """
    return summary(evaluate_coco(truth, results, iou_type), truth.classes)


def evaluate_coco(truth: CocoFile, results: list[dict], iou_type: str):
    """Return pycocotools' evaluation, accumulated."""
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        coco = _to_coco(truth)
        found = _to_found(coco, results, iou_type)
        evaluation = COCOeval(coco, found, iou_type)
        evaluation.params.maxDets = sorted({*LIMITS, limit_of(truth)})
        evaluation.evaluate()
        evaluation.accumulate()
    return evaluation


def limit_of(truth: CocoFile) -> int:
    """Return how many detections of a class count in an image.

    100 as in COCO, unless an image has more objects of a class: that would be a limit
    of its recall, so ten times as many as these count.
    """
    counts = Counter(
        (item["image_id"], item["category_id"])
        for item in truth.annotations
        if not item.get("iscrowd")
    )
    most = max(counts.values(), default=0)
    return CROWDED * most if most > LIMITS[-1] else LIMITS[-1]


def summary(evaluation, classes: Sequence[str]) -> dict:
    """Return the figures of an evaluation as plain values of four digits."""
    per_class = {name: _of_class(evaluation, i) for i, name in enumerate(classes)}
    return _of_class(evaluation, slice(None)) | {
        "per_class": {name: own["mAP"] for name, own in per_class.items()},
        "per_class_metrics": per_class,
    }


def average_precision(
    matched: np.ndarray, unmatched: np.ndarray, positives: float
) -> np.ndarray:
    """Return the average precision (T,) of detections, highest score first.

    ``matched`` and ``unmatched`` (T, n) say how often each detection counts as a true
    or a false positive at each of T overlaps; ``positives`` is the number of objects.
    Interpolated at 101 recalls as in COCO; NaN without objects.
    """
    if positives <= 0:
        return np.full(len(matched), np.nan)
    matched, unmatched = matched.cumsum(1), unmatched.cumsum(1)
    precision = matched / np.maximum(matched + unmatched, np.spacing(1))
    # The best precision at this recall or a higher one.
    precision = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    precision = np.pad(precision, ((0, 0), (0, 1)))
    reached = [np.searchsorted(row / positives, RECALLS) for row in matched]
    return np.take_along_axis(precision, np.array(reached), axis=1).mean(1)


def known(value: float) -> float | None:
    """Return a figure with four digits; None for the -1 and NaN that mean none."""
    return None if np.isnan(value) or value < 0 else round(float(value), 4)


def _to_coco(truth: CocoFile):
    from pycocotools.coco import COCO

    coco = COCO()
    # pycocotools adds keys to the annotations, so they are copied; and it takes the id
    # of what a detection matches for whether it matches: none may be 0, or be two.
    annotations = [
        {"iscrowd": 0, "area": item["bbox"][2] * item["bbox"][3]}
        | item
        | {"id": number}
        for number, item in enumerate(truth.annotations, 1)
    ]
    coco.dataset = {
        "info": {},
        "images": truth.images,
        "annotations": annotations,
        "categories": truth.categories,
    }
    coco.createIndex()
    return coco


def _to_found(coco, results: list[dict], iou_type: str):
    if not results:
        from pycocotools.coco import COCO

        found = COCO()
        found.dataset = coco.dataset | {"annotations": []}
        found.createIndex()
        return found
    # Sizes are areas: of a mask not that of its box, which would be taken if it were
    # there; of a box not that of the mask.
    left_out = "bbox" if iou_type == "segm" else "segmentation"
    rows = [{k: v for k, v in row.items() if k != left_out} for row in results]
    return coco.loadRes(rows)


def _of_class(evaluation, index: int | slice) -> dict[str, float | None]:
    # precision: IoU x recall x class x size x limit; recall has no second axis
    precision = evaluation.eval["precision"][:, :, index, ..., -1]
    recall = evaluation.eval["recall"][:, index]
    figures = {"mAP": precision[..., 0], "mAP_50": precision[0, ..., 0]}
    figures["mAP_75"] = precision[5, ..., 0]
    for position, size in enumerate(SIZES[1:], 1):
        figures[f"mAP_{size}"] = precision[..., position]
    for position, limit in enumerate(LIMITS):
        figures[f"AR_{limit}"] = recall[..., 0, position]
    for position, size in enumerate(SIZES[1:], 1):
        figures[f"AR_{size}"] = recall[..., position, -1]
    return {name: known(_mean(values)) for name, values in figures.items()}


def _mean(values: np.ndarray) -> float:
    values = values[values > -1]
    return float(values.mean()) if values.size else -1.0
