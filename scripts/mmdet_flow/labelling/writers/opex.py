"""OPEX: one JSON beside each image, as prediction writes it."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from mmdet_flow.dataset.annotations import corners_of_bbox
from mmdet_flow.dataset.predictions import PredictedImage, PredictedObject
from mmdet_flow.formats.objects import PixelObject
from mmdet_flow.formats.opex import to_opex
from mmdet_flow.labelling.writers.writer import (
    AnnotationWriter,
    Task,
    Written,
    points_of,
)


def write(images: Sequence[PredictedImage], task: Task) -> Iterator[Written]:
    """Yield an OPEX for each image, with the meta of the prediction."""
    labels = {name: label for label, name in enumerate(task.classes)}
    for one in images:
        objects = [_pixel_object(item, labels[item.label]) for item in one.objects]
        text = to_opex(one.name, objects, dict(one.meta), one.time)
        yield f"{Path(one.name).stem}.json", text + "\n"


def _pixel_object(item: PredictedObject, label: int) -> PixelObject:
    bbox = tuple(map(round, corners_of_bbox(item.bbox)))
    contours = [points_of(tuple(map(round, part))) for part in item.polygons]
    return PixelObject(
        label=label,
        name=item.label,
        score=item.score,
        bbox=bbox,
        polygon=contours[0],
        parts=contours[1:],
        area=round(item.bbox[2] * item.bbox[3]),
    )


WRITER = AnnotationWriter(write, parts=True, needs_outlines=True, both=True, whole=True)
