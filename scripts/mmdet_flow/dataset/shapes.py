"""Shapes that annotation tools draw, as objects with outlines and boxes in pixels.

Angles are in degrees and turn clockwise, as tools show them.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import replace
from math import acos, ceil, cos, hypot, pi, radians, sin
from pathlib import Path

from mmdet_flow.dataset.annotations import (
    AnnotatedObject,
    Box,
    Outline,
    Problem,
    bbox_of_points,
    in_steps,
)
from mmdet_flow.dataset.fields import Malformed
from mmdet_flow.dataset.masks import box_of_rle, union

FINENESS = 1 / 8
"""Pixels by which the outline of an ellipse runs inside it at most."""

Point = tuple[float, float]


def polygon(label: str, outline: Outline, place: str) -> AnnotatedObject:
    """Return an object with one outline; Malformed where it has no points."""
    if not outline:
        raise Malformed("its polygon has no points")
    return AnnotatedObject(label, bbox_of_points(outline), place, (outline,))


def rectangle(
    label: str, box: Box, place: str, degrees: float = 0, pivot: Point | None = None
) -> AnnotatedObject:
    """Return a box; where it is turned, its outline and the box around that.

    ``pivot`` is the point it is turned around, or None for its middle.
    """
    x, y, width, height = box
    if not degrees % 360:
        return AnnotatedObject(label, box, place)
    pivot = pivot or (x + width / 2, y + height / 2)
    return polygon(label, _turned(_corners(box), pivot, degrees), place)


def ellipse(
    label: str, centre: Point, radii: Point, place: str, degrees: float = 0
) -> AnnotatedObject:
    """Return an ellipse by an outline of points on it, with its exact box."""
    if min(radii) < 0:
        raise Malformed(f"its radius is {min(radii):g}")
    (x, y), points = centre, []
    count = _points_on(max(radii))
    for number in range(count):
        angle = 2 * pi * number / count
        points += (x + radii[0] * cos(angle), y + radii[1] * sin(angle))
    turn = radians(degrees)
    half_width = hypot(radii[0] * cos(turn), radii[1] * sin(turn))
    half_height = hypot(radii[0] * sin(turn), radii[1] * cos(turn))
    box = (x - half_width, y - half_height, 2 * half_width, 2 * half_height)
    return AnnotatedObject(label, box, place, (_turned(points, centre, degrees),))


def read_shapes(
    file: Path,
    shapes: Iterable[tuple[int, object]],
    read_one: Callable[[object, str], AnnotatedObject],
    group_of: Callable[[object], Hashable | None],
    place: str,
    boxes_are_parts: bool = False,
) -> Iterator[AnnotatedObject | Problem]:
    """Read numbered shapes; those of one group are the parts of one object.

    ``group_of`` returns what the shapes of an object share, or None. A group of boxes
    alone stays as many objects, unless boxes are parts as well. What is no valid object
    becomes a Problem, and a group with an invalid shape is no valid object.
    """
    groups: dict[Hashable, list[tuple[int, object]]] = {}
    for number, shape in shapes:
        group = group_of(shape)
        key = (False, number) if group is None else (True, group)
        groups.setdefault(key, []).append((number, shape))
    for members in groups.values():
        numbers = ", ".join(str(number) for number, _ in members)
        where = f"{place}{'s' if len(members) > 1 else ''} {numbers}"
        try:
            parts = [read_one(shape, f"{place} {number}") for number, shape in members]
            if len(parts) > 1 and (boxes_are_parts or any(map(_is_outlined, parts))):
                parts = [_joined(parts, where, boxes_are_parts)]
            yield from map(in_steps, parts)
        except Malformed as error:
            what = f"no valid object: {error}"
            yield Problem("invalid-object", file, where, what)


def _is_outlined(item: AnnotatedObject) -> bool:
    return bool(item.polygons or item.mask)


def _joined(
    parts: Sequence[AnnotatedObject], place: str, boxes_are_parts: bool
) -> AnnotatedObject:
    """Return one object of several; the box is around those of all."""
    outlines = [outline for one in parts for outline in one.polygons]
    if boxes_are_parts:
        boxes = (one.bbox for one in parts if not _is_outlined(one))
        outlines += map(_corners, boxes)
    masks = [one.mask for one in parts if one.mask]
    if masks:
        mask = union(masks, outlines)
        bbox = box_of_rle(mask)
        return replace(parts[0], bbox=bbox, place=place, polygons=(), mask=mask)
    around = [value for one in parts for value in _corners(one.bbox)]
    return replace(
        parts[0], bbox=bbox_of_points(around), place=place, polygons=tuple(outlines)
    )


def _corners(box: Box) -> Outline:
    """Return the corners of a box, from the upper left one, clockwise."""
    x, y, width, height = box
    return x, y, x + width, y, x + width, y + height, x, y + height


def _points_on(radius: float) -> int:
    """Return how many points keep an outline within ``FINENESS`` of its circle.

    They are a multiple of four, so that those at its box are among them.
    """
    if radius <= FINENESS:
        return 8
    return max(8, 4 * ceil(pi / acos(1 - FINENESS / radius) / 4))


def _turned(outline: Sequence[float], pivot: Point, degrees: float) -> Outline:
    turn = radians(degrees)
    turned: list[float] = []
    for x, y in zip(outline[0::2], outline[1::2], strict=True):
        right, down = x - pivot[0], y - pivot[1]
        turned += (
            pivot[0] + right * cos(turn) - down * sin(turn),
            pivot[1] + right * sin(turn) + down * cos(turn),
        )
    return tuple(turned)
