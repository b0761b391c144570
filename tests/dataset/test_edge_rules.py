"""What the corners of boxes name, and how a wrong rule is noticed."""

import json

import pytest

from mmdet_flow.dataset.annotations import EDGES, Source, bbox_of_corners
from mmdet_flow.dataset.check import Rules, check
from mmdet_flow.dataset.readers import FORMATS
from mmdet_flow.errors import UsageError
from tests.conftest import run_command, the_error
from tests.dataset.voc_data import make_picture, voc_xml

SIZE = (64, 48)
WRITTEN = {
    "inclusive": (0, 0, 63, 47),
    "exclusive": (0, 0, 64, 48),
    "inclusive-from-1": (1, 1, 64, 48),
    "exclusive-from-1": (1, 1, 65, 49),
}
"""How each rule writes the corners of a box that fills an image of SIZE."""


def check_edges(folder, edges, format_name="voc"):
    source = Source(folder, folder, edges=edges)
    checked = check(FORMATS[format_name], source, Rules(min_objects=0))
    hints = [one.what for one in checked.ledger.findings if one.check == "edge-rule"]
    return checked, hints


def write_voc(folder, boxes) -> None:
    make_picture(folder / "a.jpg", 1, SIZE)
    xml = voc_xml("a.jpg", *(("cat", *box) for box in boxes), size=SIZE)
    (folder / "a.xml").write_text(xml)


@pytest.mark.parametrize("rule", EDGES)
def test_each_rule_reads_what_it_wrote(rule, tmp_path):
    left, top, right, bottom = WRITTEN[rule]
    inner = (left + 10, top + 20.5, right - 10, bottom - 10.25)
    write_voc(tmp_path, [WRITTEN[rule], inner])
    checked, _ = check_edges(tmp_path, rule)
    assert [item.bbox for item in checked.images[0].source.objects] == [
        (0, 0, 64, 48),
        (10, 20.5, 44, 17.25),
    ]


@pytest.mark.parametrize("rule", EDGES)
@pytest.mark.parametrize("chosen", EDGES)
def test_many_boxes_at_the_edges_tell_their_rule(rule, chosen, tmp_path):
    left, top, right, bottom = WRITTEN[rule]
    boxes = [(left, top, right - n, bottom - n) for n in range(5)]
    boxes += [(left + n, top + n, right, bottom) for n in range(5)]
    write_voc(tmp_path, boxes)
    _, hints = check_edges(tmp_path, chosen)
    contained = bbox_of_corners(*WRITTEN[rule], chosen)
    fits = min(contained[:2]) >= 0 and contained[0] + contained[2] <= SIZE[0]
    assert len(hints) == (not fits)
    assert all(hint.endswith(f"as if edges were {rule}") for hint in hints)


@pytest.mark.parametrize(
    "boxes",
    [
        [(0, 0, 64, 40)] * 4,  # a few
        [(0, 0, 80, 40)] * 9,  # further out than any rule
        [(0, 0, 63, 47)] * 9,
    ],
)
def test_other_boxes_tell_nothing(boxes, tmp_path):
    write_voc(tmp_path, boxes)
    assert check_edges(tmp_path, "inclusive")[1] == []


@pytest.mark.parametrize(
    ("corners", "bbox"),
    [
        ((9, 30, 3, 9), (10, 31, -7, -22)),
        ((5, 5, 5, 5), (5, 5, 1, 1)),
        ((5, 5, 4, 4), (6, 6, -2, -2)),
        ((5, 5, 4.25, 4.5), (5, 5, 0.25, 0.5)),  # below a pixel, not swapped
    ],
)
def test_swapped_corners_have_a_negative_size(corners, bbox):
    assert bbox_of_corners(*corners) == bbox


@pytest.mark.parametrize("format_name", ["opex", "roi"])
def test_other_formats_with_corners_follow_the_rule(format_name, tmp_path):
    make_picture(tmp_path / "a.jpg", 1, SIZE)
    if format_name == "opex":
        box = dict(zip(("left", "top", "right", "bottom"), (1, 1, 9, 9), strict=True))
        item = {"label": "cat", "bbox": box, "polygon": {"points": []}}
        (tmp_path / "a.json").write_text(json.dumps({"id": "a", "objects": [item]}))
    else:
        rows = "file,x0,y0,x1,y1,label_str\na.jpg,1,1,9,9,cat\n"
        (tmp_path / "a-rois.csv").write_text(rows)
    checked, _ = check_edges(tmp_path, "exclusive-from-1", format_name)
    assert checked.images[0].source.objects[0].bbox == (0, 0, 8, 8)


def test_the_rule_is_an_option_that_other_formats_refuse(tmp_path):
    write_voc(tmp_path, [WRITTEN["exclusive"]])
    data = ("--annotations", tmp_path, "--images", tmp_path, "--edges", "exclusive")
    run = run_command("mmdet-flow data check", "--format=voc", *data)
    assert run.returncode == 0 and "crosses-edge" not in run.stderr
    run = run_command("mmdet-flow data check", "--format=yolo", *data)
    assert run.returncode == 2
    assert "edges exclusive: this format has no corners of boxes" in the_error(run)
    with pytest.raises(UsageError, match="no corners"):
        check_edges(tmp_path, "exclusive", "coco")
