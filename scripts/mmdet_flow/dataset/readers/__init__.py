"""The annotation formats, one a module."""

from mmdet_flow.dataset.annotations import AnnotationFormat
from mmdet_flow.dataset.readers import adams, coco, opex, roi_csv, vgg, voc, yolo

FORMATS: dict[str, AnnotationFormat] = {
    "adams": adams.FORMAT,
    "coco": coco.FORMAT,
    "opex": opex.FORMAT,
    "roi": roi_csv.FORMAT,
    "vgg": vgg.FORMAT,
    "voc": voc.FORMAT,
    "yolo": yolo.FORMAT,
}
