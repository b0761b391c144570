"""Where two models disagree: objects that one finds and the other misses, by image."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mmdet_flow.evaluation.assignment import IGNORED, TRUE_POSITIVE, Assignment

COUNTS = (
    *("both", "only_a", "only_b", "neither"),
    *("false_positives_a", "false_positives_b"),
)


@dataclass(frozen=True)
class Disagreement:
    """What two models make of an image.

    Attributes:
        index: place among the images of the assignments.
        both, only_a, only_b, neither: how many objects are found by whom.
        false_positives_a, false_positives_b: how many detections match no object.
    """

    index: int
    file: str
    both: int
    only_a: int
    only_b: int
    neither: int
    false_positives_a: int
    false_positives_b: int

    @property
    def objects(self) -> int:
        """How many objects one of the two finds alone."""
        return self.only_a + self.only_b

    def row(self) -> dict[str, str | int]:
        """Return the row of a table."""
        return {name: getattr(self, name) for name in ("file", *COUNTS)}


def find_disagreements(a: Assignment, b: Assignment) -> list[Disagreement]:
    """Return all images of two assignments of the same objects, the worst first."""
    wanted = a.state != IGNORED
    by_a, by_b = a.state == TRUE_POSITIVE, b.state == TRUE_POSITIVE
    objects = [
        _count(a.object_image[wanted & chosen], a)
        for chosen in (by_a & by_b, by_a & ~by_b, by_b & ~by_a, ~by_a & ~by_b)
    ]
    false_positives = [
        _count(one.image[~np.isin(one.outcome, (TRUE_POSITIVE, IGNORED))], one)
        for one in (a, b)
    ]
    images = [
        Disagreement(index, image["file_name"], *map(int, counts))
        for index, (image, *counts) in enumerate(
            zip(a.images, *objects, *false_positives, strict=True)
        )
    ]
    return sorted(images, key=lambda one: (-one.objects, one.file))


def _count(places: np.ndarray, assignment: Assignment) -> np.ndarray:
    return np.bincount(places, minlength=len(assignment.images))


def totals(images: Sequence[Disagreement]) -> dict[str, int]:
    """Return the counts of all images, and in how many of them the two disagree."""
    return {name: sum(getattr(one, name) for one in images) for name in COUNTS} | {
        "images": sum(one.objects > 0 for one in images)
    }
