"""COCO results: what pycocotools evaluates."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from mmdet_flow.detections import Detections
from mmdet_flow.files import new_file


def to_coco_results(
    image_id: int | str, detections: Detections, categories: Sequence[int]
) -> dict[str, list[dict]]:
    """Return the rows of one image for "bbox" and, with masks, for "segm".

    ``categories`` holds the category id of each label. Boxes are x, y, width, height
    at full precision; masks are run-length encoded.
    """
    import numpy as np
    from pycocotools import mask as coco_mask

    boxes, masks = [], []
    for index in range(len(detections)):
        left, top, right, bottom = map(float, detections.boxes[index])
        row = {
            "image_id": image_id,
            "category_id": categories[int(detections.labels[index])],
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


def image_id_of(file: str) -> int | str:
    """Return the stem of a file name, as a number if it is one.

    Predictions of a folder have no annotation file that would number the images.
    """
    stem = Path(file).stem
    return int(stem) if stem.isdecimal() and stem.isascii() else stem


def write_coco_results(path: Path, rows: Iterable[dict]) -> None:
    """Write rows as they come, as a JSON list with a row a line."""
    with new_file(path) as temporary, open(temporary, "w", encoding="utf-8") as stream:
        stream.write("[")
        for number, row in enumerate(rows):
            stream.write((",\n" if number else "\n") + json.dumps(row))
        stream.write("\n]\n")
