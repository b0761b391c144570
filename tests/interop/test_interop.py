"""How objects are compared with the truth, and the page with its tables.

The exchange itself takes minutes: make test-interop.
"""

import copy

import pytest
from pycocotools import mask as coco_mask

from tests.conftest import ROOT
from tests.interop.compare import (
    DIFFERENT,
    EXACT,
    FINE,
    OUTCOMES,
    PIXEL,
    REFUSED,
    Outcome,
    box_around,
    compare,
)
from tests.interop.environments import RUNNERS, tools
from tests.interop.page import (
    END,
    PAGE,
    START,
    UNKNOWN,
    Cell,
    cells_in,
    put,
    tables_of,
    with_the_others,
    worse,
)
from tests.interop.scene import scene

TRUTH = scene()["images"]
PARTS = next(
    (number, index)
    for number, entry in enumerate(TRUTH)
    for index, item in enumerate(entry["objects"])
    if len(item["polygons"]) == 2
)


def changed(change) -> list[dict]:
    """Return the truth after ``change`` was made to the object of two parts."""
    found = copy.deepcopy(TRUTH)
    change(found[PARTS[0]]["objects"][PARTS[1]], found)
    return found


def moved(by: float):
    def change(item, _):
        item["bbox"][0] += by
        for part in item["polygons"]:
            part[0::2] = [value + by for value in part[0::2]]

    return change


def masked(item, found) -> None:
    size = found[PARTS[0]]["height"], found[PARTS[0]]["width"]
    item["mask"] = coco_mask.merge(coco_mask.frPyObjects(item["polygons"], *size))
    item["polygons"] = []


def first_part_alone(item, _) -> None:
    del item["polygons"][1:]


def without_outline(item, _) -> None:
    item["polygons"] = []


def renamed(item, _) -> None:
    item["label"] = "dog"


def twice(item, found) -> None:
    found[PARTS[0]]["objects"].append(copy.deepcopy(item))


def lost_image(_, found) -> None:
    del found[PARTS[0]]


def new_image(_, found) -> None:
    found.append({"name": "other.jpg", "objects": []})


def turned(item, _) -> None:
    """The same outlines, told from another point in the other direction."""
    for part in item["polygons"]:
        points = list(zip(part[0::2], part[1::2], strict=True))[::-1]
        part[:] = [value for point in points[2:] + points[:2] for value in point]


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (lambda *_: None, EXACT),
        (turned, EXACT),
        (moved(1e-9), EXACT),
        (moved(0.015), FINE),
        (moved(0.3), PIXEL),
        (moved(1), PIXEL),
        (moved(1.2), DIFFERENT),
        (masked, PIXEL),
        (first_part_alone, DIFFERENT),
        (without_outline, DIFFERENT),
        (renamed, DIFFERENT),
        (twice, DIFFERENT),
        (lost_image, DIFFERENT),
        (new_image, DIFFERENT),
    ],
)
def test_what_became_of_an_object_is_told(change, kind):
    assert compare(TRUTH, changed(change), outlined=True).kind == kind


def test_an_object_that_falls_apart_is_different_and_the_rest_is_told():
    def fall_apart(item, found) -> None:
        for part in item["polygons"]:
            piece = item | {"polygons": [part], "bbox": box_around(part)}
            found[PARTS[0]]["objects"].append(piece)
        found[PARTS[0]]["objects"].remove(item)

    outcome = compare(TRUTH, changed(fall_apart), outlined=True)
    assert outcome == Outcome(
        DIFFERENT, "each part is an object of its own; else exact"
    )


def test_of_boxes_no_outline_is_asked():
    assert compare(TRUTH, changed(without_outline), outlined=False).kind == EXACT


def test_an_image_without_objects_that_is_lost_is_told():
    found = [entry for entry in TRUTH if entry["objects"]]
    outcome = compare(TRUTH, found, outlined=True)
    assert outcome == Outcome(EXACT, "without the image that has no objects")


def test_a_score_that_is_lost_or_another_is_different():
    scored = changed(lambda item, _: item.update(score=0.5))
    assert compare(scored, scored, outlined=True).kind == EXACT
    assert compare(scored, TRUTH, outlined=True).kind == DIFFERENT


def cells(kind: str) -> list[Cell]:
    outcome = Outcome(kind, "a reason")
    return [
        Cell("write", "some-tool", "1.0", "COCO", "boxes", outcome, "since it is so"),
        Cell("read", "some-tool", "1.0", "COCO", "boxes", Outcome(EXACT)),
    ]


@pytest.fixture
def page(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"before\n{START}\nold\n{END}\nafter\n")
    return page


@pytest.mark.parametrize("kind", OUTCOMES)
def test_what_is_written_to_the_page_is_read_from_it(page, kind):
    put(tables_of(cells(kind)), page)
    text = page.read_text()
    assert text.startswith("before\n") and text.endswith("\nafter\n")
    assert cells_in(text) == cells(kind)


def test_what_was_not_measured_stays_on_the_page(page):
    put(tables_of(cells(PIXEL)), page)
    better = cells(EXACT)[:1]
    assert with_the_others(better, page.read_text()) == [*better, cells(PIXEL)[1]]


def test_what_is_worse_or_missing_is_told(page):
    put(tables_of(cells(PIXEL)), page)
    text = page.read_text()
    assert worse(cells(PIXEL), text) == worse(cells(FINE), text) == []
    (what,) = worse(cells(REFUSED), text)
    assert (
        what
        == "what some-tool writes as COCO boxes is refused (a reason), was to the pixel"
    )
    (missing,) = worse(cells(PIXEL)[1:], text)
    assert "is missing" in missing


def test_what_is_not_exact_needs_a_reason(page):
    kind = ("write", "some-tool", "1.0", "coco_boxes")
    assert worse([Cell.of(*kind, Outcome(EXACT))], page.read_text()) == []
    (unknown,) = worse([Cell.of(*kind, Outcome(PIXEL))], page.read_text())
    assert "no reason" in unknown


def test_each_tool_has_a_runner_and_a_row():
    known = tools()
    runners = {path.stem.removesuffix("_tool") for path in RUNNERS.glob("*_tool.py")}
    assert {tool.key.replace("-", "_") for tool in known} == runners
    shown = cells_in((ROOT / PAGE).read_text())
    assert {(one.tool, one.version) for one in shown} == {
        (tool.name, tool.version) for tool in known
    }
    assert all(
        one.why not in ("", UNKNOWN) for one in shown if one.outcome.kind != EXACT
    )
