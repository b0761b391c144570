"""What outlines enclose, and the part of them inside a rectangle."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from mmdet_flow.dataset.annotations import Outline, bbox_of_points

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

MAX_CROSSINGS = 1000
"""Of an outline with itself, to be repaired: the work grows with their square."""

Rectangle = tuple[float, float, float, float]
"""(left, top, right, bottom) in pixels."""


def cut_outlines(
    polygons: Sequence[Outline], rectangle: Rectangle
) -> tuple[Outline, ...] | None:
    """Return what of outlines is inside a rectangle; None if that takes too long.

    Those that are inside stay as they are, to the last digit.
    """
    from shapely import box

    left, top, right, bottom = rectangle
    inside: list[Outline] = []
    for part in polygons:
        x, y, width, height = bbox_of_points(part)
        if x >= left and y >= top and x + width <= right and y + height <= bottom:
            inside.append(part)
        elif crosses_often(part):
            return None
        else:
            inside += outlines_of(enclosed(part).intersection(box(*rectangle)))
    return tuple(inside)


def enclosed(polygon: Outline) -> "BaseGeometry":
    """Return what an outline encloses: as training fills it, if it crosses itself."""
    from shapely import Polygon, make_valid

    return make_valid(Polygon(points_of(polygon)))


def points_of(polygon: Outline) -> np.ndarray:
    """Return the points of an outline, (n, 2)."""
    return np.reshape(polygon, (-1, 2))


def outlines_of(shape: "BaseGeometry") -> list[Outline]:
    """Return the outlines of all areas of a shape; those with holes are cut apart."""
    from shapely import box

    if shape.geom_type != "Polygon":
        parts = getattr(shape, "geoms", ())
        return [one for part in parts for one in outlines_of(part)]
    if not shape.area:
        return []
    if not shape.interiors:
        return [tuple(np.ravel(shape.exterior.coords[:-1]).tolist())]
    left, top, right, bottom = shape.bounds
    centres = sorted(hole.centroid.x for hole in shape.interiors)
    middle = centres[len(centres) // 2]
    halves = box(left, top, middle, bottom), box(middle, top, right, bottom)
    return [one for half in halves for one in outlines_of(shape.intersection(half))]


def crosses_often(polygon: Sequence[float]) -> bool:
    """Whether an outline crosses itself more often than shapely repairs in a second."""
    from shapely import Polygon

    start = points_of(polygon)
    if Polygon(start).is_valid:
        return False
    end = np.roll(start, -1, axis=0)
    crossings = 0
    for line in range(len(start)):
        own, rest = (start[line], end[line]), (start[line + 1 :], end[line + 1 :])
        # Two lines cross where each has the ends of the other on its two sides.
        apart = _side(own, rest[0]) * _side(own, rest[1]) < 0
        apart &= _side(rest, own[0]) * _side(rest, own[1]) < 0
        crossings += int(apart.sum())
        if crossings > MAX_CROSSINGS:
            return True
    return False


def _side(line: tuple[np.ndarray, np.ndarray], point: np.ndarray) -> np.ndarray:
    """Return 1 or -1 for the two sides of a line that points are on, 0 on it."""
    along, away = line[1] - line[0], point - line[0]
    return np.sign(along[..., 0] * away[..., 1] - along[..., 1] * away[..., 0])
