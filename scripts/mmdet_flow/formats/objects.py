"""Detections as whole pixels: the one geometry that all writers share."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mmdet_flow.detections import Detections, Mask


@dataclass(frozen=True)
class Outlines:
    """How outlines are made.

    Attributes:
        simplify: greatest distance in pixels between outline and mask edge.
        fit_bbox_to_polygon: take the box from the outline instead of the model.
        bbox_as_fallback: use the box as outline where the outline's own box covers
            less than this fraction of it; negative for never.
        nth: look at every nth row and column of the mask alone.
        fully_connected: "high" joins pixels that touch at a corner, "low" does not.
    """

    simplify: float = 1.0
    fit_bbox_to_polygon: bool = False
    bbox_as_fallback: float = -1.0
    nth: int = 1
    fully_connected: str = "high"


@dataclass(frozen=True)
class PixelObject:
    """One object in whole pixels, inside the image.

    Attributes:
        bbox: left, top, right, bottom, all inclusive.
        polygon: the outline, at least 3 points (x, y).
        parts: outlines of further parts of the same object.
        area: pixels of the mask, or of the box where there is no mask.
    """

    label: int
    name: str
    score: float
    bbox: tuple[int, int, int, int]
    polygon: list[list[int]]
    parts: list[list[list[int]]]
    area: int


def to_pixels(detections: Detections, outlines: Outlines) -> list[PixelObject]:
    """Return the objects of an image in whole pixels, in the order of detection."""
    objects = []
    boxes = _inclusive(detections.boxes, detections.width, detections.height)
    labels = detections.labels.tolist()
    for index, bbox in enumerate(boxes):
        area = (bbox[2] - bbox[0] + 1) * (bbox[3] - bbox[1] + 1)
        contours: list[list[list[int]]] = []
        if detections.masks is not None:
            mask = detections.masks[index]
            contours = trace(mask, outlines)
            area = mask.area or area
        if contours and _covers_too_little(
            contours[0], bbox, outlines.bbox_as_fallback
        ):
            contours = []
        if contours and outlines.fit_bbox_to_polygon:
            bbox = _extent(contours[0])
        objects.append(
            PixelObject(
                label=labels[index],
                name=detections.classes[labels[index]],
                # Shortest decimal of the float32, not the digits of its double.
                score=float(str(detections.scores[index])),
                bbox=bbox,
                polygon=contours[0] if contours else rectangle(bbox),
                parts=contours[1:],
                area=area,
            )
        )
    return objects


def trace(mask: Mask, outlines: Outlines) -> list[list[list[int]]]:
    """Return the outlines of a mask, the largest part first.

    Outlines are simplified with the algorithm of Douglas and Peucker (1973). They run
    through the middles of the pixels at the edge; holes are not cut out, and a part in
    a hole is a part. A line, which encloses nothing, runs there and back. Parts of one
    or two pixels are left out.
    """
    import cv2

    part = _every_nth(mask, outlines.nth)
    if not part.pixels.size:
        return []
    pixels = part.pixels.astype(np.uint8)
    contours = []
    for one in _parts(pixels) if outlines.fully_connected == "low" else [pixels]:
        contours += _outer_contours(one, (part.left, part.top))
    contours = [contour * outlines.nth for contour in contours]
    contours = sorted(contours, key=cv2.contourArea, reverse=True)
    if outlines.simplify > 0:
        simple = [cv2.approxPolyDP(c, outlines.simplify, True) for c in contours]
        # A speck that would shrink to a line stays as it is.
        contours = [
            new if len(new) >= 3 else old
            for new, old in zip(simple, contours, strict=True)
        ]
    return [contour[:, 0, :].tolist() for contour in contours]


def _every_nth(mask: Mask, nth: int) -> Mask:
    """Return what every nth row and column of an image shows of a mask."""
    left, top = -(-mask.left // nth), -(-mask.top // nth)
    rows, columns = top * nth - mask.top, left * nth - mask.left
    return Mask.of_image(mask.pixels[rows::nth, columns::nth]).moved(left, top)


def _outer_contours(
    pixels: np.ndarray, offset: tuple[int, int]
) -> Iterator[np.ndarray]:
    """Yield the contour of each part of over 2 pixels, also of those in holes."""
    import cv2

    found, tree = cv2.findContours(
        pixels, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE, offset=offset
    )
    for contour, (*_, outer) in zip(found, tree[0], strict=True):
        is_hole = outer >= 0
        if is_hole or len(contour) == 1:
            continue
        if len(contour) > 2:
            yield contour
        elif np.abs(contour[0] - contour[1]).max() > 1:
            yield contour[[0, 1, 1, 0]]  # a line, with the corners of a flat box


def _parts(mask: np.ndarray) -> list[np.ndarray]:
    """Divide a mask into parts whose pixels touch at their sides."""
    import cv2

    count, labels = cv2.connectedComponents(mask, connectivity=4)
    return [(labels == number).astype(np.uint8) for number in range(1, count)]


def rectangle(bbox: tuple[int, int, int, int]) -> list[list[int]]:
    """Return the corners of a box, clockwise from the left top."""
    left, top, right, bottom = bbox
    return [[left, top], [right, top], [right, bottom], [left, bottom]]


def _inclusive(
    boxes: np.ndarray, width: int, height: int
) -> list[tuple[int, int, int, int]]:
    """Round boxes (n, 4) with exclusive edges to whole pixels inside the image."""
    left, top, right, bottom = np.rint(boxes).astype(np.int64).T
    left, top = left.clip(0, width - 1), top.clip(0, height - 1)
    right = np.maximum(right - 1, left).clip(0, width - 1)
    bottom = np.maximum(bottom - 1, top).clip(0, height - 1)
    corners = (side.tolist() for side in (left, top, right, bottom))
    return list(zip(*corners, strict=True))


def _extent(points: list[list[int]]) -> tuple[int, int, int, int]:
    xs, ys = zip(*points, strict=True)
    return min(xs), min(ys), max(xs), max(ys)


def _covers_too_little(
    points, bbox: tuple[int, int, int, int], fraction: float
) -> bool:
    if fraction < 0:
        return False
    left, top, right, bottom = _extent(points)
    own = (right - left + 1) * (bottom - top + 1)
    return own < fraction * (bbox[2] - bbox[0] + 1) * (bbox[3] - bbox[1] + 1)
