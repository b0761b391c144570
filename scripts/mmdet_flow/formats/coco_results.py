"""COCO results: what pycocotools evaluates."""

from mmdet_flow.dataset.coco import CocoFile
from mmdet_flow.detections import Detections


def to_coco_results(
    image_id: int, detections: Detections, truth: CocoFile
) -> dict[str, list[dict]]:
    """Return the rows of one image for "bbox" and, with masks, for "segm".

    Boxes are x, y, width, height at full precision; masks are run-length encoded.
    """
    import numpy as np
    from pycocotools import mask as coco_mask

    boxes, masks = [], []
    for index in range(len(detections)):
        left, top, right, bottom = map(float, detections.boxes[index])
        row = {
            "image_id": image_id,
            "category_id": truth.categories[int(detections.labels[index])]["id"],
            "score": float(detections.scores[index]),
            "bbox": [left, top, right - left, bottom - top],
        }
        boxes.append(row)
        if detections.masks is not None:
            encoded = coco_mask.encode(
                np.asfortranarray(detections.masks[index].astype(np.uint8))
            )
            encoded["counts"] = encoded["counts"].decode()
            masks.append(row | {"segmentation": encoded})
    return {"bbox": boxes, "segm": masks}
