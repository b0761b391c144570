"""Formats and places, and what is said where nothing fits."""

import pytest

from mmdet_flow.errors import DataError, UsageError
from mmdet_flow.start.init.find import find
from tests.dataset.voc_data import make_picture, make_voc, voc_xml


def test_several_formats_are_named(tmp_path):
    make_voc(tmp_path)
    (tmp_path / "a.txt").write_text("0 0.5 0.5 0.2 0.2\n")
    with pytest.raises(
        UsageError, match=r"holds voc \(3 images\) and yolo \(1 images\); .* --format"
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
    with pytest.raises(
        DataError, match=r"1 images and 1 \.doc, but no object in adams"
    ):
        find(tmp_path, tmp_path)


def test_images_that_lie_elsewhere(tmp_path):
    root = make_voc(tmp_path)
    (root / "xml/d.jpg").write_bytes((root / "images/a.jpg").read_bytes())
    with pytest.raises(
        DataError,
        match=r"as voc: 3 missing-image, such as a\.xml: no image 'a\.jpg'; name",
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
