"""Masks of pixels as annotation tools write them, made the RLE of COCO.

Every size that a file claims is compared with that of the image before pixels are made.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from pathlib import Path

import numpy as np

from mmdet_flow.dataset.annotations import AnnotatedObject, Problem
from mmdet_flow.dataset.fields import Malformed, shown
from mmdet_flow.dataset.pixels import read_size
from mmdet_flow.dataset.rle import spans_of
from mmdet_flow.errors import DataError
from mmdet_flow.images import MAX_PIXELS
from mmdet_flow.tiles import Window

Size = tuple[int, int]
"""(width, height) in pixels."""

OPAQUE = 4
"""Values a pixel of a brush of Label Studio; the last says whether it is painted."""


Frame = Callable[[], Size | None]
"""What returns the size of an image as it was annotated, or None if it has none.

That is the size that the annotation claims, unless the image has another one. The image
is only looked at where there are masks.
"""


def frame_of(image: Path | Problem, claimed: Size | None) -> Frame:
    """Return what returns the size of an image, of which a size is claimed."""
    return cache(partial(_read_frame, image, claimed))


def _read_frame(image: Path | Problem, claimed: Size | None) -> Size | None:
    if isinstance(image, Problem):
        return None
    try:
        size = read_size(image, oriented=False)
    except DataError:  # the check of the image says it
        return None
    if size[0] * size[1] > MAX_PIXELS:
        return None  # and it is not read
    return claimed if claimed and sorted(claimed) == sorted(size) else size


def without_image(label: str, place: str) -> AnnotatedObject:
    """Return an object whose mask nobody can compare with an image: it is lost."""
    return AnnotatedObject(label, (0.0, 0.0, 1.0, 1.0), place)


def masked(
    label: str, pixels: np.ndarray, corner: tuple[int, int], frame: Size, place: str
) -> AnnotatedObject:
    """Return an object by its pixels: a boolean array whose upper left is ``corner``.

    What lies outside the image is left out. Raises Malformed where nothing is left.
    """
    (left, top), (width, height) = corner, frame
    pixels = pixels[max(-top, 0) : max(height - top, 0)]
    pixels = pixels[:, max(-left, 0) : max(width - left, 0)]
    left, top = max(left, 0), max(top, 0)
    columns, rows = np.flatnonzero(pixels.any(0)), np.flatnonzero(pixels.any(1))
    if not len(columns):
        raise Malformed("its mask has no pixel in the image")
    pixels = pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    left, top = left + int(columns[0]), top + int(rows[0])
    bbox = tuple(map(float, (left, top, pixels.shape[1], pixels.shape[0])))
    return AnnotatedObject(label, bbox, place, mask=_rle(pixels, (left, top), frame))


def _rle(pixels: np.ndarray, corner: tuple[int, int], frame: Size) -> dict:
    """Return the compressed RLE of a part of an image: runs down its columns."""
    height = frame[1]
    columns = np.zeros((pixels.shape[1], pixels.shape[0] + 2), np.int8)
    columns[:, 1:-1] = pixels.T
    edges = np.diff(columns, axis=1)
    first, past = (
        (corner[0] + column) * height + corner[1] + row
        for column, row in (np.nonzero(edges == 1), np.nonzero(edges == -1))
    )
    return _rle_of_spans(first, past, frame)


def _rle_of_spans(first: np.ndarray, past: np.ndarray, frame: Size) -> dict:
    """Return the compressed RLE of spans (n,) of pixels, none longer than a column."""
    from pycocotools import mask as coco_mask

    width, height = frame
    # A run that ends at the foot of a column goes on at the head of the next one.
    apart = first[1:] != past[:-1]
    first, past = first[np.r_[True, apart]], past[np.r_[apart, True]]
    bounds = np.stack((first, past), 1).ravel()
    counts = np.diff(np.r_[0, bounds, width * height])
    rle = {"counts": counts.tolist(), "size": [height, width]}
    rle = coco_mask.frPyObjects(rle, height, width)
    return {"counts": rle["counts"].decode(), "size": [height, width]}


def box_of_rle(rle: dict) -> tuple[float, ...]:
    """Return (x, y, width, height) of a mask; Malformed where it has no pixel."""
    from pycocotools import mask as coco_mask

    bbox = tuple(map(float, coco_mask.toBbox(_encoded(rle))))
    if not all(bbox[2:]):
        raise Malformed("its mask has no pixel")
    return bbox


def crop_rle(rle: dict, window: Window) -> dict | None:
    """Return the part of a mask inside a window of its image, or None if it has none.

    No more is unpacked than its runs, however large the image is.
    """
    height = rle["size"][0]
    first, past = spans_of(rle)
    filled = past > first
    first, past = first[filled], past[filled]
    count = (past - 1) // height - first // height + 1
    # Runs may go over several columns: here is a piece for each of these.
    run = np.repeat(np.arange(len(first)), count)
    column = first[run] // height + np.arange(len(run))
    column -= np.repeat(count.cumsum() - count, count)
    head = np.maximum(first[run] - column * height, window.top)
    foot = np.minimum(past[run] - column * height, window.bottom)
    inside = (column >= window.left) & (column < window.right) & (head < foot)
    if not inside.any():
        return None
    start = (column[inside] - window.left) * window.height - window.top
    frame = window.width, window.height
    return _rle_of_spans(start + head[inside], start + foot[inside], frame)


def fill(outlines: Sequence[Sequence[float]], frame: Size) -> dict:
    """Return the mask of what outlines enclose in an image, as training fills them."""
    from pycocotools import mask as coco_mask

    width, height = frame
    parts = coco_mask.frPyObjects(list(map(list, outlines)), height, width)
    merged = coco_mask.merge(parts)
    return {"counts": merged["counts"].decode(), "size": [height, width]}


def union(masks: Sequence[dict], outlines: Sequence[Sequence[float]]) -> dict:
    """Return the mask of all pixels of masks of one image, and of outlines in it."""
    from pycocotools import mask as coco_mask

    height, width = masks[0]["size"]
    for outline in outlines:
        inside = max(outline[::2]) <= width and max(outline[1::2]) <= height
        if len(outline) < 6 or min(outline) < 0 or not inside:
            raise Malformed("it joins a mask with an outline that leaves the image")
    parts = [_encoded(rle) for rle in masks]
    if outlines:
        parts += coco_mask.frPyObjects(list(map(list, outlines)), height, width)
    merged = coco_mask.merge(parts)
    return {"counts": merged["counts"].decode(), "size": [height, width]}


def _encoded(rle: dict) -> dict:
    """Return a checked RLE in the compressed form of pycocotools."""
    from pycocotools import mask as coco_mask

    if isinstance(rle["counts"], list):
        return coco_mask.frPyObjects(rle, *rle["size"])
    return {"counts": rle["counts"].encode(), "size": rle["size"]}


def pixels_of_runs(counts: Sequence[int], size: Size) -> np.ndarray:
    """Return a mask from runs along its rows, of background and object in turn.

    The caller has compared ``size`` with the image. Raises Malformed where the runs
    count other pixels.
    """
    if min(counts, default=-1) < 0 or sum(counts) != size[0] * size[1]:
        raise Malformed(f"its RLE does not count the {size[0]}x{size[1]} pixels")
    inside = np.arange(len(counts)) % 2 == 1
    return np.repeat(inside, counts).reshape(size[1], size[0])


def pixels_of_png(content: bytes, box: Size) -> np.ndarray:
    """Return a mask from a PNG; Malformed where it is none, or not of that size.

    A pixel more or less a side is taken: tools count the last one differently.
    """
    import io

    from PIL import Image

    try:
        with Image.open(io.BytesIO(content), formats=("PNG",)) as image:
            differs = max(abs(a - b) for a, b in zip(image.size, box, strict=True)) > 1
            pixels = None if differs else np.asarray(image) != 0
            size = image.size
    except Exception as error:  # whatever Pillow raises
        raise Malformed(f"its mask is no PNG: {shown(str(error))}") from None
    if pixels is None:
        raise Malformed(
            f"its mask has {size[0]}x{size[1]} pixels, its box {box[0]}x{box[1]}"
        )
    if pixels.ndim != 2:
        raise Malformed("its mask has colours; it needs one value a pixel")
    return pixels


def pixels_of_brush(content: bytes, size: Size) -> np.ndarray:
    """Return a mask from the RLE of a brush of Label Studio.

    It is a stream of bits: a head, then runs of one value and stretches of single ones,
    of four values a pixel along the rows. The caller has compared ``size`` with the
    image. Raises Malformed where the stream holds other pixels.
    """
    width, height = size
    painted = np.zeros(width * height, bool)
    for start, end in _painted(_Bits(content), OPAQUE * painted.size):
        painted[start // OPAQUE : end // OPAQUE] = True
    return painted.reshape(height, width)


def _painted(bits: "_Bits", total: int) -> Iterator[tuple[int, int]]:
    """Yield where values are not 0, up to the total that has to be there."""
    if (found := bits.read(32)) != total:
        raise Malformed(f"its RLE has {found} values, its image needs {total}")
    word = bits.read(5) + 1
    lengths = [bits.read(4) + 1 for _ in range(4)]
    at = 0
    while at < total:
        repeated = bits.read(1)
        end = at + 1 + bits.read(lengths[bits.read(2)])
        if end > total:
            raise Malformed("its RLE runs beyond its image")
        if not repeated:
            for place in range(at, end):
                if bits.read(word):
                    yield place, place + 1
        elif bits.read(word):
            yield at, end
        at = end


class _Bits:
    """A stream of bits, the highest of each byte first."""

    def __init__(self, content: bytes) -> None:
        self._content, self._at = content, 0

    def read(self, count: int) -> int:
        """Return the next bits, up to 32, as a number; Malformed at the end."""
        end = self._at + count
        if end > 8 * len(self._content):
            raise Malformed("its RLE ends too early")
        piece = int.from_bytes(self._content[self._at // 8 : -(-end // 8)], "big")
        self._at = end
        return piece >> -end % 8 & (1 << count) - 1
