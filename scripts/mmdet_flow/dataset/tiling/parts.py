"""The part of an annotated object that a window of its image shows."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from mmdet_flow.dataset.annotations import Outline, bbox_of_points
from mmdet_flow.dataset.coco import outlines
from mmdet_flow.dataset.masks import box_of_rle, crop_rle, fill
from mmdet_flow.dataset.outlines import (
    Rectangle,
    crosses_often,
    cut_outlines,
    enclosed,
)
from mmdet_flow.dataset.rle import area_of_rle
from mmdet_flow.tiles import Window

LEAST_SIDE = 1.0
"""Pixels: mmdet leaves out what is narrower, so a smaller part is none."""


@dataclass(frozen=True)
class Part:
    """What a window shows of an object.

    Attributes:
        annotation: as COCO has it, in pixels of the window, without ids.
        visible: the fraction of the area that the object has in its image.
        is_whole: whether the window shows all of it.
    """

    annotation: dict
    visible: float
    is_whole: bool


def as_written(visible: float) -> float:
    """Return a fraction with four digits, 1 for the whole alone."""
    return math.floor(10_000 * visible) / 10_000


@dataclass(frozen=True)
class _Shape:
    """Something visible: outlines or a mask, if it has any; its box, and its area.

    Outlines and box are in pixels of the image, a mask is that of the window.
    """

    segmentation: tuple[Outline, ...] | dict
    box: Rectangle
    area: float


class TiledObject:
    """An annotation of an image of (width, height) pixels, of which windows show parts.

    Attributes:
        annotation: as COCO has it.
        extent: the least rectangle around its box, outlines and mask in the image, or
            None if it lies outside.
    """

    def __init__(self, annotation: dict, size: tuple[int, int]) -> None:
        self.annotation = annotation
        self._image = Window(0, 0, *size)
        self._box = _corners(annotation["bbox"])
        self._polygons = tuple(map(tuple, outlines(annotation)))
        shape = annotation.get("segmentation")
        has_mask = isinstance(shape, dict) and area_of_rle(shape) > 0
        self._mask = shape if has_mask else None
        around = [self._box, *map(_bounds, self._polygons)]
        around += [_corners(box_of_rle(self._mask))] if has_mask else []
        self.extent = _common(_around(around), self._image)

    def part_in(self, window: Window) -> Part | None:
        """Return what a window of the image shows of the object, or None for nothing.

        A box is cut exactly, and so are outlines, whose cut has the box around it. What
        of a cut object has a side below a pixel is nothing.
        """
        if self.extent is None or _common(self.extent, window) is None:
            return None
        is_whole = _common(self.extent, window) == self.extent
        shape = self._whole_in(window) if is_whole else self._cut(window)
        if shape is None or (not is_whole and _least_side(shape.box) < LEAST_SIDE):
            return None
        visible = 1.0 if is_whole else min(1.0, shape.area / self._area)
        return Part(self._annotated(shape, window), visible, is_whole)

    @cached_property
    def _area(self) -> float:
        """Its area in the image, measured as those of its parts are."""
        shape = self._cut(self._image)
        return shape.area if shape else 0.0

    @cached_property
    def _pixels(self) -> dict | None:
        """Its mask; that of outlines where they cross too often to be cut."""
        if self._mask or not any(map(crosses_often, self._polygons)):
            return self._mask
        return fill(self._polygons, (self._image.width, self._image.height))

    def _whole_in(self, window: Window) -> _Shape | None:
        """Return all of it, with the area that is stated unless it leaves the image."""
        shape = crop_rle(self._mask, window) if self._mask else self._polygons
        if self._polygons and not _are_inside(self._polygons, self._image):
            return self._cut(window)
        box = _common(self._box, window)
        if box == self._box:
            return _Shape(shape, box, self.annotation["area"])
        return _Shape(shape, box or self.extent, self._area)

    def _cut(self, window: Window) -> _Shape | None:
        if self._pixels:
            return _cut_mask(self._pixels, window)
        if not self._polygons:
            box = _common(self._box, window)
            return box and _Shape((), box, _area_of(box))
        cut = cut_outlines(self._polygons, window)
        box = _common(_around(map(_bounds, cut)), window) if cut else None
        return box and _Shape(cut, box, sum(enclosed(part).area for part in cut))

    def _annotated(self, shape: _Shape, window: Window) -> dict:
        """Return the annotation with a shape in pixels of the window."""
        left, top, right, bottom = shape.box
        x, y, width, height = self.annotation["bbox"]
        if shape.box != self._box:
            x, y, width, height = left, top, right - left, bottom - top
        segmentation = shape.segmentation
        if not isinstance(segmentation, dict):
            segmentation = [_moved(part, window) for part in segmentation]
        return self.annotation | {
            "bbox": [x - window.left, y - window.top, width, height],
            "area": shape.area,
            "segmentation": segmentation,
        }


def _cut_mask(rle: dict, window: Window) -> _Shape | None:
    cropped = crop_rle(rle, window)
    if cropped is None:
        return None
    left, top, right, bottom = _corners(box_of_rle(cropped))
    moved = (left + window.left, top + window.top)
    box = (*moved, moved[0] + right - left, moved[1] + bottom - top)
    return _Shape(cropped, box, area_of_rle(cropped))


def _moved(outline: Outline, window: Window) -> list[float]:
    """Return an outline in pixels of a window, which rounding keeps inside it."""
    points = [0.0] * len(outline)
    points[0::2] = (min(max(x - window.left, 0), window.width) for x in outline[0::2])
    points[1::2] = (min(max(y - window.top, 0), window.height) for y in outline[1::2])
    return points


def _are_inside(polygons: Iterable[Outline], window: Window) -> bool:
    return all(_common(box, window) == box for box in map(_bounds, polygons))


def _bounds(outline: Outline) -> Rectangle:
    return _corners(bbox_of_points(outline))


def _corners(bbox: Sequence[float]) -> Rectangle:
    x, y, width, height = bbox
    return x, y, x + width, y + height


def _around(boxes: Iterable[Rectangle]) -> Rectangle:
    lefts, tops, rights, bottoms = zip(*boxes, strict=True)
    return min(lefts), min(tops), max(rights), max(bottoms)


def _common(one: Rectangle, other: Rectangle) -> Rectangle | None:
    """Return what two rectangles share, or None if that has no inside."""
    left, top = max(one[0], other[0]), max(one[1], other[1])
    right, bottom = min(one[2], other[2]), min(one[3], other[3])
    return (left, top, right, bottom) if left < right and top < bottom else None


def _area_of(box: Rectangle) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def _least_side(box: Rectangle) -> float:
    return min(box[2] - box[0], box[3] - box[1])
