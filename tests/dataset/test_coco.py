"""COCO as tools write it becomes COCO as pycocotools and mmdet read it."""

import json

import pytest

from mmdet_flow.dataset.annotations import Source
from mmdet_flow.dataset.check import Rules, check
from mmdet_flow.dataset.coco import CocoFile
from mmdet_flow.dataset.coco_object import normal_object
from mmdet_flow.dataset.convert import convert
from mmdet_flow.dataset.fields import Malformed
from mmdet_flow.dataset.findings import Policy
from mmdet_flow.dataset.readers import FORMATS
from mmdet_flow.errors import DataError
from tests.dataset.voc_data import make_picture

SIZE = (64, 48)
BOX = [10, 10, 20, 10]
TRIANGLE = [10, 10, 30, 10, 30, 20]
MASK = {"counts": [490, 10, 2572], "size": [48, 64]}
"""The first ten pixels of a column, from 10, 10."""


def object_with(**values) -> dict:
    item = {"id": 1, "image_id": 1, "category_id": 1, "bbox": BOX, "iscrowd": 0}
    return {k: v for k, v in (item | values).items() if v != "none"}


def content_of(*annotations: dict, images: int = 1) -> dict:
    return {
        "images": [
            {"id": n, "file_name": f"{n}.jpg", "width": 64, "height": 48}
            for n in range(1, images + 1)
        ],
        "annotations": list(annotations),
        "categories": [{"id": 1, "name": "cat"}, {"id": 5, "name": "dog"}],
    }


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "images").mkdir()
    for number in (1, 2):
        make_picture(tmp_path / "images" / f"{number}.jpg", number)
    return tmp_path


def rules_of(actions: dict[str, str]) -> Rules:
    names = {name.replace("_", "-"): action for name, action in actions.items()}
    return Rules(policy=Policy(names))


def check_folder(folder, content: dict, **actions):
    (folder / "coco.json").write_text(json.dumps(content))
    source = Source(folder / "coco.json", folder / "images")
    rules = Rules(
        policy=Policy({name.replace("_", "-"): a for name, a in actions.items()})
    )
    return check(FORMATS["coco"], source, rules)


def convert_folder(folder, content: dict, **actions) -> list[dict]:
    (folder / "coco.json").write_text(json.dumps(content))
    source = Source(folder / "coco.json", folder / "images")
    rules = Rules(
        policy=Policy({name.replace("_", "-"): a for name, a in actions.items()})
    )
    convert("coco", source, folder / "out", rules)
    return CocoFile.read(folder / "out" / "annotations.json").annotations


def findings_of(checked) -> list[tuple[str, str]]:
    found = [(one.check, one.what) for one in checked.ledger.findings]
    return [one for one in found if one[0] not in ("few-objects", "no-annotation")]


@pytest.mark.parametrize(
    "bbox",
    [
        BOX,
        ["10", "10", "20", "10"],
        [[10, 10, 20, 10]],
        "10 10 20 10",
        "[10. 10. 20. 10.]",
        "(10, 10, 20, 10)",
        "[10, 10, 20, 10]",
    ],
)
def test_a_box_may_be_text(bbox):
    assert normal_object(object_with(bbox=bbox), SIZE)["bbox"] == BOX


@pytest.mark.parametrize(
    ("iscrowd", "ignore", "expected"),
    [
        *((value, "none", 0) for value in (0, "0", None, False, "false", "", 0.0)),
        *((value, "none", 1) for value in (1, "1", True, "True", 1.0)),
        *(("none", value, 0) for value in (0, "0", None, False)),
        *((0, value, 1) for value in (1, "1", True, 1.0)),
        ("none", "none", 0),
    ],
)
def test_a_crowd_is_what_the_flags_say(iscrowd, ignore, expected):
    normal = normal_object(object_with(iscrowd=iscrowd, ignore=ignore), SIZE)
    assert (normal["iscrowd"], "ignore" in normal) == (expected, False)
    assert type(normal["iscrowd"]) is int


@pytest.mark.parametrize(
    ("segmentation", "expected"),
    [
        *((empty, []) for empty in (None, [], {}, "", [[]], [[], []])),
        (TRIANGLE, [TRIANGLE]),
        ([TRIANGLE], [TRIANGLE]),
        ([TRIANGLE, []], [TRIANGLE]),
        ([[10, 10], [30, 10], [30, 20]], [TRIANGLE]),
        ([[[10, 10], [30, 10], [30, 20]]], [TRIANGLE]),
        ([["10", "10", "30", "10", "30", "20"]], [TRIANGLE]),
        (MASK, MASK),
        ([MASK], MASK),
    ],
)
def test_an_outline_is_a_list_of_polygons_or_a_mask(segmentation, expected):
    normal = normal_object(object_with(segmentation=segmentation), SIZE)
    assert normal["segmentation"] == expected


