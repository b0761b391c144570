"""The formats that predictions are written in as annotations, one a module."""

from mmdet_flow.labelling.writers import (
    adams,
    coco,
    cvat,
    label_studio,
    labelme,
    opex,
    vgg,
    voc,
    yolo,
)
from mmdet_flow.labelling.writers.writer import AnnotationWriter

WRITERS: dict[str, AnnotationWriter] = {
    "adams": adams.WRITER,
    "coco": coco.WRITER,
    "cvat": cvat.WRITER,
    "label-studio": label_studio.WRITER,
    "labelme": labelme.WRITER,
    "opex": opex.WRITER,
    "vgg": vgg.WRITER,
    "voc": voc.WRITER,
    "yolo": yolo.WRITER,
}
