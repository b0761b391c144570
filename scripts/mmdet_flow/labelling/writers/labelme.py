"""labelme: a JSON an image, beside it."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from mmdet_flow.dataset.annotations import Outline
from mmdet_flow.dataset.predictions import PredictedImage, PredictedObject
from mmdet_flow.files import json_text
from mmdet_flow.labelling.shapes import corners
from mmdet_flow.labelling.writers.writer import (
    AnnotationWriter,
    Task,
    Written,
    points_of,
)

VERSION = "6.3.1"
"""Of labelme, whose keys these are."""


def write(images: Sequence[PredictedImage], task: Task) -> Iterator[Written]:
    """Yield a JSON for each image."""
    for one in images:
        content = {
            "version": VERSION,
            "flags": {},
            "shapes": [
                shape
                for number, item in enumerate(one.objects, 1)
                for shape in _shapes(item, number)
            ],
            "imagePath": one.name,
            "imageData": None,
            "imageWidth": one.size[0],
            "imageHeight": one.size[1],
        }
        yield f"{Path(one.name).stem}.json", json_text(content)


def _shapes(item: PredictedObject, number: int) -> Iterator[dict]:
    """Yield the shapes of an object, which are a group if they are several.

    labelme keeps keys that it does not know, such as the score.
    """
    for outline in item.polygons or (None,):
        shape = {
            "label": item.label,
            "shape_type": "polygon" if outline else "rectangle",
            "points": points_of(outline or _diagonal(item)),
            "group_id": number if len(item.polygons) > 1 else None,
            "description": "",
            "flags": {},
            "mask": None,
        }
        yield shape if item.score is None else shape | {"score": item.score}


def _diagonal(item: PredictedObject) -> Outline:
    around = corners(item.bbox)
    return around[:2] + around[4:6]


WRITER = AnnotationWriter(write, parts=True)
