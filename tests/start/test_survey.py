"""What a survey says of objects and places."""

from pathlib import Path

import pytest

from mmdet_flow.dataset.annotations import AnnotatedObject
from mmdet_flow.start.survey import common_place, has_mask, has_outline

BOX = (0.0, 0.0, 10.0, 10.0)


@pytest.mark.parametrize(
    ("polygons", "rle", "outline", "mask"),
    [
        ((), None, False, False),
        (((0, 0, 9, 0, 9, 9, 0, 9),), None, False, True),  # no more than the box
        (((0, 0, 9, 0, 0, 9),), None, True, True),
        (((0, 0, 9, 9),), None, False, True),  # a line
        (((0, 0, 9, 0, 9, 9), (0, 0, 1, 0, 1, 1)), None, True, True),
        ((), {"counts": [100], "size": [10, 10]}, True, True),
    ],
)
def test_outlines_and_boxes(polygons, rle, outline, mask):
    item = AnnotatedObject("a", BOX, "", polygons, rle)
    assert (has_outline(item), has_mask(item)) == (outline, mask)


@pytest.mark.parametrize(
    ("files", "place"),
    [
        (("a/b/c.xml", "a/b/d.xml"), "a/b"),
        (("a/b/c.xml", "a/x/d.xml"), "a"),
        (("a/b/c.json", "a/b/c.json"), "a/b/c.json"),
        (("a/c.xml", "a/ab/d.xml"), "a"),
    ],
)
def test_the_deepest_folder_that_holds_all(files, place):
    assert common_place(map(Path, files)) == Path(place)
