"""How many errors of each type there are, and what each type costs.

The cost is how much mAP_50 would rise if the errors of this type alone were fixed
(Bolya et al., "TIDE", 2020).
"""

from dataclasses import dataclass

import numpy as np

from mmdet_flow.evaluation.assignment import (
    CLASSIFICATION,
    ERRORS,
    IGNORED,
    LOCALISATION,
    MISSED,
    TRUE_POSITIVE,
    Assignment,
)
from mmdet_flow.evaluation.metrics import average_precision


def count_errors(assignment: Assignment, classes: int) -> dict[str, np.ndarray]:
    """Return for each type its errors by class (classes,).

    A false positive counts for its predicted class, a missed object for its own.
    """
    counts = {
        name: np.bincount(
            assignment.label[assignment.outcome == name], minlength=classes
        )
        for name in ERRORS
    }
    missed = assignment.object_label[assignment.state == MISSED]
    return counts | {MISSED: np.bincount(missed, minlength=classes)}


def costs(assignment: Assignment, classes: int) -> dict[str, float | None]:
    """Return how much mAP_50 would rise without each type of error.

    The assignment is that of all detections, whatever their score. None without
    objects.
    """
    base = _mean_ap(_as_is(assignment, classes))
    if np.isnan(base):
        return dict.fromkeys(ERRORS)
    fixed = {name: _mean_ap(_fix(assignment, classes, name)) for name in ERRORS}
    return {
        # Where all objects are missed, none is left to ask for.
        name: None if np.isnan(value) else round(value - base, 4)
        for name, value in fixed.items()
    }


@dataclass(frozen=True)
class _Case:
    """Detections with score, label, whether true positive, and objects by class."""

    score: np.ndarray
    label: np.ndarray
    matched: np.ndarray
    positives: np.ndarray


def _as_is(assignment: Assignment, classes: int) -> _Case:
    counted = assignment.outcome != IGNORED
    objects = assignment.object_label[assignment.state != IGNORED]
    return _Case(
        assignment.score[counted],
        assignment.label[counted],
        assignment.outcome[counted] == TRUE_POSITIVE,
        np.bincount(objects, minlength=classes),
    )


def _fix(assignment: Assignment, classes: int, error: str) -> _Case:
    """Return the case without one type of error.

    A wrong class or location becomes a true positive if no other detection has found
    the object; all other false positives go away. Missed objects are no longer asked
    for.
    """
    case = _as_is(assignment, classes)
    if error == MISSED:
        missed = assignment.object_label[assignment.state == MISSED]
        positives = case.positives - np.bincount(missed, minlength=classes)
        return _Case(case.score, case.label, case.matched, positives)
    counted = assignment.outcome != IGNORED
    faulty = assignment.outcome[counted] == error
    label, matched = case.label.copy(), case.matched.copy()
    if error in (CLASSIFICATION, LOCALISATION):
        target = assignment.target[counted]
        first = _first_for_their_object(target, case.matched, faulty, case.score)
        label[first] = assignment.object_label[target[first]]
        matched[first] = True
        faulty[first] = False
    keep = ~faulty
    return _Case(case.score[keep], label[keep], matched[keep], case.positives)


def _first_for_their_object(
    target: np.ndarray, matched: np.ndarray, faulty: np.ndarray, score: np.ndarray
) -> np.ndarray:
    """Return the faulty detections that are the best of an object not found else."""
    candidates = np.flatnonzero(faulty & ~np.isin(target, target[matched]))
    candidates = candidates[np.argsort(-score[candidates], kind="stable")]
    return candidates[np.unique(target[candidates], return_index=True)[1]]


def _mean_ap(case: _Case) -> float:
    """Return the mean AP at IoU 0.5 over the classes that have objects."""
    order = np.argsort(-case.score, kind="stable")
    label, matched = case.label[order], case.matched[order]
    values = [
        average_precision(
            matched[None, label == i], ~matched[None, label == i], positives
        )
        for i, positives in enumerate(case.positives)
    ]
    values = np.concatenate(values) if values else np.zeros(0)
    return float(np.nanmean(values)) if not np.isnan(values).all() else np.nan
