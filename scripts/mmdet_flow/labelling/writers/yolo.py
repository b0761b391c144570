"""YOLO: a text file an image, and data.yaml with the names of the classes."""

from collections.abc import Iterator, Sequence
from itertools import cycle
from pathlib import Path

from mmdet_flow.dataset.annotations import AnnotatedObject
from mmdet_flow.dataset.predictions import PredictedImage, Size
from mmdet_flow.labelling.shapes import corners
from mmdet_flow.labelling.writers.writer import AnnotationWriter, Task, Written

DIGITS = 9
"""Behind the point of a fraction: 1/64 pixel of any image."""


def write(images: Sequence[PredictedImage], task: Task) -> Iterator[Written]:
    """Yield the files, of which all lines are boxes, or all are outlines.

    Where both are in a file, Ultralytics reads boxes as outlines.
    """
    import yaml

    names = dict(enumerate(task.classes))
    numbers = {name: number for number, name in names.items()}
    outlined = any(item.polygons for one in images for item in one.objects)
    content = {"train": "images", "val": "images", "names": names}
    yield "data.yaml", yaml.safe_dump(content, allow_unicode=True, sort_keys=False)
    for one in images:
        lines = (
            f"{numbers[item.label]} {' '.join(_numbers(item, one.size, outlined))}\n"
            for item in one.objects
        )
        yield f"labels/{Path(one.name).stem}.txt", "".join(lines)


def _numbers(item: AnnotatedObject, size: Size, outlined: bool) -> Iterator[str]:
    """Yield the middle, width and height of a box, or the points of an outline."""
    x, y, width, height = item.bbox
    values = (x + width / 2, y + height / 2, width, height)
    if outlined:
        values = item.polygons[0] if item.polygons else corners(item.bbox)
    for value, side in zip(values, cycle(size), strict=False):
        yield f"{value / side:.{DIGITS}f}".rstrip("0").rstrip(".")


WRITER = AnnotationWriter(write, "images")
