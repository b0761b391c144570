"""CVAT for images 1.1: one XML of all images."""

from collections.abc import Iterator, Sequence
from xml.etree.ElementTree import Element

from mmdet_flow.dataset.annotations import corners_of_bbox
from mmdet_flow.dataset.coco_object import whole_if_so
from mmdet_flow.dataset.predictions import PredictedImage, PredictedObject
from mmdet_flow.dataset.readers.cvat import SIDES
from mmdet_flow.labelling.writers.writer import (
    AnnotationWriter,
    Task,
    Written,
    add,
    as_xml,
    points_of,
)

SCORE = "score"
"""The attribute that a label in CVAT needs for the scores to be kept there."""


def write(images: Sequence[PredictedImage], task: Task) -> Iterator[Written]:
    """Yield one file, whose head names the classes.

    Images have the numbers of a task that is made of the same files, by name.
    """
    root = Element("annotations")
    add(root, "version", "1.1")
    labels = add(add(add(root, "meta"), "task"), "labels")
    for name in task.classes:
        label = add(labels, "label")
        add(label, "name", name)
        attribute = add(add(label, "attributes"), "attribute")
        values = {"mutable": False, "input_type": "text", "default_value": ""}
        for tag, value in ({"name": SCORE} | values | {"values": ""}).items():
            add(attribute, tag, value)
    for number, one in enumerate(sorted(images, key=lambda one: one.name)):
        width, height = one.size
        image = add(
            *(root, "image"), id=number, name=one.name, width=width, height=height
        )
        for group, item in enumerate(one.objects, 1):
            _add_shapes(image, item, group)
    yield "annotations.xml", as_xml(root)


def _add_shapes(image: Element, item: PredictedObject, group: int) -> None:
    """Add the shapes of an object, which are a group if they are several."""
    common = {"label": item.label, "source": "auto", "occluded": 0, "z_order": 0}
    if len(item.polygons) > 1:
        common["group_id"] = group
    for outline in item.polygons or (None,):
        if outline:
            points = ";".join(f"{x},{y}" for x, y in points_of(outline))
            shape = add(image, "polygon", points=points, **common)
        else:
            values = map(whole_if_so, corners_of_bbox(item.bbox, "exclusive"))
            place = dict(zip(SIDES, values, strict=True))
            shape = add(image, "box", **place, **common)
        if item.score is not None:
            add(shape, "attribute", item.score, name=SCORE)


WRITER = AnnotationWriter(write, "images", parts=True)
