import json
import shutil

import cv2
import numpy as np
import pytest

from mmdet_flow.dataset.coco import CocoFile
from mmdet_flow.dataset.convert import convert
from mmdet_flow.errors import DataError
from tests.conftest import run_command, the_error


def voc_xml(filename, *objects, folder="JPEGImages", size=(64, 48)) -> str:
    """Return a VOC annotation; each object is (name, xmin, ymin, xmax, ymax)."""
    boxes = "".join(
        f"<object><name>{name}</name><bndbox><xmin>{left}</xmin><ymin>{top}</ymin>"
        f"<xmax>{right}</xmax><ymax>{bottom}</ymax></bndbox></object>"
        for name, left, top, right, bottom in objects
    )
    return (
        f"<annotation><folder>{folder}</folder><filename>{filename}</filename>"
        f"<size><width>{size[0]}</width><height>{size[1]}</height><depth>3</depth></size>"
        f"{boxes}</annotation>"
    )


@pytest.fixture
def voc(tmp_path):
    """Three pictures: two with cats and dogs, one without objects."""
    for folder in ("xml", "images"):
        (tmp_path / folder).mkdir()
    rng = np.random.default_rng(0)
    objects = {
        "a": [("dog", 1, 1, 20, 20), ("cat", 5, 5, 30, 40)],
        "b [1]": [("cat", 10, 10, 10, 10)],
        "c": [],
    }
    for stem, boxes in objects.items():
        picture = rng.integers(0, 255, (48, 64, 3), np.uint8)
        cv2.imwrite(str(tmp_path / "images" / f"{stem}.jpg"), picture)
        (tmp_path / "xml" / f"{stem}.xml").write_text(voc_xml(f"{stem}.jpg", *boxes))
    return tmp_path


def convert_voc(root, classes=None) -> CocoFile:
    convert("voc", root / "xml", root / "images", root / "out", classes)
    return CocoFile.read(root / "out" / "annotations.json")


def test_voc_becomes_coco_with_nothing_lost(voc):
    coco = convert_voc(voc, ["dog", "cat"])
    assert coco.classes == ["dog", "cat"]
    assert [image["file_name"] for image in coco.images] == [
        "a.jpg",
        "b [1].jpg",
        "c.jpg",
    ]
    assert [item["bbox"] for item in coco.annotations] == [
        [1, 1, 20, 20],
        [5, 5, 26, 36],
        [10, 10, 1, 1],
    ]
    assert [item["category_id"] for item in coco.annotations] == [1, 2, 2]
    for image in coco.images:
        copied = voc / "out" / "images" / image["file_name"]
        original = voc / "images" / image["file_name"]
        assert copied.read_bytes() == original.read_bytes()


def test_pictures_are_found_whatever_the_folder_says(voc):
    for folder in ("RBC", "", "../elsewhere", "/absolute"):
        xml = voc_xml("a.jpg", ("dog", 1, 1, 9, 9), ("cat", 2, 2, 9, 9), folder=folder)
        (voc / "xml" / "a.xml").write_text(xml)
        assert len(convert_voc(voc).annotations) == 3


def test_polygons_of_opex_arrive_exactly(dataset):
    coco = dataset.coco
    names = {image["id"]: image["file_name"] for image in coco.images}
    for path in dataset.source.glob("*.json"):
        expected = [
            [value for point in item["polygon"]["points"] for value in point]
            for item in json.loads(path.read_text())["objects"]
        ]
        found = [
            item["segmentation"][0]
            for item in coco.annotations
            if names[item["image_id"]] == path.with_suffix(".jpg").name
        ]
        assert found == expected


def test_same_input_same_bytes_and_no_rewrite(voc):
    convert_voc(voc)
    written = voc / "out" / "annotations.json"
    before = written.stat().st_mtime_ns
    content = written.read_bytes()
    convert_voc(voc)
    assert written.stat().st_mtime_ns == before
    shutil.rmtree(voc / "out")
    convert_voc(voc)
    assert written.read_bytes() == content
    assert str(voc).encode() not in content


def test_a_removed_picture_leaves_the_output(voc):
    convert_voc(voc)
    for path in (voc / "xml" / "c.xml", voc / "images" / "c.jpg"):
        path.unlink()
    convert_voc(voc)
    linked = {path.name for path in (voc / "out" / "images").iterdir()}
    assert linked == {"a.jpg", "b [1].jpg"}


def truncate(path):
    path.write_bytes(path.read_bytes()[:-500])


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (lambda d: (d / "images/a.jpg").unlink(), "no picture a.jpg"),
        (lambda d: truncate(d / "images/a.jpg"), "a.jpg: cannot be decoded"),
        (lambda d: (d / "images/a.jpg").write_bytes(b""), "a.jpg: cannot be decoded"),
        (lambda d: (d / "xml/a.xml").write_text("<annotation>"), "broken XML"),
        (
            lambda d: (d / "xml/a.xml").write_text(
                voc_xml("a.jpg", ("cat", 9, 1, 3, 9))
            ),
            "a.xml, object 1: its box is inverted",
        ),
        (
            lambda d: (d / "xml/a.xml").write_text(
                voc_xml("a.jpg", ("cat", 70, 1, 80, 9))
            ),
            "lies outside the 64x48 pixels",
        ),
        (
            lambda d: (d / "xml/a.xml").write_text(
                voc_xml("a.jpg", ("cat", 1.5, 1, 8, 9))
            ),
            "xmin is '1.5', not a whole number",
        ),
        (
            lambda d: (d / "xml/a.xml").write_text(voc_xml("a.jpg", ("", 1, 1, 8, 9))),
            "has no class name",
        ),
        (
            lambda d: (d / "xml/a.xml").write_text(voc_xml("a.jpg", size=(48, 64))),
            "says 48x64 but a.jpg has 64x48",
        ),
        (
            lambda d: shutil.copy(d / "xml/a.xml", d / "xml/second.xml"),
            "annotates a.jpg too",
        ),
        (
            lambda d: shutil.copytree(d / "images", d / "images/sub"),
            "give each picture a name of its own",
        ),
    ],
)
def test_what_would_be_lost_is_refused(voc, spoil, expected):
    spoil(voc)
    with pytest.raises(DataError, match=expected.replace("(", r"\(")):
        convert_voc(voc)
    assert not (voc / "out").exists()


def test_unknown_class_names_the_nearest(voc):
    run = run_command(
        *("mmdet_convert", "--format=voc", f"--annotations={voc / 'xml'}"),
        *(f"--images={voc / 'images'}", f"--output={voc / 'out'}"),
        *("--classes", "dog", "Cat"),
    )
    assert run.returncode == 3
    assert "did you mean Cat" in the_error(run)


def test_missing_folder(tmp_path):
    with pytest.raises(DataError, match="nowhere: there is no such folder"):
        convert("voc", tmp_path / "nowhere", tmp_path, tmp_path / "out")


def test_unlabelled_pictures_are_reported(voc):
    (voc / "xml" / "c.xml").unlink()
    convert_voc(voc)
    report = json.loads((voc / "out" / "report.json").read_text())
    what = [(item["file"], item["severity"]) for item in report["findings"]]
    assert ("c.jpg", "warning") in what
    assert report["objects_by_class"] == {"cat": 2, "dog": 1}
