"""What is particular to each format, beyond what all of them share."""

import json

import pytest

from mmdet_flow.dataset.annotations import Source
from mmdet_flow.dataset.check import Checked, Rules, check
from mmdet_flow.dataset.coco import CocoFile
from mmdet_flow.dataset.findings import Policy
from mmdet_flow.dataset.image_index import ImageIndex
from mmdet_flow.dataset.readers import FORMATS
from mmdet_flow.errors import DataError
from mmdet_flow.formats.objects import PixelObject
from mmdet_flow.formats.roi_csv import to_roi_csv
from tests.dataset.voc_data import make_picture, voc_xml


@pytest.fixture
def folder(tmp_path):
    """Two images, a.jpg and b.jpg, of 64x48 pixels."""
    for seed, name in enumerate("ab"):
        make_picture(tmp_path / f"{name}.jpg", seed)
    return tmp_path


def read(format_name, folder, **options) -> Checked:
    rules = Rules(min_objects=0)
    return check(FORMATS[format_name], Source(folder, folder, **options), rules)


def objects_of(checked: Checked) -> dict[str, list[tuple]]:
    return {
        one.name: [(item.label, item.bbox) for item in one.source.objects]
        for one in checked.images
    }


def checks_of(checked: Checked) -> set[str]:
    return {finding.check for finding in checked.ledger.findings}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("labels.txt", "cat,dog"),
        ("classes.txt", "cat\ndog\n"),
        ("data.yaml", "names:\n  0: cat\n  1: dog\n"),
        ("data.yaml", "names: [cat, dog]\n"),
    ],
)
def test_yolo_names_its_classes_in_several_ways(folder, name, text):
    (folder / name).write_text(text)
    (folder / "a.txt").write_text("1 0.5 0.5 0.25 0.5\n\n")
    (folder / "b.txt").write_text("")
    found = objects_of(read("yolo", folder))
    assert found == {"a.jpg": [("dog", (24.0, 12.0, 16.0, 24.0))], "b.jpg": []}


def test_yolo_corners_at_an_angle_are_an_outline_with_its_box(folder):
    (folder / "a.txt").write_text("0 0.5 0.25 0.758789 0.5 0.5 0.75 0.25 0.5\n")
    (item,) = read("yolo", folder).images[0].source.objects
    assert item.polygons == ((32.0, 12.0, 48.5625, 24.0, 32.0, 36.0, 16.0, 24.0),)
    assert item.bbox == (16.0, 12.0, 32.5625, 24.0)


@pytest.mark.parametrize("shift", [0, 0.25])
def test_the_box_of_an_outline_follows_it_without_a_jump(folder, shift):
    columns, rows = [10 + shift, 20 + shift, 20 + shift], [5, 5, 15.5]
    shape = {"name": "polygon", "all_points_x": columns, "all_points_y": rows}
    region = {"shape_attributes": shape, "region_attributes": {"type": "cat"}}
    content = {"a": vgg_image("a.jpg", region)}
    (folder / "via.json").write_text(json.dumps(content))
    found = objects_of(read("vgg", folder))["a.jpg"]
    assert found == [("cat", (10 + shift, 5.0, 10.0, 10.5))]


def test_yolo_numbers_beyond_the_names_are_found(folder):
    (folder / "labels.txt").write_text("cat,dog")
    (folder / "a.txt").write_text("2 0.5 0.5 0.25 0.5\n0 0.5 0.5\n")
    checked = read("yolo", folder)
    whats = [item.what for item in checked.ledger.errors]
    assert "class 2 is not there: 2 classes" in whats[0]
    assert "2 numbers are neither a box nor a polygon" in whats[1]


def test_yolo_text_in_another_encoding_is_found(folder):
    (folder / "a.txt").write_text("0 0.5 0.5 0.25 0.5\n")
    (folder / "b.txt").write_bytes(b"caf\xe9")
    checked = read("yolo", folder)
    assert "broken-annotation" in checks_of(checked)
    assert list(objects_of(checked)) == ["a.jpg"]


def test_yolo_without_end_is_no_object(folder):
    (folder / "a.txt").write_text("0 inf 0.5 0.1 0.1\n0 nan 0.5 0.1 0.1\n")
    assert [item.check for item in read("yolo", folder).ledger.errors] == [
        *("invalid-object", "invalid-object")
    ]


