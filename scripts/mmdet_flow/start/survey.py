"""What the readers find in a folder: images, objects, and what they cannot read."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from mmdet_flow.dataset.annotations import (
    AnnotatedImage,
    AnnotatedObject,
    Problem,
    Source,
    area_of_points,
    bbox_of_points,
)
from mmdet_flow.dataset.image_index import ImageIndex
from mmdet_flow.dataset.readers import FORMATS

FILLED = 0.98
"""A polygon that fills so much of its box is taken for the box."""


@dataclass(frozen=True)
class Survey:
    """What a reader finds.

    Attributes:
        format: the name of the reader.
        images: what it can read.
        problems: what it cannot.
        left_aside: what else is there, for the user.
    """

    format: str
    source: Source
    images: list[AnnotatedImage]
    problems: list[Problem]
    left_aside: tuple[str, ...] = ()

    @property
    def objects(self) -> list[AnnotatedObject]:
        return [item for one in self.images for item in one.objects]

    @property
    def classes(self) -> Counter[str]:
        """Return the number of objects of each class, the most frequent first."""
        counts = Counter(item.label for item in self.objects if item.label)
        return Counter(dict(sorted(counts.items(), key=lambda one: (-one[1], one[0]))))

    @property
    def outlines(self) -> int:
        """Return how many objects have an outline, not just a box."""
        return sum(map(has_outline, self.objects))

    @property
    def without_mask(self) -> int:
        """Return how many objects have a box alone, and no polygon either."""
        return sum(not has_mask(item) for item in self.objects)


def survey(
    name: str, source: Source, index: ImageIndex, limit: int | None = None
) -> Survey:
    """Read a source in a format, all of it or up to a number of images."""
    items = list(islice(FORMATS[name].read(source, index), limit))
    images = [item for item in items if isinstance(item, AnnotatedImage)]
    problems = [item for item in items if isinstance(item, Problem)]
    return Survey(name, source, images, problems)


def has_mask(item: AnnotatedObject) -> bool:
    """Whether an object has an outline, or a mask of pixels."""
    return bool(item.polygons or item.mask)


def has_outline(item: AnnotatedObject) -> bool:
    """Whether an object has a mask that is not simply its box."""
    if item.mask or len(item.polygons) > 1:
        return True
    if not item.polygons or len(item.polygons[0]) < 6:
        return False
    _, _, width, height = bbox_of_points(item.polygons[0])
    return area_of_points(item.polygons[0]) < FILLED * width * height


def check_counts(problems: Iterable[Problem]) -> str:
    """Return how many problems each check found, as text."""
    counts = Counter(problem.check for problem in problems)
    return ", ".join(f"{count} {check}" for check, count in counts.most_common())


def common_place(files: Iterable[Path]) -> Path:
    """Return the deepest folder that holds all files, or the only file."""
    places = set(files)
    if len(places) == 1:
        return places.pop()
    folders = [place.parent for place in places]
    return next(
        one
        for one in (folders[0], *folders[0].parents)
        if all(folder.is_relative_to(one) for folder in folders)
    )
