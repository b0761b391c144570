"""An object of a COCO file, as COCO says it, made of what tools write.

Numbers may be text, a flag may be text or null, an outline may come as a flat list or
as points. The area, which decides whether and as what an object counts, is that of
outline or box where what stands there cannot be.
"""

import re

from mmdet_flow.dataset.annotations import AnnotatedObject, area_of_points
from mmdet_flow.dataset.fields import (
    Malformed,
    flag,
    member,
    number,
    parsed,
    sequence,
    shown,
)
from mmdet_flow.dataset.rle import area_of_rle, require_rle

Size = tuple[int, int]


def normal_object(item: dict, size: Size | None) -> dict:
    """Return an annotation as COCO says it; Malformed where a value cannot be.

    ``size`` is the (width, height) of its image, if that is known. What pycocotools and
    mmdet leave out alike, by ``iscrowd`` or by ``ignore``, is a crowd.
    """
    normal = {key: value for key, value in item.items() if key != "ignore"}
    normal["bbox"] = box = box_of(member(item, "bbox"))
    crowd = flag(item.get("iscrowd"), "its iscrowd")
    normal["iscrowd"] = int(crowd or flag(item.get("ignore"), "its ignore"))
    shape = shape_of(item.get("segmentation"), size)
    if "segmentation" in item:
        normal["segmentation"] = shape
    normal["area"] = _area(item.get("area"), box, shape)
    return normal


def as_coco(item: AnnotatedObject) -> dict:
    """Return an object of any format as an annotation, without ids and category.

    What is whole is written so. One that came from COCO keeps its other keys.
    """
    box = list(map(whole_if_so, item.bbox))
    shape = item.mask or [list(map(whole_if_so, part)) for part in item.polygons]
    area = whole_if_so(_area(None, box, shape))
    values = {"bbox": box, "segmentation": shape, "area": area}
    return (item.coco or {}) | values | {"iscrowd": int(item.crowd)}


def whole_if_so(value: float) -> float | int:
    """Return a number without a point behind it where it is whole."""
    return int(value) if value == int(value) else value


def is_readable(item: dict, normal: dict) -> bool:
    """Whether mmdet and pycocotools read an annotation as we do, as it stands."""
    keys = ("id", "bbox", "iscrowd")
    same = all(item.get(key) == normal[key] for key in keys)
    same &= (item.get("segmentation") or []) == normal.get("segmentation", [])
    area = item.get("area")
    return same and isinstance(area, int | float) and area > 0


def box_of(value: object) -> list:
    """Return x, y, width, height; Malformed for what are no four numbers."""
    if isinstance(
        value, str
    ):  # of a table, as "[1, 2, 3, 4]" or numpy's "[1. 2. 3. 4.]"
        value = re.findall(r"[^\s,;\[\]()]+", value)
    box = sequence(value, "its bbox")
    if len(box) == 1 and isinstance(box[0], list):
        box = box[0]
    if len(box) != 4:
        raise Malformed(f"its bbox has {len(box)} numbers, not 4")
    return [_number(one, "a number of its bbox") for one in box]


def _number(value: object, what: str) -> float:
    """Return a number as it stands, for the same bytes, unless it is text."""
    if isinstance(value, str):
        return parsed(value, what)
    number(value, what)
    return value


def shape_of(value: object, size: Size | None) -> list | dict:
    """Return polygons or a mask; an empty list for an object that is only a box."""
    if not value and (value is None or isinstance(value, list | dict | str)):
        return []
    if isinstance(value, dict):
        require_rle(value, size)
        return value
    parts = [part for part in sequence(value, "its segmentation") if part != []]
    if len(parts) == 1 and isinstance(parts[0], dict):
        return shape_of(parts[0], size)
    if parts and not any(isinstance(part, list) for part in parts):
        parts = [parts]
    if len(parts) > 2 and _are_points(parts):
        parts = [parts]
    return [_polygon(part) for part in parts]


def _are_points(part: object) -> bool:
    return isinstance(part, list) and all(
        isinstance(point, list)
        and len(point) == 2
        and not any(isinstance(value, list) for value in point)
        for point in part
    )


def _polygon(part: object) -> list:
    points = sequence(part, "a polygon of it")
    if _are_points(points):
        points = [value for point in points for value in point]
    if len(points) % 2:
        raise Malformed("its polygon has an odd number of coordinates")
    return [_number(value, "a coordinate") for value in points]


def _area(value: object, box: list, shape: list | dict) -> float:
    """Return the area that is stated, or that of the mask, outline or box instead.

    What is 0, or larger than the box and its edge, cannot be: some tools write none,
    others that of the image.
    """
    width, height = abs(box[2]), abs(box[3])
    if isinstance(value, str):
        value = parsed(value, "its area")
    if isinstance(value, bool | list | dict):
        raise Malformed(f"its area is {shown(value)}, not a number")
    if value is not None and 0 < value <= (width + 1) * (height + 1):
        return value
    if isinstance(shape, dict):
        own = area_of_rle(shape)
    else:
        own = sum(area_of_points(part) for part in shape)
    return own or width * height
