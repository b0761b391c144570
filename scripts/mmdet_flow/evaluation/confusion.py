"""Which class is taken for which."""

import numpy as np

from mmdet_flow.evaluation.assignment import (
    CLASSIFICATION,
    CORRECT,
    IGNORED,
    Assignment,
)

NOTHING = "nothing"
"""Name of the last row (no object was there) and column (nothing was found)."""


def confusion_matrix(assignment: Assignment, classes: int) -> np.ndarray:
    """Return counts (classes + 1, classes + 1): a row an annotated, a column a found
    class, nothing the last of both.

    Each object counts once, so rows sum to the objects of a class: with the class of
    the detection that matches it, or of the best one of another class that overlaps
    it. Each detection counts once, so columns sum to the detections.
    """
    matrix = np.zeros((classes + 1, classes + 1), int)
    taken = np.isin(assignment.state, (CORRECT, IGNORED))
    for row in np.argsort(-assignment.score, kind="stable"):
        outcome, target = assignment.outcome[row], assignment.target[row]
        if outcome == IGNORED:
            continue
        annotated = classes
        if outcome == CORRECT or (outcome == CLASSIFICATION and not taken[target]):
            annotated = assignment.object_label[target]
            taken[target] = True
        matrix[annotated, assignment.label[row]] += 1
    np.add.at(matrix, (assignment.object_label[~taken], classes), 1)
    return matrix