@pytest.mark.parametrize("area", ["none", None, 0, -5, 64 * 48, float("nan"), 1e300])
@pytest.mark.parametrize(
    ("segmentation", "expected"),
    [("none", 200), ([], 200), ([TRIANGLE], 100), ([TRIANGLE] * 2, 200), (MASK, 10)],
)
def test_an_area_that_cannot_be_is_that_of_outline_or_box(area, segmentation, expected):
    item = object_with(area=area, segmentation=segmentation)
    assert normal_object(item, SIZE)["area"] == expected


@pytest.mark.parametrize("area", [99.5, 1, "120", 231])
def test_an_area_that_can_be_is_kept(area):
    item = object_with(area=area, segmentation=[TRIANGLE])
    assert normal_object(item, SIZE)["area"] == float(area)


def test_what_is_as_coco_says_keeps_its_values():
    item = object_with(area=100, segmentation=[TRIANGLE], attributes={"occluded": 1})
    assert json.dumps(normal_object(item, SIZE)) == json.dumps(item)


@pytest.mark.parametrize(
    "ids",
    [[0, 1, 2], [7, 7, 7], ["none"] * 3, [None, 1, 2], ["a", "b", "c"], [3, 1, 2]],
)
def test_annotations_of_any_ids_are_read_and_numbered(folder, ids):
    objects = [object_with(id=key, bbox=[n, 1, 9, 9]) for n, key in enumerate(ids)]
    found = convert_folder(folder, content_of(*objects))
    assert [item["id"] for item in found] == [1, 2, 3]
    assert sorted(item["bbox"][0] for item in found) == [0, 1, 2]
    ids = [item["id"] for item in CocoFile.read(folder / "coco.json").annotations]
    assert ids == [1, 2, 3]


