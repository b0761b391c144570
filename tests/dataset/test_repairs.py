"""What becomes of outlines that cross an edge or themselves, by their area."""

from dataclasses import replace
from math import cos, pi, sin

import numpy as np
import pytest

from mmdet_flow.dataset.annotations import AnnotatedObject, area_of_points
from mmdet_flow.dataset.findings import CHECKS, Ledger, Policy
from mmdet_flow.dataset.object_checks import Context, check_objects

SIZE = (100, 80)
ALL = {name: "repair" for name, check in CHECKS.items() if "repair" in check.actions}


def repaired(*polygons, bbox=(0.0, 0.0, 100.0, 80.0), **others) -> AnnotatedObject:
    """Return an object after all checks, with all repairs."""
    item = AnnotatedObject("cat", bbox, "object 1", polygons, **others)
    ledger = Ledger(Policy(ALL))
    (kept,) = check_objects([item], Context(SIZE, None, None), "a.xml", ledger)
    assert not ledger.errors
    return kept


def area(item: AnnotatedObject) -> float:
    return sum(map(area_of_points, item.polygons))


def filled(polygon, size=SIZE) -> int:
    """Return the pixels of an outline as training fills it."""
    from pycocotools import mask

    points = [list(np.multiply(polygon, 10))]
    return int(mask.area(mask.frPyObjects(points, size[1] * 10, size[0] * 10))[0]) / 100


BOW_TIE = (10.0, 10.0, 50.0, 10.0, 10.0, 50.0, 50.0, 50.0)
STAR = tuple(
    value
    for turn in range(5)
    for value in (
        50 + 30 * cos(4 * pi * turn / 5),
        40 + 30 * sin(4 * pi * turn / 5),
    )
)
TOUCHING = (10.0, 10.0, 30.0, 30.0, 50.0, 10.0, 50.0, 50.0, 30.0, 30.0, 10.0, 50.0)
SPIKE = (10.0, 10.0, 30.0, 10.0, 60.0, 10.0, 30.0, 10.0, 30.0, 30.0, 10.0, 30.0)
RING = (
    *(10.0, 10.0, 60.0, 10.0, 60.0, 60.0, 10.0, 60.0, 10.0, 10.0),
    *(20.0, 20.0, 20.0, 50.0, 50.0, 50.0, 50.0, 20.0, 20.0, 20.0),
)
"""A frame whose outline goes to its hole and back along one line."""


@pytest.mark.parametrize(
    ("polygon", "parts"),
    [(BOW_TIE, 2), (STAR, 5), (TOUCHING, 2), (SPIKE, 1), (RING, 2)],
    ids=["bow tie", "star", "touching", "spike", "ring"],
)
def test_an_outline_that_crosses_itself_keeps_all_that_it_encloses(polygon, parts):
    item = repaired(polygon)
    assert len(item.polygons) == parts
    assert area(item) == pytest.approx(filled(polygon), rel=0.02)
    assert repaired(*item.polygons) == item  # nothing is left to be repaired


@pytest.mark.parametrize(
    ("polygon", "inside"),
    [
        ((80.0, 10.0, 120.0, 10.0, 120.0, 50.0, 80.0, 50.0), 800.0),
        ((-10.0, -10.0, 20.0, -10.0, 20.0, 15.0, -10.0, 15.0), 300.0),
        ((90.0, 60.0, 110.0, 70.0, 90.0, 80.0), 150.0),
        ((95.5, 70.25, 105.5, 70.25, 105.5, 90.25, 95.5, 90.25), 43.875),
    ],
)
def test_an_edge_cuts_an_outline_where_it_is(polygon, inside):
    columns, rows = polygon[::2], polygon[1::2]
    start = min(columns), min(rows)
    bbox = *start, max(columns) - start[0], max(rows) - start[1]
    item = repaired(polygon, bbox=bbox)
    assert area(item) == inside
    assert max(item.polygons[0][::2]) <= SIZE[0]
    x, y, width, height = item.bbox
    assert min(x, y) >= 0 and x + width <= SIZE[0] and y + height <= SIZE[1]


