"""CreateML: files as supervision, Roboflow, labelImg and Apple write them."""

import json

import pytest

from tests.dataset.reading import plain, read, read_all
from tests.dataset.voc_data import make_picture


@pytest.fixture
def folder(tmp_path):
    """Two images, a.jpg and b.jpg, of 64x48 pixels."""
    for seed, name in enumerate("ab"):
        make_picture(tmp_path / f"{name}.jpg", seed)
    return tmp_path


def box(label="cat", x=20.5, y=10.25, width=15, height=4.5) -> dict:
    sides = {"x": x, "y": y, "width": width, "height": height}
    return {"label": label, "coordinates": sides}


def write(folder, *entries, name="_annotations.createml.json") -> None:
    (folder / name).write_text(json.dumps(entries))


@pytest.mark.parametrize(
    ("image", "annotations"),
    [("image", "annotations"), ("imagefilename", "annotation")],
)
def test_boxes_lie_around_their_centres(folder, image, annotations):
    found = {image: "a.jpg", annotations: [box(), box("big dog", "32", 24, 64, 48)]}
    write(folder, found, {image: "b.jpg", "verified": False, annotations: []})
    found = read("createml", folder)
    assert plain(found["a.jpg"]) == [
        ("cat", (13.0, 8.0, 15.0, 4.5), ()),
        ("big dog", (0.0, 0.0, 64.0, 48.0), ()),
    ]
    assert found["b.jpg"] == ()


def test_each_split_finds_its_images(tmp_path):
    for seed, split in enumerate(("train", "valid")):
        (tmp_path / split).mkdir()
        make_picture(tmp_path / split / "0001_jpg.rf.5d2f.jpg", seed)
        entry = {"image": "0001_jpg.rf.5d2f.jpg", "annotations": [box(split)]}
        write(tmp_path / split, entry)
    for split in ("train", "valid"):
        (objects,) = read("createml", tmp_path / split).values()
        assert [one.label for one in objects] == [split]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (box(x=0.5, y=0.5, width=0.25, height=1), "fractions of the image"),
        (box(width="wide"), "width is 'wide', not a number"),
        (box(height=None), "height is None"),
        (box(label=["cat"]), "label is ['cat'], not text"),
        ({"label": "cat"}, "it has no coordinates"),
        ({"coordinates": box()["coordinates"]}, "it has no label"),
        (box() | {"coordinates": [1, 2, 3, 4]}, "not an object with keys"),
        ("cat", "it is 'cat', not an object with keys"),
    ],
)
def test_malformed_boxes_are_findings(folder, wrong, said):
    write(folder, {"image": "a.jpg", "annotations": [box(), wrong]})
    found, problems = read_all("createml", folder)
    assert len(found["a.jpg"]) == 1
    ((check, place, what),) = problems
    assert (check, place) == ("invalid-object", "a.jpg, object 2")
    assert said in what


@pytest.mark.parametrize(
    "wrong", [None, {}, {"image": "a.jpg"}, {"image": "a.jpg", "annotations": "cat"}]
)
def test_malformed_images_are_broken_with_their_place(folder, wrong):
    write(folder, wrong, {"image": "b.jpg", "annotations": []})
    found, problems = read_all("createml", folder)
    assert found == {"b.jpg": ()}
    assert [problem[:2] for problem in problems] == [("broken-annotation", "image 1")]


@pytest.mark.parametrize("other", [{"images": []}, [{"id": 1, "data": {}}], [1]])
def test_other_files_are_broken_annotations(folder, other):
    (folder / "other.json").write_text(json.dumps(other))
    found, problems = read_all("createml", folder)
    assert found == {}
    assert [check for check, _, _ in problems] == ["broken-annotation"]
