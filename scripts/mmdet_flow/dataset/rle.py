"""Run-length encoded masks of COCO, looked at before pycocotools sees them.

It takes a mask for as large as its size says, whatever its counts say.
"""

import numpy as np

from mmdet_flow.dataset.fields import Malformed, mapping, member, sequence, shown
from mmdet_flow.images import MAX_PIXELS

BITS = 5
"""Of a count in each character of the compressed form; a sixth says that more come."""

MOST_CHARACTERS = 7
"""Of one count: more bits than MAX_PIXELS has."""


def require_rle(value: object, size: tuple[int, int] | None = None) -> None:
    """Refuse what is no mask; ``size`` is the (width, height) of its image, if known.

    Raises Malformed. The counts have to add up to the pixels of the size.
    """
    rle = mapping(value, "its segmentation")
    if not {"counts", "size"} <= rle.keys():
        raise Malformed("its segmentation is no RLE: it needs counts and size")
    height, width = _size(member(rle, "size"))
    if size and (width, height) != tuple(size):
        raise Malformed(
            f"its mask has {width}x{height} pixels, its image {size[0]}x{size[1]}"
        )
    runs = _runs_of(rle)
    if runs.size and runs.min() < 0:
        raise Malformed("its RLE has a negative count")
    if (total := int(runs.sum())) != width * height:
        raise Malformed(
            f"its RLE counts {total} pixels, but its size {width}x{height} has "
            f"{width * height}"
        )


def area_of_rle(rle: dict) -> int:
    """Return the number of pixels inside a mask."""
    return int(_runs_of(rle)[1::2].sum())


def spans_of(rle: dict) -> tuple[np.ndarray, np.ndarray]:
    """Return where the runs inside a mask begin and end (n,), down its columns."""
    ends = _runs_of(rle).cumsum()
    return ends[:-1:2], ends[1::2]


def _runs_of(rle: dict) -> np.ndarray:
    """Return the counts of a mask (n,), of background and object in turn."""
    counts = member(rle, "counts")
    return _decompressed(counts) if isinstance(counts, str) else _plain(counts)


def _size(value: object) -> list[int]:
    size = sequence(value, "the size of its RLE")
    if len(size) != 2 or not all(type(side) is int and side > 0 for side in size):
        raise Malformed(f"the size of its RLE is {shown(size)}, not height and width")
    if size[0] * size[1] > MAX_PIXELS:
        raise Malformed(f"its RLE has more than {MAX_PIXELS} pixels")
    return size


def _plain(value: object) -> np.ndarray:
    counts = sequence(value, "counts of its RLE")
    for count in counts:
        if type(count) is not int or abs(count) > MAX_PIXELS:
            raise Malformed(f"a count of its RLE is {shown(count)}")
    return np.array(counts, np.int64)


def _decompressed(text: str) -> np.ndarray:
    """Return the counts of COCO's compressed form (n,).

    Characters from "0" hold 5 bits each, the lowest first; from the fourth count on
    they are what is added to the count before the last.
    """
    values = np.frombuffer(text.encode(errors="replace"), np.uint8).astype(np.int64)
    values -= ord("0")
    if not len(values):
        return values
    if values.min() < 0 or values.max() > 63 or values[-1] & 32:
        raise Malformed("the counts of its RLE are no compressed counts")
    ends = np.flatnonzero(values & 32 == 0)
    lengths = np.diff(ends, prepend=-1)
    if lengths.max() > MOST_CHARACTERS:
        raise Malformed("a count of its RLE is beyond any image")
    starts = ends - lengths + 1
    position = np.arange(len(values)) - np.repeat(starts, lengths)
    counts = np.add.reduceat((values & 31) << (BITS * position), starts)
    counts -= (values[ends] >> 4 & 1) << (BITS * lengths)  # the sign
    counts[1::2] = counts[1::2].cumsum()
    counts[2::2] = counts[2::2].cumsum()
    return counts
