"""Precision, recall and F1 at each score that a user may choose."""

from dataclasses import dataclass

import numpy as np

from mmdet_flow.evaluation.assignment import IGNORED, TRUE_POSITIVE, Assignment

STEPS = 1000
"""Scores are told apart to 1 / STEPS: three digits, as thresholds are written."""


@dataclass(frozen=True)
class Curve:
    """What keeping all detections of at least a score gives, highest score first.

    Attributes:
        score: (n,) the scores that detections have, rounded down to three digits.
        true_positives, false_positives: (n,) of the detections of at least this score.
        positives: the number of objects.
    """

    score: np.ndarray
    true_positives: np.ndarray
    false_positives: np.ndarray
    positives: int

    @property
    def detections(self) -> np.ndarray:
        return self.true_positives + self.false_positives

    @property
    def precision(self) -> np.ndarray:
        return self.true_positives / np.maximum(self.detections, 1)

    @property
    def recall(self) -> np.ndarray:
        """NaN where there is no object."""
        if not self.positives:
            return np.full(len(self.score), np.nan)
        return self.true_positives / self.positives

    @property
    def f1(self) -> np.ndarray:
        """The harmonic mean of precision and recall."""
        if not self.positives:
            return np.full(len(self.score), np.nan)
        return 2 * self.true_positives / (self.detections + self.positives)


def curve(score: np.ndarray, matched: np.ndarray, positives: int) -> Curve:
    """Return the curve of detections (n,) and whether each is a true positive (n,)."""
    # What a float32 lacks of a decimal number must not cost a step.
    steps = np.floor(score * STEPS + 1e-4).astype(int)
    levels, place = np.unique(-steps, return_inverse=True)
    total = np.bincount(place, minlength=len(levels)).cumsum()
    true = np.bincount(place[matched], minlength=len(levels)).cumsum()
    return Curve(-levels / STEPS, true, total - true, positives)


def curve_of(assignment: Assignment, label: int | None = None) -> Curve:
    """Return the curve of a class, or of all detections alike."""
    counted = assignment.outcome != IGNORED
    wanted = assignment.state != IGNORED
    if label is not None:
        counted &= assignment.label == label
        wanted &= assignment.object_label == label
    return curve(
        assignment.score[counted],
        assignment.outcome[counted] == TRUE_POSITIVE,
        int(wanted.sum()),
    )


def point(curve: Curve, index: int) -> dict[str, float]:
    """Return one point of a curve as plain values of four digits."""
    return {
        "score": float(curve.score[index]),
        "precision": round(float(curve.precision[index]), 4),
        "recall": round(float(curve.recall[index]), 4),
        "f1": round(float(curve.f1[index]), 4),
    }


def best_f1(curve: Curve) -> dict[str, float] | None:
    """Return the point of the highest F1; None without a true positive."""
    if not curve.positives or not curve.true_positives.any():
        return None
    return point(curve, int(curve.f1.argmax()))


def at_recall(curve: Curve, wanted: float) -> dict[str, float] | None:
    """Return the point of the highest score that reaches this recall."""
    reached = np.flatnonzero(curve.recall >= wanted)
    return point(curve, int(reached[0])) if len(reached) else None


def at_precision(curve: Curve, wanted: float) -> dict[str, float] | None:
    """Return the point of the highest recall with at least this precision."""
    if not curve.positives:
        return None
    reached = np.flatnonzero((curve.precision >= wanted) & (curve.true_positives > 0))
    return point(curve, int(reached[-1])) if len(reached) else None