def test_a_yolo_image_that_cannot_be_opened_is_one_finding(folder):
    for name in "ab":
        (folder / f"{name}.txt").write_text("0 0.5 0.5 0.25 0.5\n")
    (folder / "a.jpg").write_text("no image")
    checked = read("yolo", folder)
    assert checks_of(checked) == {"unreadable-image"}
    assert checked.ledger.images_read == 2
    assert checked.ledger.images_left_out == ["a.jpg"]


def test_yolo_names_mixed_up_are_refused(folder):
    (folder / "labels.txt").write_text("cat,dog\nbird")
    (folder / "a.txt").write_text("0 0.5 0.5 0.25 0.5\n")
    with pytest.raises(DataError, match="no list of class names"):
        read("yolo", folder)


def test_roi_csv_may_hold_several_images_and_comments(folder):
    (folder / "all-rois.csv").write_text(
        "# made by hand\nfile,x0,y0,x1,y1,label_str,poly_x,poly_y\n"
        'a.jpg,1,2,10,12,cat,"1,10,10","2,2,12"\nb.jpg,3,3,4,4,dog,,\n'
        "a.jpg,5,5,8,8,dog,,\n"
    )
    assert objects_of(read("roi", folder)) == {
        "a.jpg": [("cat", (1.0, 2.0, 10.0, 11.0)), ("dog", (5.0, 5.0, 4.0, 4.0))],
        "b.jpg": [("dog", (3.0, 3.0, 2.0, 2.0))],
    }


def test_roi_csv_of_images_that_begin_like_a_comment(folder):
    (folder / "a.jpg").rename(folder / "#a.jpg")
    (folder / "all-rois.csv").write_text(
        "#by hand, in May\n#\nfile,x0,y0,x1,y1,label_str\n#a.jpg,1,2,10,12,#1\n"
        "# the rest\nb.jpg,3,3,4,4,dog\n"
    )
    assert objects_of(read("roi", folder)) == {
        "#a.jpg": [("#1", (1.0, 2.0, 10.0, 11.0))],
        "b.jpg": [("dog", (3.0, 3.0, 2.0, 2.0))],
    }
    (folder / "all-rois.csv").write_text("file,x0,y0,x1,y1,label_str\n#a.jpg,1,2\n")
    assert "invalid-object" in checks_of(read("roi", folder))


def test_roi_csv_of_a_prediction_is_read_whatever_names_begin_with(folder):
    (folder / "a.jpg").rename(folder / "#a.jpg")
    square = [[1, 2], [10, 2], [10, 12], [1, 12]]
    found = PixelObject(0, "dog, red", 0.5, (1, 2, 10, 12), square, [], 100)
    (folder / "#a-rois.csv").write_text(to_roi_csv("#a.jpg", [found], 64, 48))
    read_again = objects_of(read("roi", folder))
    assert read_again == {"#a.jpg": [("dog, red", (1.0, 2.0, 10.0, 11.0))]}


def test_roi_csv_with_sizes_and_without_rows(folder):
    (folder / "a-rois.csv").write_text("file,x,y,w,h,label_str\na.jpg,1,2,10,12,cat\n")
    (folder / "b-rois.csv").write_text("file,x,y,w,h,label_str\n")
    found = objects_of(read("roi", folder))
    assert found == {"a.jpg": [("cat", (1.0, 2.0, 10.0, 12.0))], "b.jpg": []}
    (folder / "b-rois.csv").write_text("left,right\n1,2\n")
    assert "broken-annotation" in checks_of(read("roi", folder))


def vgg_image(name, *regions) -> dict:
    return {"filename": name, "size": 1, "regions": list(regions)}


def vgg_rect(x, y, width, height, **attributes) -> dict:
    shape = {"name": "rect", "x": x, "y": y, "width": width, "height": height}
    return {"shape_attributes": shape, "region_attributes": attributes}


def test_vgg_projects_and_their_own_attribute_names(folder):
    point = {"shape_attributes": {"name": "point"}, "region_attributes": {}}
    images = {
        "a": vgg_image("a.jpg", vgg_rect(1, 2, 3, 4, species="cat"), point),
        "b": vgg_image("b.jpg", vgg_rect(1, 2, 3, 4, type="dog", blurred="yes")),
        "c": vgg_image("c.jpg"),
    }
    (folder / "project.json").write_text(json.dumps({"_via_img_metadata": images}))
    checked = read("vgg", folder)
    assert objects_of(checked) == {
        "a.jpg": [("cat", (1.0, 2.0, 3.0, 4.0))],
        "b.jpg": [("dog", (1.0, 2.0, 3.0, 4.0))],
    }
    errors = {item.check: item.what for item in checked.ledger.errors}
    assert "its shape is point, which encloses nothing" in errors["invalid-object"]
    assert errors["missing-image"] == "no image 'c.jpg'"


