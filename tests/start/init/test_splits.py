"""The division that data come with, by lists and by folders."""

import pytest

from mmdet_flow.dataset.annotations import AnnotatedImage
from mmdet_flow.start.init.splits import find_division


def images(folder, *names, annotation=None):
    """Return images, annotated beside them or in one file."""
    return [
        AnnotatedImage(
            annotation or (folder / name).with_suffix(".xml"), folder / name, None, ()
        )
        for name in names
    ]


def write_lists(folder, **lists):
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in lists.items():
        (folder / f"{name}.txt").write_text(text)


def test_lists_that_can_be_used_as_they_are(tmp_path):
    write_lists(tmp_path / "sets", train="a\nb\n", val="c\n\n", test="d.jpg\n")
    found = find_division(tmp_path, images(tmp_path, *(f"{x}.jpg" for x in "abcde")))
    assert found.names == {
        "train": ["a.jpg", "b.jpg"],
        "val": ["c.jpg"],
        "test": ["d.jpg"],
    }
    assert found.files == {
        split: tmp_path / f"sets/{split}.txt" for split in ("train", "val", "test")
    }


def test_lists_of_paths_are_written_anew(tmp_path):
    write_lists(tmp_path, train="data/a.jpg\n", valid="data/b.jpg\n", test="x/c.jpg\n")
    found = find_division(tmp_path, images(tmp_path, "a.jpg", "b.jpg", "c.jpg"))
    assert found.names == {"train": ["a.jpg"], "val": ["b.jpg"], "test": ["c.jpg"]}
    assert found.files == {}


def test_lists_name_images_as_they_will_be_called(tmp_path):
    write_lists(tmp_path, train="a.tif\n", val="b.jpg\n", test="c.webp\n")
    found = find_division(tmp_path, images(tmp_path, "a.tif", "b.jpg", "c.webp"))
    assert found.names == {"train": ["a.png"], "val": ["b.jpg"], "test": ["c.png"]}
    assert found.files == {}


@pytest.mark.parametrize(
    "lists",
    [
        {"train": "a\nb\n"},  # no other
        {"train": "a\nb\n", "test": "b\n"},  # an image in both
        {"train": "what we\ndid\nat first\n", "test": "c\n"},  # no names
        {"val": "a\n", "test": "b\n"},  # nothing to learn from
    ],
)
def test_what_is_no_division(tmp_path, lists):
    write_lists(tmp_path, **lists)
    assert find_division(tmp_path, images(tmp_path, "a.jpg", "b.jpg", "c.jpg")) is None


@pytest.mark.parametrize(
    "names",
    [
        ("train/a.jpg", "valid/b.jpg", "test/c.jpg"),
        ("images/train2017/a.jpg", "images/val2017/b.jpg", "images/test2017/c.jpg"),
    ],
)
def test_folders_that_are_called_like_splits(tmp_path, names):
    found = find_division(tmp_path, images(tmp_path, *names))
    assert found.names == {"train": ["a.jpg"], "val": ["b.jpg"], "test": ["c.jpg"]}


def test_images_that_lie_elsewhere(tmp_path):
    parts = images(tmp_path / "photos", "train/a.jpg", "train/c.jpg", "test/b.jpg")
    assert find_division(tmp_path / "xml", parts).names["test"] == ["b.jpg"]


def test_annotation_files_that_are_called_like_splits(tmp_path):
    parts = [
        *images(tmp_path, "a.jpg", annotation=tmp_path / "instances_train.json"),
        *images(tmp_path, "b.jpg", annotation=tmp_path / "instances_val.json"),
        *images(tmp_path, "c.jpg", annotation=tmp_path / "instances_test.json"),
    ]
    assert find_division(tmp_path, parts).names["val"] == ["b.jpg"]


def test_images_of_trains_are_no_training_images(tmp_path):
    assert find_division(tmp_path, images(tmp_path, "train/a.jpg", "bus/b.jpg")) is None


def test_a_missing_split_is_taken_from_the_training_images(tmp_path):
    names = [f"train/{number:02d}.jpg" for number in range(14)]
    by_test = find_division(tmp_path, images(tmp_path, *names, "test/x.jpg")).names
    assert by_test["test"] == ["x.jpg"] and by_test["val"] == ["00.jpg", "07.jpg"]
    assert len(by_test["train"]) == 12 and not {*by_test["train"]} & {*by_test["val"]}
    by_val = find_division(tmp_path, images(tmp_path, *names, "val/x.jpg")).names
    assert by_val == by_test


def test_the_only_training_image_is_not_taken_for_validation(tmp_path):
    assert find_division(tmp_path, images(tmp_path, "train/a.jpg", "val/b.jpg")) is None


def test_names_that_repeat_cannot_be_listed(tmp_path):
    assert find_division(tmp_path, images(tmp_path, "train/a.jpg", "val/a.jpg")) is None
