"""Boxes that meet, found without looking at all pairs."""

from collections.abc import Iterator

import numpy as np

MOST = 1 << 20
"""Pairs that are looked at together, whatever the boxes are: a bound of the memory."""


def meeting(boxes: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Return the pairs (m, 2) of boxes that share area or an edge, the first below.

    Only boxes of the same group are paired. Each box is entered in the horizontal
    bands that it reaches into, as high as boxes are on average; in a band, those that
    begin before a box ends are next to it once they are sorted by where they begin.
    Memory grows with the boxes and the pairs that meet.

    Args:
        boxes: (n, 4), left, top, right, bottom; none of them not a number.
        groups: (n,) int64, from 0.
    """
    if len(boxes) < 2:
        return np.empty((0, 2), np.int64)
    left, top, right, bottom = boxes.astype(np.float64).T
    height = max(float((bottom - top).mean()), 1.0)
    origin = top.min()
    first, last = (
        ((side - origin) // height).astype(np.int64) for side in (top, bottom)
    )
    count = last - first + 1
    box = np.repeat(np.arange(len(boxes)), count)
    band = np.arange(len(box)) - np.repeat(np.cumsum(count) - count, count) + first[box]
    row = groups[box] * (int(last.max()) + 1) + band
    order = np.lexsort((left[box], row))
    box, band, row = box[order], band[order], row[order]
    # One sorted key: the bands one after the other, each as wide as all boxes.
    width = float(right.max() - left.min()) + 2.0
    start = (left[box] - left.min()) + row * width
    end = (right[box] - left.min()) + row * width
    following = np.searchsorted(start, end, "right") - np.arange(len(box)) - 1
    found = []
    for one, other in _expanded(following):
        i, j = box[one], box[other]
        # A pair that shares several bands counts in the first of them.
        meets = (top[i] <= bottom[j]) & (top[j] <= bottom[i])
        meets &= band[one] == np.maximum(first[i], first[j])
        found.append(np.column_stack((i[meets], j[meets])))
    pairs = np.concatenate(found) if found else np.empty((0, 2), np.int64)
    return np.sort(pairs, axis=1)


def _expanded(following: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the places of entries, and of each of so many that follow it."""
    following = np.maximum(following, 0)
    ends = np.cumsum(following)
    start = 0
    while start < len(following):
        before = int(ends[start - 1]) if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, before + MOST, "right")))
        some = following[start:stop]
        one = np.repeat(np.arange(start, stop), some)
        offset = np.arange(len(one)) - np.repeat(np.cumsum(some) - some, some)
        yield one, one + offset + 1
        start = stop