@pytest.mark.parametrize("read", [CocoFile.read, None])
def test_an_id_of_two_categories_is_refused(folder, read):
    content = content_of(object_with())
    content["categories"][1]["id"] = 1
    if read is None:
        found = findings_of(check_folder(folder, content))
        assert found == [("broken-annotation", "two categories have the id 1")]
        return
    (folder / "coco.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match="two have the category id 1"):
        read(folder / "coco.json")


@pytest.mark.parametrize("ids", [(0, 1), (3, 90), (0, -2)])
def test_category_ids_may_start_at_0_and_have_gaps(folder, ids):
    content = content_of(*(object_with(category_id=key) for key in ids))
    for category, key in zip(content["categories"], ids, strict=True):
        category["id"] = key
    assert [item["category_id"] for item in convert_folder(folder, content)] == [1, 2]


@pytest.mark.parametrize("flag", [{"iscrowd": 1}, {"ignore": 1}, {"iscrowd": "1"}])
def test_what_is_not_learned_is_said_and_can_be_learned(folder, flag):
    content = content_of(object_with(), object_with(**flag))
    found = findings_of(check_folder(folder, content))
    assert found == [("crowd", "it is a crowd, as iscrowd, ignore or IsGroupOf says")]
    assert [one["iscrowd"] for one in convert_folder(folder, content)] == [0, 1]
    repaired = convert_folder(folder, content, crowd="repair")
    assert [one["iscrowd"] for one in repaired] == [0, 0]


@pytest.mark.parametrize("angle", [90, "90.0", -270, 450])
def test_a_box_that_is_turned_by_its_attributes_is_found(folder, angle):
    item = object_with(segmentation=[], attributes={"rotation": angle, "shade": 2})
    content = content_of(item)
    what = "its box 20x10 at 10,10 is turned by 90 degrees, by its attributes"
    assert findings_of(check_folder(folder, content)) == [("rotated-box", what)]
    (found,) = convert_folder(folder, content, rotated_box="repair")
    assert found["bbox"] == [15, 5, 10, 20]
    assert found["segmentation"] == [[25, 5, 25, 25, 15, 25, 15, 5]]
    assert found["area"] == 200 and found["attributes"]["shade"] == 2


@pytest.mark.parametrize(
    "item",
    [
        {"attributes": {"rotation": 0.0}},
        {"attributes": {"rotation": 360}},
        {"attributes": {"rotation": "left"}},
        {"attributes": ["rotation"]},
        {"attributes": {"rotation": 30}, "segmentation": [TRIANGLE]},
        {"attributes": {"rotation": 30}, "segmentation": MASK},
    ],
)
def test_what_is_not_turned_is_no_finding(folder, item):
    assert not findings_of(check_folder(folder, content_of(object_with(**item))))


def test_a_mask_of_another_size_than_the_image_is_found_without_its_claim(folder):
    turned = MASK | {"size": [64, 48]}
    content = content_of(object_with(segmentation=turned))
    del content["images"][0]["width"]
    what = "its mask has 48x64 pixels, its image 64x48"
    assert findings_of(check_folder(folder, content)) == [("invalid-object", what)]


def test_an_empty_mask_is_a_finding_that_keeps_the_box(folder):
    empty = {"counts": [64 * 48], "size": [48, 64]}
    content = content_of(object_with(segmentation=empty))
    found = findings_of(check_folder(folder, content))
    assert found == [("short-polygon", "its mask has no pixel")]
    (item,) = convert_folder(folder, content, short_polygon="repair")
    assert (item["segmentation"], item["bbox"], item["area"]) == ([], BOX, 200)


def test_a_box_below_a_pixel_is_said_to_be_left_out_by_training(folder):
    content = content_of(object_with(bbox=[3, 3, 0.5, 9]))
    ((check_name, what),) = findings_of(check_folder(folder, content))
    assert check_name == "tiny-box" and "training leaves out" in what


@pytest.mark.parametrize(
    "beside",
    [
        *("captions_", "person_keypoints_", "panoptic_", "stuff_", "labels_"),
        "image_info_",
    ],
)
def test_of_an_official_archive_the_instances_count(folder, beside):
    (folder / "annotations").mkdir()
    content = content_of(object_with(), images=2)
    for name in ("instances_", beside):
        path = folder / "annotations" / f"{name}train2017.json"
        path.write_text(json.dumps(content if name == "instances_" else {"images": []}))
    source = Source(folder / "annotations", folder / "images")
    checked = check(FORMATS["coco"], source, Rules())
    assert not findings_of(checked) and len(checked.images) == 2


def test_keypoints_alone_are_read(folder):
    path = folder / "person_keypoints_train2017.json"
    path.write_text(json.dumps(content_of(object_with())))
    checked = check(FORMATS["coco"], Source(folder, folder / "images"), Rules())
    assert len(checked.images[0].source.objects) == 1


@pytest.mark.parametrize(
    "name", ["https://x.example/a/my%20cat.jpg", "my%20cat.jpg", "my cat.jpg"]
)
def test_a_name_may_be_quoted_as_in_an_address(tmp_path, name):
    (tmp_path / "images").mkdir()
    make_picture(tmp_path / "images" / "my cat.jpg", 1)
    content = content_of(object_with())
    content["images"][0]["file_name"] = name
    assert not findings_of(check_folder(tmp_path, content))


def test_a_name_with_a_percent_sign_of_its_own_is_found(tmp_path):
    (tmp_path / "images").mkdir()
    for seed, name in enumerate(("my%20cat.jpg", "my cat.jpg")):
        make_picture(tmp_path / "images" / name, seed)
    content = content_of(object_with())
    content["images"][0]["file_name"] = "my%20cat.jpg"
    checked = check_folder(tmp_path, content, no_annotation="drop")
    assert [one.name for one in checked.images] == ["my%20cat.jpg"]


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({}, True),
        ({"area": 99.5}, True),
        ({"area": 64 * 48}, True),
        ({"area": "none"}, False),
        ({"area": 0}, False),
        ({"iscrowd": "none"}, False),
        ({"iscrowd": "0"}, False),
        ({"ignore": 1}, False),
        ({"bbox": ["10", 10, 20, 10]}, False),
        ({"segmentation": [[]]}, False),
        ({"id": 0}, False),
    ],
)
def test_it_is_known_what_others_read_in_another_way(tmp_path, change, same):
    item = object_with(area=200, segmentation=[TRIANGLE]) | change
    item = {k: v for k, v in item.items() if v != "none"}
    (tmp_path / "coco.json").write_text(json.dumps(content_of(item)))
    departure = CocoFile.read(tmp_path / "coco.json").departure
    assert departure == ("" if same else "annotation 1")


def test_a_flag_that_is_none_is_refused_in_words():
    with pytest.raises(Malformed, match="its iscrowd is 'perhaps', not 0 or 1"):
        normal_object(object_with(iscrowd="perhaps"), SIZE)
