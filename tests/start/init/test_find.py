"""Formats and places, and what is said where nothing fits."""

import json

import pytest

from mmdet_flow.errors import DataError, UsageError
from mmdet_flow.start.init.find import find
from tests.dataset.voc_data import make_picture, make_voc, voc_xml


def test_several_formats_are_named(tmp_path):
    make_voc(tmp_path)
    (tmp_path / "a.txt").write_text("0 0.5 0.5 0.2 0.2\n")
    with pytest.raises(
        UsageError,
        match=r"holds voc \(3 images, 3 objects\) and yolo \(1 image, 1 object\); c",
    ):
        find(tmp_path, tmp_path)
    assert find(tmp_path, tmp_path, "voc").format == "voc"


def test_files_that_are_no_annotations_are_no_hindrance(tmp_path):
    root = make_voc(tmp_path)
    (root / "notes.txt").write_bytes(b"caf\xe9")
    (root / "table.csv").write_text("a,b\n1,2\n")
    (root / "other.json").write_text("{}")
    found = find(root, root)
    assert (found.format, len(found.images), found.problems) == ("voc", 3, [])
    assert (found.source.annotations, found.source.images) == (
        *(root / "xml", root / "images"),
    )


def test_nothing_fits(tmp_path):
    with pytest.raises(DataError, match="there is no such folder"):
        find(tmp_path / "nowhere", tmp_path)
    with pytest.raises(DataError, match="holds no images; name their folder with"):
        find(tmp_path, tmp_path)
    with pytest.raises(DataError, match=r"--labels .*: there is no such file"):
        find(tmp_path, tmp_path, labels=tmp_path / "names.txt")
    make_picture(tmp_path / "a.jpg", 1)
    (tmp_path / "a.doc").touch()
    with pytest.raises(DataError, match=r"1 image and 1 \.doc, but no object in adams"):
        find(tmp_path, tmp_path)


def test_images_that_lie_elsewhere(tmp_path):
    root = make_voc(tmp_path)
    (root / "xml/d.jpg").write_bytes((root / "images/a.jpg").read_bytes())
    with pytest.raises(
        DataError,
        match=r"as voc: 3 missing-image, such as a\.xml: no image 'a\.jpg'.*; name",
    ):
        find(root / "xml", root / "xml")
    found = find(root / "xml", root / "images")
    assert len(found.images) == 3


def test_what_is_wrong_with_a_format_that_was_named(tmp_path):
    make_picture(tmp_path / "a.jpg", 1)
    (tmp_path / "a.xml").write_text(voc_xml("a.jpg").replace("annotation", "else"))
    with pytest.raises(DataError, match="its root is <else>, not <annotation>"):
        find(tmp_path, tmp_path, "voc")


def test_class_names_of_yolo_are_found_where_they_are(tmp_path):
    for folder in ("data/images/train", "data/labels/train", "data/meta"):
        (tmp_path / folder).mkdir(parents=True)
    data = tmp_path / "data"
    for seed, stem in enumerate("ab"):
        make_picture(data / f"images/train/{stem}.jpg", seed)
        (data / f"labels/train/{stem}.txt").write_text("1 0.5 0.5 0.2 0.2\n")
    (data / "meta/classes.txt").write_text("cat\ndog\n")
    found = find(data, data)
    assert found.classes == {"dog": 2}
    assert found.source.labels == data / "meta/classes.txt"
    assert found.source.annotations == data / "labels/train"


def test_text_files_beside_yolo_are_no_annotations(tmp_path):
    for number, split in enumerate(("train", "valid")):
        for folder in ("images", "labels"):
            (tmp_path / split / folder).mkdir(parents=True)
        make_picture(tmp_path / split / "images" / f"{number}.jpg", number)
        (tmp_path / split / "labels" / f"{number}.txt").write_text("0 0.5 0.5 0.2 0.2")
    (tmp_path / "README.txt").write_text("how it was made")
    found = find(tmp_path, tmp_path)
    assert (len(found.images), found.problems) == (2, [])


