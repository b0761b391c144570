"""The annotation formats, one a module."""

from mmdet_flow.dataset.annotations import AnnotationFormat
from mmdet_flow.dataset.readers import (
    adams,
    coco,
    cvat,
    datumaro,
    label_studio,
    labelme,
    opex,
    roi_csv,
    vgg,
    via_csv,
    voc,
    yolo,
)

FORMATS: dict[str, AnnotationFormat] = {
    "adams": adams.FORMAT,
    "coco": coco.FORMAT,
    "cvat": cvat.FORMAT,
    "datumaro": datumaro.FORMAT,
    "label-studio": label_studio.FORMAT,
    "labelme": labelme.FORMAT,
    "opex": opex.FORMAT,
    "roi": roi_csv.FORMAT,
    "vgg": vgg.FORMAT,
    "via-csv": via_csv.FORMAT,
    "voc": voc.FORMAT,
    "yolo": yolo.FORMAT,
}
