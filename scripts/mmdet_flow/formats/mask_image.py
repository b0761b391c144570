"""Mask PNG: each pixel is the label + 1 of its object, 0 where there is none."""

import numpy as np

from mmdet_flow.detections import Detections


def to_mask_png(detections: Detections) -> bytes:
    """Return one picture of all masks, or boxes where the model has no masks.

    The object with the higher score has the pixel. 16 bits if there are over 254
    classes.
    """
    import cv2

    dtype = np.uint8 if len(detections.classes) < 255 else np.uint16
    picture = np.zeros((detections.height, detections.width), dtype)
    for index in reversed(range(len(detections))):
        value = int(detections.labels[index]) + 1
        if detections.masks is not None:
            mask = detections.masks[index]
            picture[mask.within()][mask.pixels] = value
        else:
            left, top, right, bottom = np.rint(detections.boxes[index]).astype(int)
            picture[max(top, 0) : bottom, max(left, 0) : right] = value
    return cv2.imencode(".png", picture)[1].tobytes()
