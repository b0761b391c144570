"""How each image did, the worst first."""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from mmdet_flow.evaluation.assignment import (
    ERRORS,
    IGNORED,
    MISSED,
    TRUE_POSITIVE,
    Assignment,
)


@dataclass(frozen=True)
class ImageResult:
    """Counts of one image.

    Attributes:
        index: place among the images of the assignment.
        errors: by type; missed are the objects that nothing shows.
        f1: None where there is neither object nor detection.
    """

    index: int
    file: str
    objects: int
    detections: int
    true_positives: int
    errors: dict[str, int]

    @property
    def false_positives(self) -> int:
        return self.detections - self.true_positives

    @property
    def false_negatives(self) -> int:
        return self.objects - self.true_positives

    @property
    def f1(self) -> float | None:
        total = self.objects + self.detections
        return round(2 * self.true_positives / total, 4) if total else None

    def row(self) -> dict:
        """Return the row of a table."""
        return {
            "file": self.file,
            "objects": self.objects,
            "detections": self.detections,
            "true_positives": self.true_positives,
            "false_positives": self.false_positives,
            "false_negatives": self.false_negatives,
            "f1": self.f1,
            **self.errors,
        }


def image_results(assignment: Assignment) -> list[ImageResult]:
    """Return the images by F1, lowest first, then by errors, then by name."""
    counted = assignment.outcome != IGNORED
    wanted = assignment.state != IGNORED
    number = len(assignment.images)

    def count(places: np.ndarray, which: np.ndarray) -> np.ndarray:
        return np.bincount(places[which], minlength=number)

    objects = count(assignment.object_image, wanted)
    detections = count(assignment.image, counted)
    matched = count(assignment.image, assignment.outcome == TRUE_POSITIVE)
    errors = [Counter() for _ in range(number)]
    for image, name in zip(assignment.image, assignment.outcome, strict=True):
        errors[image][str(name)] += 1
    for image in assignment.object_image[assignment.state == MISSED]:
        errors[image][MISSED] += 1
    results = [
        ImageResult(
            index=index,
            file=image["file_name"],
            objects=int(objects[index]),
            detections=int(detections[index]),
            true_positives=int(matched[index]),
            errors={name: errors[index][name] for name in ERRORS},
        )
        for index, image in enumerate(assignment.images)
    ]
    return sorted(results, key=_quality)


def _quality(result: ImageResult) -> tuple:
    f1 = 1.0 if result.f1 is None else result.f1
    return f1, -result.false_positives - result.false_negatives, result.file