def test_all_that_an_edge_leaves_of_an_outline_is_kept():
    comb = (90, 0, 120, 0, 120, 60, 90, 60, 90, 40, 110, 40, 110, 20, 90, 20)
    item = repaired(tuple(map(float, comb)), bbox=(90.0, 0.0, 30.0, 60.0))
    assert len(item.polygons) == 2
    assert area(item) == 2 * 10 * 20


def test_parts_that_are_whole_stay_as_they_are():
    whole, odd = (5.0, 5.0, 9.0, 5.0, 9.0, 9.5), (-5.0, 20.0, 9.0, 20.0, 9.0, 40.0)
    item = repaired(whole, odd, bbox=(-5.0, 5.0, 20.0, 50.0))
    assert item.polygons[0] == whole and len(item.polygons) == 2
    item = repaired(whole, BOW_TIE)
    assert item.polygons[0] == whole and len(item.polygons) == 3


def test_an_outline_that_crosses_both_is_clipped_without_another_repair():
    item = AnnotatedObject("cat", (-20.0, 0.0, 80.0, 70.0), "", (BOW_TIE,))
    moved = tuple(v - 30 * (n % 2 == 0) for n, v in enumerate(BOW_TIE))
    ledger = Ledger(Policy({"crosses-edge": "repair"}))
    context = Context(SIZE, None, None)
    (kept,) = check_objects([replace(item, polygons=(moved,))], context, "a", ledger)
    assert area(kept) == pytest.approx(400)  # half of the bow tie
    assert not ledger.errors


def test_corners_of_coco_stay_between_pixels_and_others_between_steps():
    slope = (90.0, 10.0, 107.0, 10.0, 90.0, 33.0)
    box = (90.0, 10.0, 17.0, 23.0)
    exact = repaired(slope, bbox=box, coco={"bbox": list(box)})
    assert area(exact) == pytest.approx(17 * 23 / 2 - 7 * 7 * 23 / 17 / 2)
    rounded = repaired(slope, bbox=box)
    assert rounded != exact
    assert all((value * 64).is_integer() for value in rounded.polygons[0])


def test_a_mask_is_no_outline_and_stays():
    mask = {"counts": [0, 8000], "size": [80, 100]}
    assert repaired(mask=mask).mask == mask


def test_what_encloses_nothing_is_not_repaired():
    item = AnnotatedObject("cat", (0.0, 0.0, 9.0, 9.0), "", ((1.0, 1.0) * 3,))
    ledger = Ledger(Policy(ALL))
    assert check_objects([item], Context(SIZE, None, None), "a", ledger) == ()
    assert [one.what for one in ledger.errors] == ["its polygon encloses nothing"]


@pytest.mark.parametrize("action", ["ignore", "drop", "error"])
def test_an_object_twice_is_a_finding(action):
    one = AnnotatedObject("cat", (1.0, 1.0, 9.0, 9.0), "object 1")
    others = (
        replace(one, label="dog", place="object 2"),
        replace(one, bbox=(1.0, 1.0, 9.0, 9.5), place="object 3"),
        replace(one, polygons=((1.0, 1.0, 9.0, 1.0, 9.0, 9.0),), place="object 4"),
        replace(one, mask={"counts": [0, 8000], "size": [80, 100]}, place="object 5"),
    )
    again = replace(one, place="object 6")
    ledger = Ledger(Policy({"duplicate-object": action}))
    context = Context(SIZE, None, None)
    kept = check_objects([one, *others, again], context, "a.xml", ledger)
    found = [(one.check, one.place, one.what) for one in ledger.findings]
    assert found == [("duplicate-object", "object 6", "it is the same as object 1")]
    assert len(kept) == (6 if action == "ignore" else 5)
    assert [item.place for item in ledger.left_out] == ["object 6"] * (6 - len(kept))
