"""Non-maximum suppression in numpy, as mmcv computes it."""

import numpy as np

CHUNK = 128
"""Boxes whose overlaps are computed together: many for numpy, few for memory."""


def suppress(
    boxes: np.ndarray,
    scores: np.ndarray,
    labels: np.ndarray | None,
    iou: float,
    most: int | None = None,
) -> np.ndarray:
    """Return the indices of the boxes that stay, highest score first.

    Greedy: a box goes if it overlaps with a better one by more than ``iou``
    (intersection over union), of the same label unless ``labels`` is None. As the
    result is sorted, it can end once it has ``most``.

    Args:
        boxes: (n, 4) float32, left, top, right, bottom.
        scores: (n,) float32.
        labels: (n,) int64.
    """
    order = np.argsort(-scores, kind="stable")
    boxes = boxes[order]
    if labels is not None and len(boxes):
        # Boxes of different classes never meet once each class is moved elsewhere.
        step = boxes.max() + np.float32(1)
        boxes = boxes + (labels[order].astype(np.float32) * step)[:, None]
    kept = np.empty(0, np.int64)
    for start in range(0, len(boxes), CHUNK):
        chunk = np.arange(start, min(start + CHUNK, len(boxes)))
        if len(kept):
            beaten = (overlaps(boxes[kept], boxes[chunk]) > iou).any(0)
            chunk = chunk[~beaten]
        kept = np.concatenate([kept, chunk[_greedy(boxes[chunk], iou)]])
        if most is not None and len(kept) >= most:
            return order[kept[:most]]
    return order[kept]


def _greedy(boxes: np.ndarray, iou: float) -> np.ndarray:
    """Return which of some boxes stay, the first being the best: bool (n,)."""
    stays = np.ones(len(boxes), bool)
    above = overlaps(boxes, boxes) > iou
    # Most boxes overlap with none of the worse ones, and cost nothing.
    np.fill_diagonal(above, False)
    for index in np.flatnonzero(above.any(1)):
        if stays[index]:
            stays[index + 1 :] &= ~above[index, index + 1 :]
    return stays


def overlaps(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return the intersection over union of (n, 4) with (m, 4) boxes, as (n, m)."""
    # A column each, since numpy is slow on the two numbers of a corner.
    columns = np.ascontiguousarray(one.T)[:, :, None]
    rows = np.ascontiguousarray(other.T)[:, None]
    shared = _common(columns[0], columns[2], rows[0], rows[2])
    shared *= _common(columns[1], columns[3], rows[1], rows[3])
    union = area(one)[:, None] + area(other)
    union -= shared
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.divide(shared, union, out=shared)


def _common(
    start: np.ndarray, end: np.ndarray, other_start: np.ndarray, other_end: np.ndarray
) -> np.ndarray:
    """Return the length that two intervals have in common, for each pair."""
    length = np.minimum(end, other_end)
    length -= np.maximum(start, other_start)
    return np.maximum(length, 0, out=length)


def area(boxes: np.ndarray) -> np.ndarray:
    """Return the area (n,) of boxes (n, 4)."""
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
