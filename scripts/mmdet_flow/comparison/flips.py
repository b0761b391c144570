"""Objects that one of two models finds and the other misses, image by image."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mmdet_flow.evaluation.assignment import CORRECT, IGNORED, Assignment


@dataclass(frozen=True)
class ImageFlips:
    """What two models make of an image.

    Attributes:
        index: place among the images of the assignments.
        both, only_a, only_b, neither: how many objects are found by whom.
        wrong_a, wrong_b: detections that are not right.
    """

    index: int
    file: str
    both: int
    only_a: int
    only_b: int
    neither: int
    wrong_a: int
    wrong_b: int

    @property
    def flipped(self) -> int:
        return self.only_a + self.only_b

    def row(self) -> dict[str, str | int]:
        """Return the row of a table."""
        names = ("file", "both", "only_a", "only_b", "neither", "wrong_a", "wrong_b")
        return {name: getattr(self, name) for name in names}


def find_flips(a: Assignment, b: Assignment) -> list[ImageFlips]:
    """Return all images of two assignments of the same objects, most flips first."""
    wanted = a.state != IGNORED
    by_a, by_b = a.state == CORRECT, b.state == CORRECT
    objects = [
        _count(a.object_image[wanted & chosen], a)
        for chosen in (by_a & by_b, by_a & ~by_b, by_b & ~by_a, ~by_a & ~by_b)
    ]
    wrong = [
        _count(one.image[~np.isin(one.outcome, (CORRECT, IGNORED))], one)
        for one in (a, b)
    ]
    images = [
        ImageFlips(index, image["file_name"], *map(int, counts))
        for index, (image, *counts) in enumerate(
            zip(a.images, *objects, *wrong, strict=True)
        )
    ]
    return sorted(images, key=lambda one: (-one.flipped, one.file))


def _count(places: np.ndarray, assignment: Assignment) -> np.ndarray:
    return np.bincount(places, minlength=len(assignment.images))


def totals(flips: Sequence[ImageFlips]) -> dict[str, int]:
    """Return the counts of all images, and in how many there is a flip."""
    names = ("both", "only_a", "only_b", "neither", "wrong_a", "wrong_b")
    return {name: sum(getattr(one, name) for one in flips) for name in names} | {
        "images_with_flips": sum(one.flipped > 0 for one in flips)
    }
