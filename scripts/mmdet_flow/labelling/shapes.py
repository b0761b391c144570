"""What an object of whole pixels becomes in a tool: its box, or its outline."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from mmdet_flow.dataset.annotations import AnnotatedObject, Box, Outline, in_steps

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

SHAPES = ("auto", "boxes", "outlines")
"""What objects become: an outline where it says more than the box, or all the same."""

MITRE = 1.5
"""How far a corner may be from the pixels inside it, in half pixels: the right angle,
at 1.41, stays one."""

INSIDE = 1 / 8
"""Pixels that the middle of one has to be away from an edge that it is inside of."""


def shaped(item: AnnotatedObject, shapes: str, whole: bool) -> AnnotatedObject:
    """Return an object of OPEX with the outlines that a tool shows, or none.

    ``shapes`` is one of ``SHAPES``. Outlines run along the edges of the outermost
    pixels, as those of COCO do; ``whole`` leaves them as they are, through the middles.
    """
    item = replace(item, polygons=tuple(one for one in item.polygons if len(one) >= 6))
    has_outline = bool(item.polygons) and not _is_box(item)
    if shapes == "boxes" or (shapes == "auto" and not has_outline):
        return replace(item, polygons=())
    if not has_outline:
        return replace(item, polygons=(corners(item.bbox, whole),))
    if whole:
        return item
    return in_steps(replace(item, polygons=tuple(map(around_pixels, item.polygons))))


def _is_box(item: AnnotatedObject) -> bool:
    """Whether the outline of an object goes around its box, and nowhere else."""
    around = set(_points(corners(item.bbox, whole=True)))
    return len(item.polygons) == 1 and set(_points(item.polygons[0])) == around


def corners(bbox: Box, whole: bool = False) -> Outline:
    """Return the corners of a box: of its edges, or its outermost pixels if whole."""
    x, y, width, height = bbox
    right, bottom = x + width - whole, y + height - whole
    return x, y, right, y, right, bottom, x, bottom


def _points(outline: Sequence[float]) -> list[tuple[float, float]]:
    return list(zip(outline[::2], outline[1::2], strict=True))


def around_pixels(outline: Outline) -> Outline:
    """Return an outline along the edges of the pixels whose middles it runs through.

    That is half a pixel further out everywhere. The middles of the pixels that the one
    goes around are inside the other, and no others, so that a mask keeps its pixels.
    """
    from shapely import MultiPoint, Polygon, box, get_parts, make_valid, union_all

    middles = np.reshape(outline, (-1, 2)) + 0.5
    enclosed = make_valid(Polygon(middles))
    around = union_all([_wider(part) for part in get_parts(get_parts(enclosed))])
    # A corner that is too sharp was cut off.
    sharp = MultiPoint(middles).difference(around.buffer(-INSIDE))
    around = union_all([around, sharp.buffer(0.5, cap_style="square")])
    # And others stick out of the pixels.
    around = around.intersection(box(*(middles.min(0) - 0.5), *(middles.max(0) + 0.5)))
    return tuple(np.ravel(around.exterior.coords[:-1]).tolist())


def _wider(part: "BaseGeometry") -> "BaseGeometry":
    """Return an area, a line or a point with half a pixel more around it.

    Each stretch of a line by itself: GEOS 3.14 leaves some out of lines that turn back.
    """
    from shapely import LineString, union_all

    if part.geom_type == "Polygon":
        return part.buffer(0.5, join_style="mitre", mitre_limit=MITRE)
    if part.geom_type == "Point":
        return part.buffer(0.5, cap_style="square")
    stretches = map(LineString, pairwise(part.coords))
    return union_all([one.buffer(0.5, cap_style="square") for one in stretches])


def in_one(item: AnnotatedObject) -> AnnotatedObject:
    """Return an object whose parts are one outline, for formats that have but one.

    A line leads from the first part to each other one, and back the same way.
    """
    if len(item.polygons) < 2:
        return item
    first, *others = item.polygons
    start = first[:2]
    outline = [*first, *start]
    for part in others:
        outline += [*part, *part[:2], *start]
    return replace(item, polygons=(tuple(outline[:-2]),))
