"""Label Studio: tasks with predictions, and the labelling interface for them."""

from collections.abc import Iterator, Sequence
from urllib.parse import quote
from xml.etree.ElementTree import Element

from mmdet_flow.dataset.predictions import PredictedImage, PredictedObject, Size
from mmdet_flow.files import json_text
from mmdet_flow.labelling.writers.writer import (
    AnnotationWriter,
    Task,
    Written,
    add,
    as_xml,
    points_of,
)

ADDRESS = "/data/local-files/?d=images/"
"""Of the files below LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT."""

IMAGE, BOX, OUTLINE = "image", "box", "outline"
"""The names of the tags of the labelling interface."""


def write(images: Sequence[PredictedImage], task: Task) -> Iterator[Written]:
    """Yield the interface with the classes, and the tasks."""
    yield "interface.xml", _interface(task.classes)
    tasks = [_task(one, task.address or ADDRESS) for one in images]
    yield "tasks.json", json_text(tasks)


def _interface(classes: Sequence[str]) -> str:
    view = Element("View")
    add(view, "Image", name=IMAGE, value=f"${IMAGE}", zoom="true")
    for tag, name in (("RectangleLabels", BOX), ("PolygonLabels", OUTLINE)):
        labels = add(view, tag, name=name, toName=IMAGE)
        for one in classes:
            add(labels, "Label", value=one)
    return as_xml(view).partition("\n")[2]


def _task(one: PredictedImage, address: str) -> dict:
    """Return a task; its score, by which Label Studio sorts, is that of the surest."""
    scores = [item.score for item in one.objects if item.score is not None]
    prediction = {
        "model_version": _version(one),
        "result": [
            _region(item, one.size, f"{one.sha256[:8]}-{number}")
            for number, item in enumerate(one.objects, 1)
        ],
    }
    if scores:
        prediction["score"] = max(scores)
    data = {IMAGE: address + quote(one.name)}
    return {"data": data, "predictions": [prediction]}


def _version(one: PredictedImage) -> str:
    """Return the name of the model with the beginning of its SHA-256."""
    parts = one.meta.get("model", "model"), one.meta.get("model_sha256", "")[:8]
    return " ".join(filter(None, parts))


def _region(item: PredictedObject, size: Size, key: str) -> dict:
    """Return an object as a region, in percent of the image."""
    if item.polygons:
        points = points_of(_percents(item.polygons[0], size))
        name, value = OUTLINE, {"points": points, "closed": True}
    else:
        sides = zip(("x", "y", "width", "height"), item.bbox, strict=True)
        keys, values = zip(*sides, strict=True)
        place = dict(zip(keys, _percents(values, size), strict=True))
        name, value = BOX, place | {"rotation": 0}
    kind = {BOX: "rectanglelabels", OUTLINE: "polygonlabels"}[name]
    region = {
        "id": key,
        "from_name": name,
        "to_name": IMAGE,
        "type": kind,
        "value": value | {kind: [item.label]},
        "original_width": size[0],
        "original_height": size[1],
        "image_rotation": 0,
    }
    return region if item.score is None else region | {"score": item.score}


def _percents(values: Sequence[float], size: Size) -> list[float]:
    sides = [*size] * (len(values) // 2)
    return [100 * value / side for value, side in zip(values, sides, strict=True)]


WRITER = AnnotationWriter(write, "images")
