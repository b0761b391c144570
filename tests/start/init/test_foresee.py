"""What is seen before a run: repairs that lose nothing, and what is left to decide."""

from mmdet_flow.start.init.find import find
from mmdet_flow.start.init.foresee import foresee, in_short, left_open, repairs, told
from tests.dataset.voc_data import make_voc


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
