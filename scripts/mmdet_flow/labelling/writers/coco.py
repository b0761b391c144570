"""COCO: one JSON of all images, with a score in each annotation."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from mmdet_flow import layout
from mmdet_flow.dataset.coco import CocoFile
from mmdet_flow.dataset.coco_object import as_coco
from mmdet_flow.dataset.predictions import PredictedImage
from mmdet_flow.files import json_text
from mmdet_flow.labelling.writers.writer import AnnotationWriter, Task, Written


def write(images: Sequence[PredictedImage], task: Task) -> Iterator[Written]:
    """Yield one file, with the classes in their order."""
    coco = coco_of(images, task.classes)
    yield layout.ANNOTATIONS.name, json_text(coco.content)


def coco_of(
    images: Sequence[PredictedImage],
    classes: Sequence[str],
    info: Mapping[str, str] | None = None,
) -> CocoFile:
    """Return images with their objects as COCO; ids begin at 1.

    FiftyOne and Datumaro take the key ``score`` of an annotation, which COCO itself has
    in results only.
    """
    ids = {name: number for number, name in enumerate(classes, 1)}
    categories = [{"id": number, "name": name} for name, number in ids.items()]
    path = Path(layout.ANNOTATIONS.name)
    coco = CocoFile(path, [], [], categories, dict(info or {}))
    for image_id, one in enumerate(images, 1):
        size = {"width": one.size[0], "height": one.size[1]}
        coco.images.append({"id": image_id, "file_name": one.name} | size)
        for item in one.objects:
            score = {} if item.score is None else {"score": item.score}
            numbers = {"id": len(coco.annotations) + 1, "image_id": image_id}
            numbers["category_id"] = ids[item.label]
            coco.annotations.append(as_coco(item) | numbers | score)
    return coco


WRITER = AnnotationWriter(write, "images", parts=True, both=True)