def vgg_labels(folder, *values, options=None) -> list[str]:
    """Return the classes of regions with these values of the attribute species."""
    regions = [vgg_rect(1, 2, 3, 4, species=value) for value in values]
    project = {"_via_img_metadata": {"a": vgg_image("a.jpg", *regions)}}
    if options is not None:
        attributes = {"species": {"type": "dropdown", "options": options}}
        project["_via_attributes"] = {"region": attributes}
    (folder / "project.json").write_text(json.dumps(project))
    (image,) = FORMATS["vgg"].read(Source(folder, folder), ImageIndex(folder))
    return [item.label for item in image.objects]


def test_vgg_checkboxes_are_the_option_that_is_ticked(folder):
    one, none, two = {"cat": True, "dog": False}, {}, {"cat": True, "dog": True}
    assert vgg_labels(folder, one, none, two) == ["cat", "", ""]
    assert [item.check for item in read("vgg", folder).ledger.errors] == [
        *("unnamed-object", "unnamed-object")
    ]


def test_vgg_options_are_named_as_the_person_saw_them(folder):
    options = {"1": "cat", "2": "", "x": 7}
    assert vgg_labels(folder, "1", 1, "2", "x", "9", options=options) == [
        *("cat", "cat", "2", "x", "9")
    ]
    assert vgg_labels(folder, {"1": True}, options=options) == ["cat"]
    assert vgg_labels(folder, "1", options="none") == ["1"]


def test_adams_reports_with_other_prefixes_and_fields(folder):
    (folder / "a.report").write_text(
        "#Simple report format\nParent\\ ID=3\nImage.Width=64\n"
        "Cell.1.x=1\nCell.1.y=2\nCell.1.width=3\nCell.1.height=4\n"
        "Cell.1.type=caf\\u00e9\nCell.1.type\\tDataType=S\n"
        "Object.2.x=1\nObject.2.type=dog\n"
    )
    (folder / "b.report").write_text("#nothing\n")
    checked = read("adams", folder)
    assert objects_of(checked)["a.jpg"] == [("café", (1.0, 2.0, 3.0, 4.0))]
    assert [item.check for item in checked.ledger.errors] == ["invalid-object"]


def coco_of(*boxes, size=(64, 48)) -> dict:
    """Return COCO content with these boxes of cats in a.jpg."""
    width, height = size
    return {
        "images": [{"id": 1, "file_name": "a.jpg", "width": width, "height": height}],
        "categories": [{"id": 1, "name": "cat"}],
        "annotations": [
            {"id": number, "image_id": 1, "category_id": 1, "bbox": box}
            for number, box in enumerate(boxes, 1)
        ],
    }


def test_boxes_with_decimals_cross_an_edge_only_where_they_do(tmp_path):
    make_picture(tmp_path / "a.jpg", 1, size=(640, 480))
    inside = [473.07, 395.93, 38.65, 28.67]
    at_the_edge = [473.07, 395.93, 640 - 473.07, 480 - 395.93]
    content = coco_of(inside, at_the_edge, [-1.5, 0.1, 10.7, 0.2 + 3], size=(640, 480))
    (tmp_path / "a.json").write_text(json.dumps(content))
    rules = Rules(policy=Policy({"crosses-edge": "repair"}), min_objects=0)
    checked = check(FORMATS["coco"], Source(tmp_path, tmp_path), rules)
    assert [item.place for item in checked.ledger.findings] == ["a.jpg, object 3"]
    assert objects_of(checked)["a.jpg"] == [
        ("cat", tuple(inside)),
        ("cat", tuple(at_the_edge)),
        ("cat", (0.0, 0.1, 10.7 - 1.5, 0.2 + 3)),
    ]


