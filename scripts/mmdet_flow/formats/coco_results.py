"""COCO results: what pycocotools evaluates."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from mmdet_flow.detections import Detections, Mask
from mmdet_flow.files import new_file


def to_coco_results(
    image_id: int | str, detections: Detections, categories: Sequence[int]
) -> dict[str, list[dict]]:
    """Return the rows of one image for "bbox" and, with masks, for "segm".

    ``categories`` holds the category id of each label. Boxes are x, y, width, height
    at full precision; masks are run-length encoded.
    """
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
            rle = to_rle(detections.masks[index], detections.width, detections.height)
            masks.append(row | {"segmentation": rle})
    return {"bbox": boxes, "segm": masks}


def to_rle(mask: Mask, width: int, height: int) -> dict:
    """Return a mask as COCO's run-length encoding of its image.

    Runs go down the columns. Only the columns of the mask are looked at, each as high
    as the image, so that a small object of a huge image takes little memory.
    """
    from pycocotools import mask as coco_mask

    columns = np.zeros((mask.pixels.shape[1], height), bool)
    columns[:, mask.top : mask.bottom] = mask.pixels.T
    changes = np.flatnonzero(np.diff(columns.ravel(), prepend=False, append=False))
    ends = (changes + mask.left * height).tolist()
    if ends[-1:] != [width * height]:
        ends.append(width * height)
    counts = np.diff(ends, prepend=0).tolist()
    rle = {"counts": counts, "size": [height, width]}
    encoded = coco_mask.frPyObjects(rle, height, width)
    return encoded | {"counts": encoded["counts"].decode()}


def image_ids(files: Iterable[str]) -> dict[str, int | str]:
    """Return an id for each file name: its stem, as a number if that is how it is read.

    Predictions of a folder have no annotation file that would number the images. 0001
    is another image than 1, and names that share a stem are ids as a whole.
    """
    ids = {file: _stem(file) for file in files}
    while shared := {key for key, count in Counter(ids.values()).items() if count > 1}:
        ids |= {file: file for file, key in ids.items() if key in shared}
    return ids


def _stem(file: str) -> int | str:
    stem = Path(file).stem
    is_number = stem.isdecimal() and stem.isascii() and len(stem) < 19
    return int(stem) if is_number and str(int(stem)) == stem else stem


def write_coco_results(path: Path, rows: Iterable[dict]) -> None:
    """Write rows as they come, as a JSON list with a row a line."""
    with new_file(path) as temporary, open(temporary, "w", encoding="utf-8") as stream:
        stream.write("[")
        for number, row in enumerate(rows):
            stream.write((",\n" if number else "\n") + json.dumps(row))
        stream.write("\n]\n")
