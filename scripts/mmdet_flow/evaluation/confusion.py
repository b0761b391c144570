"""Which class is taken for which."""

import numpy as np

from mmdet_flow.evaluation.assignment import (
    CLASSIFICATION,
    IGNORED,
    TRUE_POSITIVE,
    Assignment,
)

BACKGROUND = "background"
"""Name of the last row (no object is there) and column (no detection is there)."""


def confusion_matrix(assignment: Assignment, classes: int) -> np.ndarray:
    """Return counts (classes + 1, classes + 1): a row an annotated, a column a
    predicted class, background the last of both.

    Each object counts once, so rows sum to the objects of a class: with the class of
    the detection that matches it, or of the best one of another class that overlaps
    it. Each detection counts once, so columns sum to the detections.
    """
    matrix = np.zeros((classes + 1, classes + 1), int)
    taken = np.isin(assignment.state, (TRUE_POSITIVE, IGNORED))
    for row in np.argsort(-assignment.score, kind="stable"):
        outcome, target = assignment.outcome[row], assignment.target[row]
        if outcome == IGNORED:
            continue
        annotated = classes
        if outcome == TRUE_POSITIVE or (
            outcome == CLASSIFICATION and not taken[target]
        ):
            annotated = assignment.object_label[target]
            taken[target] = True
        matrix[annotated, assignment.label[row]] += 1
    np.add.at(matrix, (assignment.object_label[~taken], classes), 1)
    return matrix
