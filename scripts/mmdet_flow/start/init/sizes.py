"""How large images are, as training sees them, and their objects."""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median, median_low

from mmdet_flow.dataset.annotations import AnnotatedImage
from mmdet_flow.dataset.pixels import Pixels, read_outside
from mmdet_flow.errors import DataError

Look = Callable[[Path], Pixels | None]
"""What tells how large an image is, and who turns it; None of one that is not opened.

A cache around ``read_outside``, where several functions look at the same images.
"""

SAMPLE = 2000
"""Images whose size is looked at."""


@dataclass(frozen=True)
class Sizes:
    """How large images and objects are.

    Attributes:
        image: the (width, height) of an image in the middle of all.
        smallest: the shorter side of an object in the middle of the class with the
            smallest ones, as a fraction of the longer side of its image.
        label: that class.
        largest: the longer side that nineteen of twenty objects of all classes do not
            exceed, as such a fraction.
    """

    image: tuple[int, int]
    smallest: float
    label: str
    largest: float = 0.0

    @property
    def pixels(self) -> float:
        """The shorter side of that small object, in pixels of the image."""
        return self.smallest * max(self.image)


def measure(
    images: Sequence[AnnotatedImage], classes: Sequence[str], look: Look = read_outside
) -> Sizes:
    """Measure images, and objects of some classes; of many images a sample."""
    measured, longer = [], []
    fractions: dict[str, list[float]] = {}
    for one in images[:: max(1, len(images) // SAMPLE)]:
        size = seen_size(one, look)
        if size is None:
            continue
        measured.append(size)
        for item in one.objects:
            if item.label in classes:
                fraction = min(item.bbox[2:]) / max(size)
                fractions.setdefault(item.label, []).append(fraction)
                longer.append(max(item.bbox[2:]) / max(size))
    if not fractions:
        raise DataError(
            f"{images[0].image.parent}: no image with an object can be opened; "
            "mmdet-flow data check says why"
        )
    by_class = {label: median(values) for label, values in fractions.items()}
    label = min(by_class, key=by_class.get)
    largest = sorted(longer)[len(longer) * 19 // 20]
    return Sizes(_usual(measured), by_class[label], label, largest)


def _usual(sizes: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """Return the size of most images among those of the area in the middle of all."""
    area = median_low(map(math.prod, sizes))
    counts = Counter(size for size in sizes if math.prod(size) == area)
    return max(counts, key=lambda size: (counts[size], size))


def seen_size(one: AnnotatedImage, look: Look) -> tuple[int, int] | None:
    """Return (width, height) of an image as training sees it.

    That is what the annotation says, where the image cannot be opened.
    """
    outside = look(one.image)
    return outside.sizes["seen"] if outside else one.size
