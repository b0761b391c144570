"""The annotation formats, one a module."""

from mmdet_flow.dataset.annotations import AnnotationFormat
from mmdet_flow.dataset.readers import (
    adams,
    coco,
    createml,
    cvat,
    datumaro,
    label_studio,
    labelme,
    labelme_xml,
    lightly,
    open_images,
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
    "createml": createml.FORMAT,
    "cvat": cvat.FORMAT,
    "datumaro": datumaro.FORMAT,
    "label-studio": label_studio.FORMAT,
    "labelme": labelme.FORMAT,
    "labelme-xml": labelme_xml.FORMAT,
    "lightly": lightly.FORMAT,
    "open-images": open_images.FORMAT,
    "opex": opex.FORMAT,
    "roi": roi_csv.FORMAT,
    "vgg": vgg.FORMAT,
    "via-csv": via_csv.FORMAT,
    "voc": voc.FORMAT,
    "yolo": yolo.FORMAT,
}
