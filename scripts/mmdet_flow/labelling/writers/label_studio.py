"""Label Studio: tasks with predictions, and the labelling interface for them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
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

BOXES, OUTLINES = "rectanglelabels", "polygonlabels"
"""The types of the tags of boxes and outlines."""

Place = tuple[str, str]
"""The name of the tag that takes an object, and its label there."""


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
    data = {IMAGE: address + quote(one.name)}
    return {"data": data, "predictions": [prediction_of(one, IMAGE, _own_place)]}


def _own_place(item: PredictedObject) -> Place:
    return OUTLINE if item.polygons else BOX, item.label


def prediction_of(
    one: PredictedImage, image: str, place_of: Callable[[PredictedObject], Place]
) -> dict:
    """Return what was predicted for a task; ``image`` is the tag of the image.

    Its score, by which Label Studio sorts, is that of the surest object. Objects have
    one outline, or none.
    """
    scores = [item.score for item in one.objects if item.score is not None]
    prediction = {
        "model_version": version_of(one.meta),
        "result": [
            _region(item, one.size, image, place_of(item))
            | {"id": f"{one.sha256[:8]}-{number}"}
            for number, item in enumerate(one.objects, 1)
        ],
    }
    if scores:
        prediction["score"] = max(scores)
    return prediction


def version_of(meta: Mapping[str, str]) -> str:
    """Return the name of the model with the beginning of its SHA-256."""
    parts = meta.get("model", "model"), meta.get("model_sha256", "")[:8]
    return " ".join(filter(None, parts))


def _region(item: PredictedObject, size: Size, image: str, place: Place) -> dict:
    """Return an object as a region, in percent of the image."""
    if item.polygons:
        points = points_of(_percents(item.polygons[0], size))
        kind, value = OUTLINES, {"points": points, "closed": True}
    else:
        sides = zip(("x", "y", "width", "height"), item.bbox, strict=True)
        keys, values = zip(*sides, strict=True)
        sides = dict(zip(keys, _percents(values, size), strict=True))
        kind, value = BOXES, sides | {"rotation": 0}
    name, label = place
    region = {
        "from_name": name,
        "to_name": image,
        "type": kind,
        "value": value | {kind: [label]},
        "original_width": size[0],
        "original_height": size[1],
        "image_rotation": 0,
    }
    return region if item.score is None else region | {"score": item.score}


def _percents(values: Sequence[float], size: Size) -> list[float]:
    sides = [*size] * (len(values) // 2)
    return [100 * value / side for value, side in zip(values, sides, strict=True)]


WRITER = AnnotationWriter(write, "images")
