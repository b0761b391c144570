"""What can be wrong with one object: each check is a function of its own."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from mmdet_flow.dataset.annotations import (
    AnnotatedObject,
    Outline,
    bbox_of_points,
    in_steps,
)
from mmdet_flow.dataset.fields import Malformed, parsed
from mmdet_flow.dataset.findings import Ledger
from mmdet_flow.dataset.outlines import (
    MAX_CROSSINGS,
    crosses_often,
    cut_outlines,
    enclosed,
    outlines_of,
    points_of,
)
from mmdet_flow.dataset.rle import area_of_rle
from mmdet_flow.dataset.shapes import rectangle
from mmdet_flow.dataset.spellings import same_but_for_signs, without_controls
from mmdet_flow.errors import did_you_mean
from mmdet_flow.words import counted

MAX_POINTS = 10_000
"""Of the outlines of one object: looking at them takes longer than their number."""

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
        image_size: the longer side that training resizes to, or None.
    """

    size: tuple[int, int]
    classes: Sequence[str] | None
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
            as_read = item.coco is not None
            item = fault.repaired if as_read else in_steps(fault.repaired)
    return item


def _identity(item: AnnotatedObject) -> tuple:
    """Return what makes an object; a crowd is none, whatever its place."""
    return item.label, item.bbox, item.polygons, repr(item.mask), item.crowd


def check_objects(
    items: Sequence[AnnotatedObject], context: Context, file: str, ledger: Ledger
) -> tuple[AnnotatedObject, ...]:
    """Return the objects of an image that are kept, each once if the policy says so."""
    checked = (check_object(item, context, file, ledger) for item in items)
    first: dict[tuple, AnnotatedObject] = {}
    kept = []
    for item in filter(None, checked):
        known = first.setdefault(_identity(item), item)
        if known is not item:
            what = f"it is the same as {known.place or 'an earlier one'}"
            action = ledger.note("duplicate-object", file, item.place, what)
            if action in ("error", "drop"):
                ledger.leave_out(file, item.place, item.label, "duplicate-object")
                continue
        kept.append(item)
    return tuple(kept)


def _unnamed(item: AnnotatedObject, context: Context) -> Fault | None:
    return None if item.label else Fault("unnamed-object", "it has no class name")


def _control_character(item: AnnotatedObject, context: Context) -> Fault | None:
    words = without_controls(item.label)
    if words == item.label:
        return None
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


def _inverted(item: AnnotatedObject, context: Context) -> Fault | None:
    x, y, width, height = item.bbox
    if width >= 0 and height >= 0:
        return None
    swapped = (x + min(width, 0), y + min(height, 0), abs(width), abs(height))
    repaired = replace(item, bbox=swapped)
    what = f"its box runs from {x:g},{y:g} back to {x + width:g},{y + height:g}"
    return Fault("inverted-box", what, repaired)


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
    what = f"its box {_text(item)} crosses the edge of the {_size(context)} pixels"
    polygons = cut_outlines(item.polygons, (0, 0, *context.size))
    if polygons is None:
        what += f", and its polygon itself over {MAX_CROSSINGS} times"
        return Fault("crosses-edge", what)
    # What does not overhang keeps its value to the last digit.
    cut = (x + left, y + top, width - left - right, height - top - bottom)
    repaired = replace(item, bbox=cut, polygons=polygons)
    return Fault("crosses-edge", what, repaired)


def _tiny(item: AnnotatedObject, context: Context) -> Fault | None:
    if min(item.bbox[2:]) >= TINY:
        return None
    what = f"its box is {_text(item)}"
    if min(item.bbox[2:]) < 1:
        what += ", and training leaves out what is below 1 pixel"
    return Fault("tiny-box", what)


def _crowd(item: AnnotatedObject, context: Context) -> Fault | None:
    if not item.crowd:
        return None
    what = "it is a crowd, as iscrowd, ignore or IsGroupOf says"
    return Fault("crowd", what, replace(item, crowd=False))