def write_yolo(folder, stem, seed, line="0 0.5 0.5 0.2 0.2\n") -> None:
    """Write an image and its labels, as trees of Ultralytics and Roboflow have them."""
    for part in ("images", "labels"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    make_picture(folder / "images" / f"{stem}.jpg", seed)
    (folder / "labels" / f"{stem}.txt").write_text(line)


def test_the_reason_why_names_cannot_be_read_is_told(tmp_path):
    write_yolo(tmp_path, "a", 1)
    (tmp_path / "classes.txt").write_bytes(b"caf\xe9\n")
    with pytest.raises(DataError, match=r"as yolo: .*classes\.txt: is not UTF-8 at"):
        find(tmp_path, tmp_path)


@pytest.mark.parametrize(
    ("names", "line", "reason"),
    [
        ("{1: cat}", "0 0.5 0.5 0.2 0.2", "class 0 is not there: 1 class, "),
        ("[cat]", "0 0.5 0.5 0.2 0.2 0.4 0.4 2", "keypoints need kpt_shape"),
        ("[cat]", "0 32 24 10 10", "pixels have to be divided"),
    ],
)
def test_the_reason_why_no_line_can_be_read_is_told(tmp_path, names, line, reason):
    write_yolo(tmp_path, "a", 1, line)
    (tmp_path / "data.yaml").write_text(f"names: {names}\n")
    with pytest.raises(
        DataError, match=f"as yolo: 1 invalid-object, such as a.txt, line 1: .*{reason}"
    ):
        find(tmp_path, tmp_path)


def test_lists_of_names_that_differ_are_the_users_to_choose(tmp_path):
    write_yolo(tmp_path, "a", 1)
    (tmp_path / "data.yaml").write_text("names: [cat]\n")
    (tmp_path / "labels/classes.txt").write_text("dog\n")
    with pytest.raises(UsageError, match=r"name other classes; choose one with --labe"):
        find(tmp_path, tmp_path)
    assert find(tmp_path, tmp_path, labels=tmp_path / "data.yaml").classes == {"cat": 1}
    (tmp_path / "labels/classes.txt").write_text("cat\n")
    assert find(tmp_path, tmp_path).classes == {"cat": 1}


def test_a_part_that_cannot_be_used_is_not_left_aside_in_silence(tmp_path):
    for number in range(3):
        write_yolo(tmp_path / "train", str(number), number)
    write_yolo(tmp_path / "valid", "x", 7)
    (tmp_path / "valid/images/x.jpg").write_text("no image")
    found = find(tmp_path, tmp_path)
    assert found.source.annotations == tmp_path
    assert [one.check for one in found.problems] == ["unreadable-image"]


def test_broken_files_of_many_images_are_told(tmp_path):
    make_picture(tmp_path / "a.jpg", 1)
    content = {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 64, "height": 48}],
        "categories": [{"id": 1, "name": "cat"}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 5, 5], "area": 25}
        ],
    }
    (tmp_path / "train.json").write_text(json.dumps(content))
    (tmp_path / "val.json").write_text(json.dumps(content)[:-1])
    found = find(tmp_path, tmp_path)
    assert found.source.annotations == tmp_path / "train.json"
    (told,) = found.left_aside
    assert told.startswith("1 other file is left aside, such as val.json: not valid JS")


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.json", {"annotations": [{"segments_info": []}]}, "take the instances JSON"),
        ("a.json", [{"image_id": 1, "bbox": [1, 1, 2, 2], "score": 0.5}], "detections"),
        ("a.json", {"objects_": [], "classTitle": "cat"}, "Supervisely"),
        ("a.txt", "Car 0.00 0 -1.5 1 2 3 4 1 1 1 1 1 1 1\n", "KITTI"),
        ("P1.txt", "imagesource:x\n1 1 5 1 5 5 1 5 small-plane 0\n", "DOTA"),
        ("gt.txt", "1,1,5,5,9,9,1,-1,-1,-1\n", "MOT"),
        ("b.csv", "ImageID,Source,LabelName\n1,x,/m/1\n", "take the files of boxes"),
        ("b.csv", "filename,width,height,class,xmin\na,1,1,x,1\n", "read it as roi"),
        ("a.tfrecord", "x", "TFRecord"),
        (
            "annotations.xml",
            '<annotations><track id="0" label="cat"><box/></track></annotations>',
            "export the same task as CVAT for images 1.1",
        ),
        ("via.csv", "# Exported using VGG Image Annotator\n# NOTES\n", "VIA 3"),
    ],
)
def test_formats_that_are_known_and_not_read_are_named(tmp_path, name, content, told):
    make_picture(tmp_path / "a.jpg", 1)
    text = content if isinstance(content, str) else json.dumps(content)
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match="which is not read: ") as caught:
        find(tmp_path, tmp_path)
    assert told in str(caught.value) and f"{name} of" in str(caught.value)


def test_files_of_a_format_without_objects_are_nothing_to_be_told(tmp_path):
    task = tmp_path / ".lightly/predictions/task"
    for folder in (task / "part", tmp_path / "part"):
        folder.mkdir(parents=True)
    make_picture(tmp_path / "part/a.jpg", 1)
    categories = [{"id": 0, "name": "cat"}]
    one = {"category_id": 0, "bbox": [1, 1, 5, 5], "score": 0}
    for path, content in {
        "../tasks.json": ["task"],
        "schema.json": {"task_type": "object-detection", "categories": categories},
        "part/a.json": {"file_name": "part/a.jpg", "predictions": [one]},
    }.items():
        (task / path).write_text(json.dumps(content))
    found = find(tmp_path, tmp_path)
    assert (found.format, found.source.annotations) == ("lightly", task / "part/a.json")
    assert (found.classes, found.left_aside) == ({"cat": 1}, ())


def test_boxes_of_voc_and_outlines_of_labelme_in_one_folder_are_both_named(tmp_path):
    make_voc(tmp_path)
    make_picture(tmp_path / "x.jpg", 7)
    points = (
        "<pt><x>1</x><y>1</y></pt><pt><x>9</x><y>1</y></pt><pt><x>9</x><y>9</y></pt>"
    )
    shape = f"<object><name>cat</name><polygon>{points}</polygon></object>"
    (tmp_path / "x.xml").write_text(f"<annotation>{shape}</annotation>")
    with pytest.raises(
        UsageError, match=r"labelme-xml \(2 images, 1 object\) and voc \(3 im"
    ):
        find(tmp_path, tmp_path)


def test_formats_that_are_not_read_are_told_beside_one_that_is(tmp_path):
    root = make_voc(tmp_path)
    for name in ("x", "y"):
        (root / f"{name}.txt").write_text("Car 0.00 0 -1.5 1 2 3 4 1 1 1 1 1 1 1\n")
    assert "2 files of KITTI, which is not read" in find(root, root).left_aside[0]
