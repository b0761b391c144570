"""Candidates for errors in the annotations: the model is sure, and they disagree.

Overlooked, swapped and badly located are the label errors of Tkachenko et al.,
"ObjectLab: Automated Diagnosis of Mislabeled Images in Object Detection Data" (2023).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mmdet_flow.evaluation.assignment import (
    BACKGROUND,
    CLASSIFICATION,
    LOCALISATION,
    TRUE_POSITIVE,
    Assignment,
)

CONFIDENT = 0.5
"""The model is sure of a detection of at least this score."""

SUSPICIONS = {
    BACKGROUND: "overlooked?",
    CLASSIFICATION: "swapped class?",
    LOCALISATION: "badly located?",
}


@dataclass(frozen=True)
class LabelError:
    """A detection that speaks against the annotation.

    Attributes:
        row: its position in the assignment; ``image`` that of its image.
        predicted, annotated: positions in the class list; ``annotated`` may be None.
        bbox: of the detection, x, y, width, height in pixels.
    """

    row: int
    image: int
    file: str
    error: str
    score: float
    predicted: int
    annotated: int | None
    iou: float
    bbox: list[float]

    @property
    def suspicion(self) -> str:
        return SUSPICIONS[self.error]

    def row_of(self, classes: Sequence[str]) -> tuple:
        """Return the row of a table."""
        annotated = "" if self.annotated is None else classes[self.annotated]
        return (
            *(self.file, self.suspicion, round(self.score, 4), classes[self.predicted]),
            *(annotated, round(self.iou, 4), *(round(v, 1) for v in self.bbox)),
        )


def label_errors(kept: Assignment) -> list[LabelError]:
    """Return the candidates, the most certain first.

    An object that another detection confirms is none.
    """
    suspect = np.isin(kept.outcome, list(SUSPICIONS)) & (kept.score >= CONFIDENT)
    confirmed = np.flatnonzero(kept.state == TRUE_POSITIVE)
    suspect &= ~np.isin(kept.target, confirmed)
    rows = np.flatnonzero(suspect)
    rows = rows[np.argsort(-kept.score[rows], kind="stable")]
    return [_label_error(kept, int(row)) for row in rows]


def _label_error(kept: Assignment, row: int) -> LabelError:
    image, target = int(kept.image[row]), int(kept.target[row])
    return LabelError(
        row=row,
        image=image,
        file=kept.images[image]["file_name"],
        error=str(kept.outcome[row]),
        score=float(kept.score[row]),
        predicted=int(kept.label[row]),
        annotated=int(kept.object_label[target]) if target >= 0 else None,
        iou=float(kept.iou[row]),
        bbox=kept.rows[row]["bbox"],
    )