def _rotated(item: AnnotatedObject, context: Context) -> Fault | None:
    """Look at the angle that CVAT and others note beside a box that is not turned."""
    attributes = (item.coco or {}).get("attributes")
    angle = attributes.get("rotation") if isinstance(attributes, dict) else None
    if angle is None:
        return None
    try:
        angle = parsed(angle, "its rotation") % 360
    except Malformed:
        return None
    if not angle or ((item.polygons or item.mask) and not _is_box(item)):
        return None
    turned = in_steps(rectangle(item.label, item.bbox, item.place, angle))
    what = f"its box {_text(item)} is turned by {angle:g} degrees, by its attributes"
    coco = item.coco | {"attributes": attributes | {"rotation": 0}}
    repaired = replace(turned, crowd=item.crowd, coco=coco)
    return Fault("rotated-box", what, repaired)


def _is_box(item: AnnotatedObject) -> bool:
    """Whether the outline of an object is its box, not turned."""
    x, y, width, height = item.bbox
    corners = {(x, y), (x + width, y), (x + width, y + height), (x, y + height)}
    return (
        len(item.polygons) == 1
        and {tuple(point) for point in points_of(item.polygons[0]).tolist()} == corners
    )


def _mask_of_another_size(item: AnnotatedObject, context: Context) -> Fault | None:
    if item.mask is None or tuple(item.mask["size"][::-1]) == context.size:
        return None
    height, width = item.mask["size"]
    what = f"its mask has {width}x{height} pixels, its image {_size(context)}"
    return Fault("invalid-object", what)


def _empty_mask(item: AnnotatedObject, context: Context) -> Fault | None:
    if item.mask is None or area_of_rle(item.mask):
        return None
    coco = item.coco and item.coco | {"segmentation": []}
    repaired = replace(item, mask=None, coco=coco)
    return Fault("short-polygon", "its mask has no pixel", repaired)


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
    points = sum(map(len, item.polygons)) // 2
    if points <= MAX_POINTS:
        return None
    return Fault("too-many-points", f"it has {points} points, over {MAX_POINTS}")


def _short_polygon(item: AnnotatedObject, context: Context) -> Fault | None:
    kept = tuple(part for part in item.polygons if len(part) >= 6)
    if len(kept) == len(item.polygons):
        return None
    count = len(item.polygons)
    what = f"{count - len(kept)} of its {count} polygons have under 3 points"
    if count == 1:
        what = f"its polygon has {counted(len(item.polygons[0]) // 2, 'point')}"
    return Fault("short-polygon", what, replace(item, polygons=kept))


def _crossed_polygon(item: AnnotatedObject, context: Context) -> Fault | None:
    if not item.polygons:
        return None
    from shapely import Polygon

    crossed = [part for part in item.polygons if not Polygon(points_of(part)).is_valid]
    if not crossed:
        return None
    if any(map(crosses_often, crossed)):
        what = f"its polygon crosses itself over {MAX_CROSSINGS} times"
        return Fault("crossed-polygon", what)
    mended: list[Outline] = []
    for part in item.polygons:
        mended += outlines_of(enclosed(part)) if part in crossed else [part]
    if not mended:
        return Fault("crossed-polygon", "its polygon encloses nothing")
    repaired = replace(item, polygons=tuple(mended))
    return Fault("crossed-polygon", "its polygon crosses itself", repaired)


def _polygon_outside_box(item: AnnotatedObject, context: Context) -> Fault | None:
    if not item.polygons:
        return None
    around = bbox_of_points(tuple(chain.from_iterable(item.polygons)))
    x, y, width, height = item.bbox
    left, top, inner_width, inner_height = around
    beyond = max(
        x - left,
        y - top,
        left + inner_width - (x + width),
        top + inner_height - (y + height),
    )
    if beyond <= POLYGON_TOLERANCE:
        return None
    what = f"its polygon leaves its box by {beyond:g} pixels"
    return Fault("polygon-outside-box", what, replace(item, bbox=around))


def _text(item: AnnotatedObject) -> str:
    x, y, width, height = item.bbox
    return f"{width:g}x{height:g} at {x:g},{y:g}"


def _size(context: Context) -> str:
    return f"{context.size[0]}x{context.size[1]}"


OBJECT_CHECKS: tuple[Callable[[AnnotatedObject, Context], Fault | None], ...] = (
    _unnamed,
    _control_character,
    _unknown_class,
    _inverted,
    _empty,
    _too_many_points,
    _short_polygon,
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
