"""Pascal VOC: one XML an image, with the corners of boxes."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from xml.etree.ElementTree import Element

from mmdet_flow.dataset.annotations import AnnotatedObject, corners_of_bbox
from mmdet_flow.dataset.coco_object import whole_if_so
from mmdet_flow.dataset.predictions import PredictedImage
from mmdet_flow.dataset.readers.voc import CORNERS
from mmdet_flow.labelling.writers.writer import (
    AnnotationWriter,
    Task,
    Written,
    add,
    as_xml,
)

IMAGES = "JPEGImages"
LABELMAP = "# label:color_rgb:parts:actions\n"


def write(images: Sequence[PredictedImage], task: Task) -> Iterator[Written]:
    """Yield an XML for each image, and what the layout of VOC has beside them.

    That is a list of the images, and the map of labels that CVAT and Datumaro want.
    """
    for one in images:
        root = Element("annotation")
        add(root, "folder", IMAGES)
        add(root, "filename", one.name)
        size = add(root, "size")
        for tag, value in zip(("width", "height"), one.size, strict=True):
            add(size, tag, value)
        add(size, "depth", 3)
        add(root, "segmented", 0)
        for item in one.objects:
            _add_object(root, item, task.edges)
        yield f"Annotations/{Path(one.name).stem}.xml", as_xml(root)
    stems = (Path(one.name).stem for one in images)
    yield "ImageSets/Main/default.txt", "".join(f"{stem}\n" for stem in stems)
    yield "labelmap.txt", LABELMAP + "".join(f"{name}:::\n" for name in task.classes)


def _add_object(root: Element, item: AnnotatedObject, edges: str) -> None:
    element = add(root, "object")
    add(element, "name", item.label)
    add(element, "pose", "Unspecified")
    add(element, "truncated", 0)
    add(element, "difficult", 0)
    box = add(element, "bndbox")
    corners = corners_of_bbox(item.bbox, edges)
    for tag, value in zip(CORNERS, corners, strict=True):
        add(box, tag, whole_if_so(value))


WRITER = AnnotationWriter(write, IMAGES, outlines=False, corners=True)
