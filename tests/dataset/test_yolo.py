"""YOLO: names of classes, and which lines are read, refused, or of something else."""

import re

import pytest

from mmdet_flow.dataset.annotations import Source
from mmdet_flow.dataset.check import Checked, Rules, check
from mmdet_flow.dataset.readers import FORMATS
from mmdet_flow.errors import DataError
from tests.dataset.voc_data import make_picture

BOX = "0 0.5 0.5 0.25 0.5"
IN_PIXELS = (24.0, 12.0, 16.0, 24.0)


@pytest.fixture
def folder(tmp_path):
    make_picture(tmp_path / "a.jpg", 1)
    (tmp_path / "a.txt").write_text(BOX)
    return tmp_path


def read(folder) -> Checked:
    return check(FORMATS["yolo"], Source(folder, folder), Rules(min_objects=0))


def objects_of(checked: Checked) -> list[tuple]:
    return [
        (item.label, item.bbox) for one in checked.images for item in one.source.objects
    ]


def the_error_of(folder) -> str:
    (error,) = read(folder).ledger.errors
    assert error.check == "invalid-object"
    return error.what


@pytest.mark.parametrize(
    "written",
    [
        *("no", "yes", "on", "off", "null", "~", "007", "1e3", "0x10", "1_000"),
        *("12:30", "2024-01-01", "3.10", "apple, red", "a: b", "#1", "café"),
    ],
)
def test_names_in_yaml_are_what_a_person_reads(folder, written):
    plain = f"'{written}'" if set(written) & set(",:#") else written
    for text in (f"names:\n  0: {plain}\n", f"names:\n- {plain}\n"):
        (folder / "data.yaml").write_text(text, encoding="utf-8")
        assert objects_of(read(folder)) == [(written, IN_PIXELS)]


@pytest.mark.parametrize("mark", ["utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("labels.txt", "café,dog"),
        ("classes.txt", "café\r\ndog\r\n"),
        ("data.yml", "names: [café, dog]"),
        ("obj.names", "café\ndog"),
    ],
)
def test_byte_order_marks_are_no_part_of_names_and_lines(folder, mark, name, text):
    (folder / name).write_text(text, encoding=mark)
    (folder / "a.txt").write_text(BOX, encoding=mark)
    assert objects_of(read(folder)) == [("café", IN_PIXELS)]


def test_names_in_another_encoding_are_refused_in_one_line(folder):
    (folder / "classes.txt").write_bytes(b"cat\ncaf\xe9\n")
    with pytest.raises(
        DataError, match=r"classes\.txt: is not UTF-8 at byte 7; save it as UTF-8"
    ):
        read(folder)


@pytest.mark.parametrize("name", ["data.yml", "dataset.yml", "cells.yaml", "voc.names"])
def test_names_are_found_whatever_the_data_set_is_called(folder, name):
    (folder / "other.yaml").write_text("model: small\n")
    text = "cat\ndog\n" if name.endswith(".names") else "names: {0: cat, 1: dog}\n"
    (folder / name).write_text(text)
    assert objects_of(read(folder)) == [("cat", IN_PIXELS)]


def test_commas_are_part_of_names_where_each_has_its_line(folder):
    (folder / "classes.txt").write_text("apple, red\napple, green\n")
    assert objects_of(read(folder)) == [("apple, red", IN_PIXELS)]


def test_names_that_do_not_begin_with_0(folder):
    (folder / "data.yaml").write_text("names:\n  1: cat\n  3: dog\n")
    (folder / "a.txt").write_text(BOX.replace("0", "3", 1))
    assert objects_of(read(folder)) == [("dog", IN_PIXELS)]
    (folder / "a.txt").write_text(BOX)
    assert "class 0 is not there: 2 classes, from 1 to 3" in the_error_of(folder)


@pytest.mark.parametrize("names", ["{cat: 0}", "{0: {a: b}}", "[cat, '']", "cat"])
def test_what_is_no_list_of_names(folder, names):
    (folder / "data.yaml").write_text(f"names: {names}\n")
    with pytest.raises(DataError, match=r"data\.yaml: "):
        read(folder)


@pytest.mark.parametrize(
    "numbers",
    ["0.5 0.5 0.25 0.5 0.9", "0.375 0.25 0.625 0.25 0.625 0.75 0.375 0.75 0.9"],
)
def test_a_confidence_is_left_aside_and_told(folder, numbers):
    (folder / "a.txt").write_text(f"{BOX}\n\n0 {numbers}\n0 {numbers}\n")
    checked = read(folder)
    assert len(objects_of(checked)) == 3
    told = checked.ledger.findings[0]
    assert (told.check, told.action) == ("left-aside", "ignore")
    assert (told.file, told.place) == ("a.txt", "line 3, and 1 more")
    assert "a confidence" in told.what
    assert checked.ledger.errors == []


