"""The score threshold of each class, from a validation split."""

from mmdet_flow import cli
from mmdet_flow.dataset.classes import classes_sha256
from mmdet_flow.dataset.coco import CocoFile
from mmdet_flow.evaluation.assignment import IOU, Assignment, assign, overlap
from mmdet_flow.evaluation.curves import (
    Curve,
    at_precision,
    at_recall,
    best_f1,
    curve_of,
)
from mmdet_flow.evaluation.detect import Found

USES = ("f1", "recall", "precision")
WANTED = 0.9


def thresholds(
    truth: CocoFile, found: Found, use: str, recall: float, precision: float
) -> dict:
    """Return the content of the thresholds file.

    Without a true positive, no score is better than another: there are none.
    """
    iou_type = found.iou_types(truth)[-1]
    assignment = assign(overlap(truth, found.rows, iou_type))
    points = choose(assignment, truth.classes, recall, precision)
    common = _points(curve_of(assignment), recall, precision)
    scores = {}
    if common["f1"]:
        scores = {name: _score(name, own, common, use) for name, own in points.items()}
    else:
        cli.log.warning("%s: no object was found, so no score is best", truth.path)
    return {
        "scores": scores,
        "use": use,
        "wanted": {"recall": recall, "precision": precision},
        "classes": points,
        "all": common,
        "iou_type": iou_type,
        "iou": IOU,
        "images": len(truth.images),
        "classes_sha256": classes_sha256(truth.classes),
        "model_sha256": found.model_sha256,
    }


def choose(
    assignment: Assignment, classes: list[str], recall: float, precision: float
) -> dict[str, dict]:
    """Return the points of each class; None for what it does not reach."""
    return {
        name: _points(curve_of(assignment, label), recall, precision)
        for label, name in enumerate(classes)
    }


def _points(curve: Curve, recall: float, precision: float) -> dict:
    return {
        "objects": curve.positives,
        "f1": best_f1(curve),
        "recall": at_recall(curve, recall),
        "precision": at_precision(curve, precision),
    }


def _score(name: str, own: dict, common: dict, use: str) -> float:
    """Return the score of a class: as wanted, or of its best F1, or that of all."""
    if own[use]:
        return own[use]["score"]
    if own["f1"]:
        cli.log.warning("%s: does not reach the wanted %s; took best F1", name, use)
        return own["f1"]["score"]
    cli.log.warning("%s: none was found; took the score of all classes", name)
    return common["f1"]["score"]
