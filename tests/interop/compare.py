"""How near to the truth objects are that went through a tool."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
import shapely
from pycocotools import mask as coco_mask

EXACT, FINE, PIXEL = "exact", "to 1/64", "to the pixel"
REFUSED, DIFFERENT = "refused", "different"
OUTCOMES = (EXACT, FINE, PIXEL, REFUSED, DIFFERENT)
"""From the best to the worst: what is refused is at least said."""

NOISE = 1e-4
"""Pixels that numbers of 32 bits, of few decimals or in percent may be away."""

LIMIT = 1 + 1 / 64 + NOISE
"""Pixels that are still called one: the corner of a tool, read to 1/64."""

DIAGONAL = 2**0.5
"""How far a point of an outline is away if it is rounded in both directions."""


@dataclass(frozen=True)
class Outcome:
    """What became of a data set, and what is to say of it."""

    kind: str
    what: str = ""

    @property
    def rank(self) -> int:
        return OUTCOMES.index(self.kind)


class Different(Exception):
    """Something else than the place of an object is not that of the truth."""


def compare(truth: list[dict], found: list[dict], outlined: bool) -> Outcome:
    """Compare images with their objects; outlines only where the format holds them."""
    outcome = _compared(truth, found, outlined)
    if outlined and outcome.kind == DIFFERENT:
        apart = _compared([_apart(entry) for entry in truth], found, outlined)
        if apart.kind != DIFFERENT:
            rest = f"{apart.kind} {apart.what}".strip()
            return Outcome(DIFFERENT, f"each part is an object of its own; else {rest}")
    return outcome


def _apart(entry: dict) -> dict:
    """Return an image whose objects have one part each."""
    objects = []
    for item in entry["objects"]:
        for part in item["polygons"] or [[]]:
            polygons = [part] if part else []
            bbox = box_around(part) if part else item["bbox"]
            objects.append(item | {"bbox": bbox, "polygons": polygons})
    return entry | {"objects": objects}


def box_around(points: list[float]) -> list[float]:
    """Return the x, y, width and height of x0, y0, x1, y1, ..."""
    columns, rows = points[0::2], points[1::2]
    left, top = min(columns), min(rows)
    return [left, top, max(columns) - left, max(rows) - top]


def _compared(truth: list[dict], found: list[dict], outlined: bool) -> Outcome:
    known = {entry["name"]: entry["objects"] for entry in found}
    whole, fractions = 0.0, 0.0
    try:
        _same_images(truth, known)
        for entry in truth:
            found_there = known.get(entry["name"], [])
            for item, other in _pairs(entry["name"], entry["objects"], found_there):
                away = _distance(item, other, outlined)
                if _is_whole(item):
                    whole = max(whole, away)
                else:
                    fractions = max(fractions, away)
    except Different as error:
        return Outcome(DIFFERENT, str(error))
    outcome = _judge(whole, fractions)
    empty = {one["name"] for one in truth if not one["objects"]}
    if empty <= set(known):
        return outcome
    text = f"{outcome.what}; without the image that has no objects"
    return Outcome(outcome.kind, text.removeprefix("; "))


def _same_images(truth: list[dict], known: dict) -> None:
    strangers = sorted(set(known) - {entry["name"] for entry in truth})
    if strangers:
        raise Different(f"an image {strangers[0]!r} that is none of the data set")
    missing = [
        one["name"] for one in truth if one["objects"] and one["name"] not in known
    ]
    if missing:
        raise Different(f"without the image {missing[0]!r} and its objects")


def _pairs(name: str, items: list[dict], others: list[dict]):
    """Yield each object with the nearest one of its class."""
    wanted = Counter(item["label"] for item in items)
    there = Counter(item["label"] for item in others)
    for label in wanted | there:
        if wanted[label] != there[label]:
            raise Different(f"{there[label]} of {wanted[label]} {label!r} in {name!r}")
    rest = list(others)
    for item in items:
        same = [other for other in rest if other["label"] == item["label"]]
        nearest = min(same, key=lambda other: _between(item["bbox"], other["bbox"]))
        rest.remove(nearest)
        yield item, nearest


def _between(box: list[float], other: list[float]) -> float:
    """Return how far the sides of two boxes are away from each other at most."""
    corners = (np.array([x, y, x + w, y + h]) for x, y, w, h in (box, other))
    return float(np.abs(np.subtract(*corners)).max())


def _distance(item: dict, other: dict, outlined: bool) -> float:
    """Return how far an object is away from its truth, in pixels."""
    score = other.get("score")
    if "score" in item and (score is None or abs(item["score"] - score) > NOISE):
        raise Different(f"a score of {score} for {item['score']:.3g}")
    away = _between(item["bbox"], other["bbox"])
    if away > LIMIT:
        raise Different(f"a box of {item['label']!r} is {away:.1f} pixels away")
    return max(away, _outline_distance(item, other)) if outlined else away


def _outline_distance(item: dict, other: dict) -> float:
    parts = item["polygons"]
    if "mask" in other:
        away = _mask_distance(_shape(parts or [rectangle(item)]), other["mask"])
    elif not other["polygons"]:
        if parts:
            raise Different(f"an outline of {item['label']!r} became a box")
        return 0.0
    elif parts and len(parts) != len(other["polygons"]):
        was, now = len(parts), len(other["polygons"])
        raise Different(f"{was} parts of {item['label']!r} became {now}")
    else:
        lines = (_lines(parts or [rectangle(item)]), _lines(other["polygons"]))
        away = float(shapely.hausdorff_distance(*lines))
    if away > LIMIT * DIAGONAL:
        raise Different(f"an outline of {item['label']!r} is {away:.1f} pixels away")
    return min(away, 1.0) if away > 1 else away


def rectangle(item: dict) -> list[float]:
    """Return the corners of the box of an object, as an outline."""
    x, y, width, height = item["bbox"]
    return [x, y, x + width, y, x + width, y + height, x, y + height]


def _lines(parts: list[list[float]]) -> shapely.MultiLineString:
    rings = (np.array(values).reshape(-1, 2) for values in parts)
    return shapely.MultiLineString([np.vstack([ring, ring[:1]]) for ring in rings])


def _shape(parts: list[list[float]]) -> shapely.Geometry:
    rings = (np.array(values).reshape(-1, 2) for values in parts)
    return shapely.union_all([shapely.make_valid(shapely.Polygon(r)) for r in rings])


def _mask_distance(shape: shapely.Geometry, rle: dict) -> float:
    """Return how far pixels that are wrong in a mask are away from the outline.

    Pixels are half a pixel wide to each side, so nothing less can be told of them.
    """
    if isinstance(rle["counts"], list):
        rle = coco_mask.frPyObjects(rle, *rle["size"])
    mask = coco_mask.decode(rle).astype(bool)
    rows, columns = np.indices(mask.shape) + 0.5
    wrong = mask != shapely.contains_xy(shape, columns, rows)
    if not wrong.any():
        return 0.5
    points = shapely.points(columns[wrong], rows[wrong])
    return float(shapely.distance(shape.boundary, points).max()) + 0.5


def _is_whole(item: dict) -> bool:
    values = [*item["bbox"], *(v for part in item["polygons"] for v in part)]
    return all(float(value).is_integer() for value in values)


def _judge(whole: float, fractions: float) -> Outcome:
    away = max(whole, fractions)
    if away <= NOISE:
        return Outcome(EXACT)
    kind = FINE if away <= 1 / 64 + NOISE else PIXEL
    if whole <= NOISE:
        return Outcome(kind, f"fractions by up to {fractions:.2g} pixels")
    return Outcome(kind, f"by up to {away:.2g} pixels")