@pytest.mark.parametrize(
    ("shape", "keypoints"),
    [
        ("[2, 3]", "0.4 0.4 2 0.6 0.6 1"),
        ("[2, 3]", "0.4 0.4 0 0.6 0.6 1"),
        ("[3, 2]", "0.4 0.4 0.5 0.5 0.6 0.6"),
        ("[1, 3]", "0.4 0.4 2"),
        ("[2, 3]", "0.4 0.4 2 0.6 0.6 1 0.9"),  # and a confidence
    ],
)
def test_keypoints_are_no_outline(folder, shape, keypoints):
    (folder / "data.yaml").write_text(f"names: [cat]\nkpt_shape: {shape}\n")
    (folder / "a.txt").write_text(f"{BOX} {keypoints}\n")
    checked = read(folder)
    assert objects_of(checked) == [("cat", IN_PIXELS)]
    assert "it has keypoints" in [told.what for told in checked.ledger.findings]


def test_keypoints_are_known_beside_another_list_of_names(folder):
    (folder / "classes.txt").write_text("dog\n")
    (folder / "data.yaml").write_text("names: [cat]\nkpt_shape: [2, 2]\n")
    (folder / "a.txt").write_text(f"{BOX} 0.4 0.4 0.6 0.6\n")
    assert objects_of(read(folder)) == [("dog", IN_PIXELS)]


@pytest.mark.parametrize(
    ("numbers", "reason"),
    [
        ("0.5 0.5 0.25 0.5 0.4 0.4 2 0.6 0.6 2", "a number is 2, not a fraction"),
        ("0.5 0.5 0.25 0.5 0.4 0.4 2", "7 numbers are neither .* need kpt_shape"),
        ("32 24 16 24", "a number is 32, not a fraction .* pixels have to be divided"),
        ("0.5 0.5 0.25 0.5 7", "its last number is 7, not a confidence"),
        ("0.5 0.5 0.25", "3 numbers are neither a box nor a polygon"),
    ],
)
def test_lines_of_another_kind_are_refused_with_the_reason(folder, numbers, reason):
    (folder / "a.txt").write_text(f"\n0 {numbers}\n")
    (error,) = read(folder).ledger.errors
    assert error.place == "line 2"
    assert re.search(reason, error.what)


@pytest.mark.parametrize("number", ["0.0", "0.000000e+00"])
def test_class_numbers_as_numpy_writes_them(folder, number):
    (folder / "classes.txt").write_text("cat\n")
    (folder / "a.txt").write_text(BOX.replace("0", number, 1))
    assert objects_of(read(folder)) == [("cat", IN_PIXELS)]
    (folder / "a.txt").write_text(BOX.replace("0", "0.5", 1))
    assert "its class is 0.5, not a whole number" in the_error_of(folder)


def test_lines_that_do_not_fit_their_keypoints_are_refused(folder):
    (folder / "data.yaml").write_text("names: [cat]\nkpt_shape: [2, 3]\n")
    (folder / "a.txt").write_text(f"{BOX} 0.4 0.4 0.6 0.6\n")
    assert "neither a box nor one with 6 of keypoints" in the_error_of(folder)
    (folder / "data.yaml").write_text("names: [cat]\nkpt_shape: many\n")
    with pytest.raises(DataError, match=r"data\.yaml: kpt_shape is not two numbers"):
        read(folder)


def test_boxes_and_outlines_of_one_file_stand_for_themselves(folder):
    (folder / "a.txt").write_text(f"{BOX}\n0 0.25 0.25 0.5 0.25 0.5 0.75\n")
    box, outline = read(folder).images[0].source.objects
    assert box.bbox == IN_PIXELS
    assert outline.bbox[:2] == (16.0, 12.0)


def test_other_texts_are_no_annotations(folder):
    (folder / "train.txt").write_text("data/obj_train_data/a.jpg\n")
    (folder / "cat_train.txt").write_text("a -1\nb  1\n")
    (folder / "README.txt").write_text("Made in 2024.\n\n3 classes\n")
    checked = read(folder)
    assert [one.name for one in checked.images] == ["a.jpg"]
    assert checked.ledger.findings == []


@pytest.mark.parametrize("text", [BOX, "cat 0.5 0.5 0.25 0.5", "", "x\n0 0 0 1 1"])
def test_annotations_without_their_image_are_told(folder, text):
    (folder / "b.txt").write_text(text)
    assert "missing-image" in {one.check for one in read(folder).ledger.errors}
