"""What is seen before a run: repairs that lose nothing, and what is left to decide."""

import pytest

from mmdet_flow.dataset.findings import groups_of
from mmdet_flow.start.init.find import find
from mmdet_flow.start.init.foresee import foresee, in_short, left_open, repairs, told
from tests.dataset.test_check import check_voc, rotate_by_exif
from tests.dataset.voc_data import make_voc, voc_xml


def test_what_would_stop_the_first_run_is_foreseen(tmp_path):
    swapped, empty = ("cat", 20, 1, 10, 9), ("cat", 70, 60, 80, 70)
    root = make_voc(tmp_path, {"a": [swapped] * 3, "b": [empty, empty], "c": []})
    (root / "xml/c.xml").write_text("<annotation>")
    groups = foresee(find(root, root))
    policy = repairs(groups)
    assert policy == {"inverted-box": "repair"}
    lines = list(told(left_open(groups, policy)))
    assert len(lines) == 2
    assert "1 broken-annotation, such as c.xml: " in lines[0]
    assert "2 outside-image, such as b.xml, object 1: " in lines[1]
    assert "policy outside-image: drop" in lines[1]
    assert in_short(left_open(groups, policy)) == (
        "1 of broken-annotation: drop, 2 of outside-image: drop"
    )


def test_nothing_is_told_of_what_stops_no_run(tmp_path):
    root = make_voc(tmp_path, {"a": [("cat", 50, 1, 80, 9), ("cat", 5, 5, 5, 5)]})
    assert foresee(find(root, root)) == []


TURNED = (48, 64)
"""What the images of the data set are, as the tag of ``rotate_by_exif`` turns them."""


@pytest.mark.parametrize("size", [TURNED, (64, 48), (32, 24)])
@pytest.mark.parametrize("top", [20, 50, 62, 80])
def test_what_is_foreseen_of_turned_images_is_what_the_check_finds(tmp_path, size, top):
    """By the size that training sees, where the annotation is for that."""
    box = ("cat", 30, top, 40, top + 9)
    root = make_voc(tmp_path, {"a": [box], "b": []})
    rotate_by_exif(root / "images/a.jpg")
    (root / "xml/a.xml").write_text(voc_xml("a.jpg", box, size=size))
    found = {(one[0].check, len(one)) for one in foresee(find(root, root))}
    errors = groups_of(check_voc(root).ledger.errors)
    assert found == {(one[0].check, len(one)) for one in errors}
    assert bool(found) == (size != TURNED or top > 64)