@pytest.mark.parametrize("key", ["images", "categories"])
def test_coco_without_an_id_says_where(folder, key):
    content = coco_of([1, 1, 5, 5])
    del content[key][0]["id"]
    (folder / "instances.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match=f"instances.json: {key}: one has no id"):
        CocoFile.read(folder / "instances.json")
    whats = [item.what for item in read("coco", folder).ledger.errors]
    assert len(whats) == 1 and f"{key}: one has no id" in whats[0]


def test_coco_orphans_and_broken_entries_are_found(folder):
    def annotation(number, image, category=1, **others) -> dict:
        item = {"id": number, "image_id": image, "category_id": category}
        return item | {"bbox": [1, 1, 5, 5]} | others

    content = {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 64, "height": 48}],
        "categories": [{"id": 1, "name": "cat"}],
        "annotations": [
            annotation(1, 1),
            annotation(2, 99),
            annotation(3, 1, category=7),
            annotation(4, 1, bbox=[1, 2]),
            annotation(5, 1, segmentation=[[1, 2, 3]]),
            annotation(6, 1, segmentation={"rle": "x"}),
        ],
    }
    (folder / "instances.json").write_text(json.dumps(content))
    checked = read("coco", folder)
    assert objects_of(checked) == {"a.jpg": [("cat", (1.0, 1.0, 5.0, 5.0))]}
    assert [item.check for item in checked.ledger.errors] == ["invalid-object"] * 5
    assert len(checked.ledger.left_out) == 5
    assert "no-annotation" in checks_of(checked)


NAMED = {
    "adams": (
        "a.report",
        "Object.1.x=1\nObject.1.y=2\nObject.1.width=3\n"
        "Object.1.height=4\nObject.1.type=café\n",
    ),
    "coco": (
        "all.json",
        json.dumps(
            {
                "images": [{"id": 1, "file_name": "a.jpg"}],
                "categories": [{"id": 1, "name": "café"}],
                "annotations": [
                    {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}
                ],
            },
            ensure_ascii=False,
        ),
    ),
    "opex": (
        "a.json",
        json.dumps(
            {
                "objects": [
                    {
                        "label": "café",
                        "bbox": {"left": 1, "top": 2, "right": 3, "bottom": 5},
                        "polygon": {"points": []},
                    }
                ]
            },
            ensure_ascii=False,
        ),
    ),
    "roi": ("a-rois.csv", "file,x,y,w,h,label_str\na.jpg,1,2,3,4,café\n"),
    "vgg": (
        "via.json",
        json.dumps(
            {"a": vgg_image("a.jpg", vgg_rect(1, 2, 3, 4, type="café"))},
            ensure_ascii=False,
        ),
    ),
    "voc": ("a.xml", voc_xml("a.jpg", ("café", 1, 2, 3, 5))),
}
"""A file of each format with one object of a class that is not ASCII."""


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("name", NAMED)
def test_byte_order_marks_are_no_part_of_any_format(folder, name, encoding):
    file, content = NAMED[name]
    (folder / file).write_text(content, encoding=encoding)
    assert objects_of(read(name, folder)) == {"a.jpg": [("café", (1.0, 2.0, 3.0, 4.0))]}


@pytest.mark.parametrize("name", NAMED)
def test_another_encoding_is_a_finding_in_one_line(folder, name):
    file, content = NAMED[name]
    (folder / file).write_text(content, encoding="latin-1")
    found = [one for one in read(name, folder).ledger.errors]
    assert [one.check for one in found] == ["broken-annotation"]
    assert "is not UTF-8 at byte" in found[0].what and "\n" not in str(found[0])


@pytest.mark.parametrize(
    ("declared", "saved"),
    [
        *(("iso-8859-1", "latin-1"), ("windows-1252", "cp1252"), ("big5", "big5")),
        *(("shift_jis", "shift_jis"), ("utf-16", "utf-8"), ("utf-8", "utf-16")),
    ],
)
def test_xml_is_read_by_the_encoding_that_it_has(folder, declared, saved):
    name = "日本" if declared in ("big5", "shift_jis") else "café"
    head = f'<?xml version="1.0" encoding="{declared}"?>\n'
    text = head + voc_xml("a.jpg", (name, 1, 2, 3, 5))
    (folder / "a.xml").write_text(text, encoding=saved)
    assert objects_of(read("voc", folder)) == {"a.jpg": [(name, (1.0, 2.0, 3.0, 4.0))]}


def test_xml_of_an_encoding_that_nobody_knows_is_a_finding(folder):
    head = b'<?xml version="1.0" encoding="runes"?>'
    (folder / "a.xml").write_bytes(head + b"<annotation>\xff</annotation>")
    assert checks_of(read("voc", folder)) >= {"broken-annotation"}


def test_voc_without_folder_and_only_some_of_the_files(folder):
    text = voc_xml("a.jpg", ("cat", 1, 1, 9, 9))
    text = text.replace("<folder>JPEGImages</folder>", "")
    (folder / "a.xml").write_text(text)
    (folder / "a-old.xml").write_text(text)
    found = objects_of(read("voc", folder, pattern="?.xml"))
    assert found == {"a.jpg": [("cat", (1.0, 1.0, 9.0, 9.0))]}
