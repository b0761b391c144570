"""What can be wrong with one object: each check is a function of its own."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from mmdet_flow.dataset.annotations import AnnotatedObject, bbox_of_points
from mmdet_flow.dataset.coco import only_polygon, outlines
from mmdet_flow.dataset.fields import Malformed, parsed
from mmdet_flow.dataset.findings import Ledger
from mmdet_flow.dataset.rle import area_of_rle
from mmdet_flow.errors import did_you_mean
from mmdet_flow.scrub import is_control

if TYPE_CHECKING:
    from shapely import Polygon
    from shapely.geometry.base import BaseGeometry

MAX_POINTS = 10_000
"""Of the outlines of one object: looking at them takes longer than their number."""

MAX_CROSSINGS = 1000
"""Of an outline with itself, to be repaired: the work grows with their square."""

TINY = 2
"""Boxes narrower or lower than so many pixels are worth a look."""

POLYGON_TOLERANCE = 1.0
"""Pixels by which a polygon may leave its box: formats round differently."""

EDGE_TOLERANCE = 1e-6
"""Pixels by which a box may leave its image: sums of fractions are not exact."""


@dataclass(frozen=True)
class Context:
    """What an object is checked against.

    Attributes:
        size: (width, height) of its image in pixels.
        classes: the class list, or None if all classes are taken.
        inclusive: whether the format counts the last pixel of a box.
        image_size: the longer side that training resizes to, or None.
    """

    size: tuple[int, int]
    classes: Sequence[str] | None
    inclusive: bool
    image_size: int | None


@dataclass(frozen=True)
class Fault:
    """What a check found, and the object repaired, if that is possible."""

    check: str
    what: str
    repaired: AnnotatedObject | None = None


def check_object(
    item: AnnotatedObject, context: Context, file: str, ledger: Ledger
) -> AnnotatedObject | None:
    """Return the object, repaired where the policy says so, or None to leave it out."""
    for check in OBJECT_CHECKS:
        fault = check(item, context)
        if fault is None:
            continue
        repairable = fault.repaired is not None
        action = ledger.note(fault.check, file, item.place, fault.what, repairable)
        if action in ("error", "drop"):
            ledger.leave_out(file, item.place, item.label, fault.check)
            return None
        if action == "repair":
            item = fault.repaired
    return item


def same_but_for_signs(name: str) -> str:
    """Return what is left of a class name without case, spaces and punctuation."""
    return "".join(filter(str.isalnum, name.casefold())) or name


def _unnamed(item: AnnotatedObject, context: Context) -> Fault | None:
    return None if item.label else Fault("unnamed-object", "it has no class name")


def _control_character(item: AnnotatedObject, context: Context) -> Fault | None:
    plain = "".join(" " if is_control(sign) else sign for sign in item.label)
    if plain == item.label:
        return None
    words = " ".join(plain.split())
    repaired = replace(item, label=words) if words else None
    return Fault("control-character", f"class {item.label!r}", repaired)


def _unknown_class(item: AnnotatedObject, context: Context) -> Fault | None:
    if context.classes is None or item.label in context.classes:
        return None
    key = same_but_for_signs(item.label)
    same = [name for name in context.classes if same_but_for_signs(name) == key]
    hint = did_you_mean(item.label, context.classes)
    what = f"class {item.label!r} is not among {', '.join(context.classes)}{hint}"
    return Fault("unknown-class", what, replace(item, label=same[0]) if same else None)


def _fractional(item: AnnotatedObject, context: Context) -> Fault | None:
    values = (*item.bbox, *item.polygon)
    if item.coco is not None or all(value == int(value) for value in values):
        return None
    rounded = replace(
        item,
        bbox=tuple(float(round(value)) for value in item.bbox),
        polygon=tuple(float(round(value)) for value in item.polygon),
    )
    return Fault("fractional-coordinates", f"its box is {_text(item)}", rounded)


def _inverted(item: AnnotatedObject, context: Context) -> Fault | None:
    shift = 1 if context.inclusive else 0
    sides = []
    for start, extent in zip(item.bbox[:2], item.bbox[2:], strict=True):
        if extent < shift:
            start, extent = start + extent - shift, 2 * shift - extent
        sides.append((start, extent))
    (x, width), (y, height) = sides
    if (x, y, width, height) == item.bbox:
        return None
    repaired = replace(item, bbox=(x, y, width, height))
    return Fault("inverted-box", f"its box is {_text(item)}", repaired)


def _empty(item: AnnotatedObject, context: Context) -> Fault | None:
    if item.bbox[2] > 0 and item.bbox[3] > 0:
        return None
    return Fault("empty-box", f"its box is {_text(item)}")


def _outside(item: AnnotatedObject, context: Context) -> Fault | None:
    x, y, width, height = item.bbox
    if x < context.size[0] and y < context.size[1] and x + width > 0 and y + height > 0:
        return None
    what = f"its box {_text(item)} lies outside the {_size(context)} pixels"
    return Fault("outside-image", what)


def _crosses_edge(item: AnnotatedObject, context: Context) -> Fault | None:
    x, y, width, height = item.bbox
    left, top = max(-x, 0.0), max(-y, 0.0)
    right = max(x + width - context.size[0], 0.0)
    bottom = max(y + height - context.size[1], 0.0)
    if max(left, top, right, bottom) <= EDGE_TOLERANCE:
        return None
    # What does not overhang keeps its value to the last digit.
    cut = (x + left, y + top, width - left - right, height - top - bottom)
    polygon = _inside(item.polygon, context.size)
    what = f"its box {_text(item)} crosses the edge of the {_size(context)} pixels"
    if polygon is None:
        what += ", and its polygon itself"
        return Fault("crosses-edge", what)
    return Fault("crosses-edge", what, replace(item, bbox=cut, polygon=polygon))


def _inside(
    polygon: tuple[float, ...], size: tuple[int, int]
) -> tuple[float, ...] | None:
    """Return what of an outline is inside its image; None if it crosses itself."""
    from shapely import clip_by_rect

    if not polygon:
        return ()
    outline = _outline_of(polygon)
    if not outline.is_valid:
        return None
    inside = _largest(clip_by_rect(outline, 0, 0, size[0] - 1, size[1] - 1))
    whole = all(value == round(value) for value in polygon)
    return _rounded(inside) if whole else inside


def _outline_of(polygon: tuple[float, ...]) -> "Polygon":
    from shapely import Polygon

    return Polygon(list(zip(polygon[::2], polygon[1::2], strict=True)))


def _largest(shape: "BaseGeometry") -> tuple[float, ...]:
    """Return the outline of the largest part of a shape; none where it has no area."""
    parts = getattr(shape, "geoms", [shape])
    areas = [part for part in parts if part.geom_type == "Polygon" and part.area]
    if not areas:
        return ()
    points = max(areas, key=lambda part: part.area).exterior.coords[:-1]
    return tuple(value for point in points for value in point)


def _rounded(polygon: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(float(round(value)) for value in polygon)


def _tiny(item: AnnotatedObject, context: Context) -> Fault | None:
    if min(item.bbox[2:]) >= TINY:
        return None
    what = f"its box is {_text(item)}"
    if min(item.bbox[2:]) < 1:
        what += ", and training leaves out what is below 1 pixel"
    return Fault("tiny-box", what)


def _crowd(item: AnnotatedObject, context: Context) -> Fault | None:
    if not (item.coco and item.coco.get("iscrowd")):
        return None
    repaired = replace(item, coco=item.coco | {"iscrowd": 0})
    return Fault("crowd", "it is a crowd (iscrowd or ignore is 1)", repaired)


def _rotated(item: AnnotatedObject, context: Context) -> Fault | None:
    """Look at the angle that CVAT and others note beside a box that is not turned."""
    attributes = (item.coco or {}).get("attributes")
    angle = attributes.get("rotation") if isinstance(attributes, dict) else None
    try:
        angle = parsed(angle, "its rotation") % 360
    except Malformed:
        return None
    if not angle or (has_shape(item) and not _is_box(item)):
        return None
    polygon = _turned(item.bbox, angle)
    what = f"its box {_text(item)} is turned by {angle:g} degrees, by its attributes"
    coco = item.coco | {"attributes": attributes | {"rotation": 0}}
    bbox = bbox_around(polygon)
    return Fault(
        "rotated-box", what, replace(item, bbox=bbox, polygon=polygon, coco=coco)
    )


def has_shape(item: AnnotatedObject) -> bool:
    """Whether a COCO object has an outline or a mask."""
    return bool(item.coco and item.coco.get("segmentation"))


def _is_box(item: AnnotatedObject) -> bool:
    """Whether the outline of an object is its box, not turned."""
    x, y, width, height = item.bbox
    corners = {(x, y), (x + width, y), (x + width, y + height), (x, y + height)}
    return set(zip(item.polygon[::2], item.polygon[1::2], strict=True)) == corners


def _turned(bbox: Sequence[float], angle: float) -> tuple[float, ...]:
    """Return the outline of a box turned about its middle, clockwise, by degrees."""
    x, y, width, height = bbox
    cosine, sine = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * (width / 2, height / 2)
    turned = corners @ np.array([(cosine, sine), (-sine, cosine)])
    middle = np.array((x + width / 2, y + height / 2))
    return tuple((turned + middle).round(2).ravel().tolist())


def bbox_around(polygon: Sequence[float]) -> tuple[float, float, float, float]:
    """Return (x, y, width, height) around an outline of continuous coordinates."""
    columns, rows = polygon[::2], polygon[1::2]
    left, top = min(columns), min(rows)
    return left, top, max(columns) - left, max(rows) - top


def _mask_of_another_size(item: AnnotatedObject, context: Context) -> Fault | None:
    shape = (item.coco or {}).get("segmentation")
    if not isinstance(shape, dict) or tuple(shape["size"][::-1]) == context.size:
        return None
    height, width = shape["size"]
    what = f"its mask has {width}x{height} pixels, its image {_size(context)}"
    return Fault("invalid-object", what)


def _empty_mask(item: AnnotatedObject, context: Context) -> Fault | None:
    shape = (item.coco or {}).get("segmentation")
    if not isinstance(shape, dict) or area_of_rle(shape):
        return None
    coco = item.coco | {"segmentation": []}
    return Fault("short-polygon", "its mask has no pixel", replace(item, coco=coco))


def _too_small_to_learn(item: AnnotatedObject, context: Context) -> Fault | None:
    size = context.image_size
    if size is None or not is_below_a_pixel(item.bbox, context.size, size):
        return None
    what = f"its box {_text(item)} is below 1 pixel at image_size {context.image_size}"
    return Fault("too-small-to-learn", what)


def is_below_a_pixel(
    bbox: Sequence[float], size: tuple[int, int], image_size: int
) -> bool:
    """Whether a box has a side below a pixel once its image is resized for training.

    ``size`` is that of the image; its longer side becomes ``image_size``.
    """
    return min(bbox[2:]) * image_size / max(size) < 1


def _too_many_points(item: AnnotatedObject, context: Context) -> Fault | None:
    points = max(len(item.polygon), sum(map(len, outlines(item.coco or {})))) // 2
    if points <= MAX_POINTS:
        return None
    return Fault("too-many-points", f"it has {points} points, over {MAX_POINTS}")


def _short_polygon(item: AnnotatedObject, context: Context) -> Fault | None:
    points = len(item.polygon) // 2
    if points == 0 or points >= 3:
        return None
    what = f"its polygon has {points} points"
    return Fault("short-polygon", what, replace(item, polygon=()))


def _short_part(item: AnnotatedObject, context: Context) -> Fault | None:
    """Look at an object of several polygons, which COCO alone has."""
    parts = outlines(item.coco) if item.coco else []
    if len(parts) == 1 and parts[0]:
        return None  # as any polygon
    kept = [part for part in parts if len(part) >= 6]
    if len(kept) == len(parts):
        return None
    what = f"{len(parts) - len(kept)} of its {len(parts)} polygons have under 3 points"
    coco = item.coco | {"segmentation": kept}
    if not kept:
        coco["area"] = item.bbox[2] * item.bbox[3]
    repaired = replace(item, coco=coco, polygon=only_polygon(kept))
    return Fault("short-polygon", what, repaired)


def _crossed_polygon(item: AnnotatedObject, context: Context) -> Fault | None:
    if not item.polygon:
        return None
    from shapely import make_valid

    outline = _outline_of(item.polygon)
    if outline.is_valid:
        return None
    if _crosses_often(item.polygon):
        what = f"its polygon crosses itself over {MAX_CROSSINGS} times"
        return Fault("crossed-polygon", what)
    polygon = _rounded(_largest(make_valid(outline)))
    if not polygon:
        return Fault("crossed-polygon", "its polygon encloses nothing")
    repaired = replace(item, polygon=polygon)
    return Fault("crossed-polygon", "its polygon crosses itself", repaired)


def _crosses_often(polygon: Sequence[float]) -> bool:
    """Whether an outline crosses itself more often than shapely repairs in a second."""
    start = np.reshape(polygon, (-1, 2))
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


def _polygon_outside_box(item: AnnotatedObject, context: Context) -> Fault | None:
    if not item.polygon:
        return None
    x, y, width, height = item.bbox
    columns, rows = item.polygon[::2], item.polygon[1::2]
    beyond = max(
        x - min(columns),
        y - min(rows),
        max(columns) - (x + width),
        max(rows) - (y + height),
    )
    if beyond <= POLYGON_TOLERANCE:
        return None
    what = f"its polygon leaves its box by {beyond:g} pixels"
    repaired = replace(item, bbox=bbox_of_points(item.polygon))
    return Fault("polygon-outside-box", what, repaired)


def _text(item: AnnotatedObject) -> str:
    x, y, width, height = item.bbox
    return f"{width:g}x{height:g} at {x:g},{y:g}"


def _size(context: Context) -> str:
    return f"{context.size[0]}x{context.size[1]}"


OBJECT_CHECKS: tuple[Callable[[AnnotatedObject, Context], Fault | None], ...] = (
    _unnamed,
    _control_character,
    _unknown_class,
    _fractional,
    _inverted,
    _empty,
    _too_many_points,
    _short_polygon,
    _short_part,
    _mask_of_another_size,
    _empty_mask,
    _rotated,
    _crowd,
    _crossed_polygon,
    _polygon_outside_box,
    _outside,
    _crosses_edge,
    _tiny,
    _too_small_to_learn,
)
"""In this order: what a check repairs, the next ones see repaired."""


def labels_by_likeness(labels: Sequence[str]) -> Iterator[list[str]]:
    """Yield the spellings of each name that has several, the most frequent first."""
    counts: dict[str, dict[str, int]] = {}
    for label in labels:
        spellings = counts.setdefault(same_but_for_signs(label), {})
        spellings[label] = spellings.get(label, 0) + 1
    for spellings in counts.values():
        if len(spellings) > 1:
            yield sorted(spellings, key=lambda name: (-spellings[name], name))
