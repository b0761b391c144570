"""The splits that data come with: by data.yaml, by lists, and by folders."""

from dataclasses import replace
from pathlib import Path

import pytest

from mmdet_flow.dataset.annotations import AnnotatedImage
from mmdet_flow.dataset.image_index import ImageIndex
from mmdet_flow.start.init.splits import Splits, find_splits

YOLO = "train: ../train/images\nval: ../valid/images\ntest: ../test/images\n"


def images(folder: Path, *names, annotation=None) -> list[AnnotatedImage]:
    """Make images, annotated beside them or in one file; an index looks at no pixel."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return [
        AnnotatedImage(
            annotation or (folder / name).with_suffix(".xml"), folder / name, None, ()
        )
        for name in names
    ]


def write_lists(folder: Path, **lists) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in lists.items():
        (folder / f"{name}.txt").write_text(text)


def find(folder: Path, annotated, photos=None) -> tuple[Splits | None, str]:
    """Return the splits, and all that is told of them."""
    splits, notes = find_splits(folder, annotated, ImageIndex(photos or folder))
    return splits, "\n".join(notes)


def names_of(folder: Path, annotated, photos=None) -> dict | None:
    splits, _ = find(folder, annotated, photos)
    return splits and dict(splits.names)


def test_lists_that_can_be_used_as_they_are(tmp_path):
    write_lists(tmp_path / "sets", train="a\nb\n", val="c\n\n", test="d.jpg\n")
    annotated = images(tmp_path, *(f"{x}.jpg" for x in "abcde"))
    found, notes = find(tmp_path, annotated)
    assert found.names == {
        "train": ["a.jpg", "b.jpg"],
        "val": ["c.jpg"],
        "test": ["d.jpg"],
    }
    assert found.files == {
        split: tmp_path / f"sets/{split}.txt" for split in ("train", "val", "test")
    }
    assert notes == "1 annotated image in no split: not used"


def test_lists_of_paths_are_written_anew(tmp_path):
    write_lists(tmp_path, train="data/a.jpg\n", valid="data/b.jpg\n", test="x/c.jpg\n")
    found, _ = find(tmp_path, images(tmp_path, "a.jpg", "b.jpg", "c.jpg"))
    assert found.names == {"train": ["a.jpg"], "val": ["b.jpg"], "test": ["c.jpg"]}
    assert found.files == {}


def test_lists_name_images_as_they_will_be_called(tmp_path):
    write_lists(tmp_path, train="a.tif\n", val="b.jpg\n", test="c.webp\n")
    found, _ = find(tmp_path, images(tmp_path, "a.tif", "b.jpg", "c.webp"))
    assert found.names == {"train": ["a.png"], "val": ["b.jpg"], "test": ["c.png"]}
    assert found.files == {}


@pytest.mark.parametrize("name", ["a.v1", "photo_1_jpg.rf.0123456789abcdef", "x.y.png"])
def test_dots_are_part_of_names(tmp_path, name):
    write_lists(tmp_path, train=f"{name}\n", val="b.jpg\n", test="c\n")
    found = names_of(tmp_path, images(tmp_path, f"{name}.jpg", "b.jpg", "c.jpg"))
    assert found["train"] == [f"{name}.jpg"]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_lists_with_a_byte_order_mark(tmp_path, encoding):
    for split, name in (("train", "é"), ("val", "b"), ("test", "c")):
        (tmp_path / f"{split}.txt").write_text(f"{name}\r\n", encoding=encoding)
    found = names_of(tmp_path, images(tmp_path, "é.jpg", "b.jpg", "c.jpg"))
    assert found["train"] == ["é.jpg"]


def test_lists_of_one_class_do_not_hide_those_of_all(tmp_path):
    sets = tmp_path / "ImageSets/Main"
    write_lists(sets, train="a\nb\n", val="c\n", test="d\n")
    write_lists(sets, tv_train="a -1\nb  1\n", tv_val="c  0\n", tv_test="d -1\n")
    write_lists(tmp_path / "ImageSets/Layout", train="a 1\n", val="c\n", test="d\n")
    annotated = images(tmp_path, *(f"{x}.jpg" for x in "abcd"))
    found, notes = find(tmp_path, annotated)
    assert found.how == f"the lists in {sets}"
    assert found.sizes == "train 2, val 1, test 1"
    assert "Layout: train 1, val 1, test 1; left aside" in notes and "tv" not in notes


def test_lists_of_one_class_alone_are_read(tmp_path):
    write_lists(tmp_path, tv_train="a -1\nb  1\n", tv_val="c  0\n", tv_test="d -1\n")
    found, _ = find(tmp_path, images(tmp_path, *(f"{x}.jpg" for x in "abcd")))
    assert found.sizes == "train 2, val 1, test 1" and found.files == {}


def test_listed_images_without_annotation_are_without_objects(tmp_path):
    write_lists(tmp_path, train="a\nempty\n", val="b\n", test="c\n")
    annotated = images(tmp_path, "a.jpg", "b.jpg", "c.jpg")
    images(tmp_path, "empty.jpg", "unlisted.jpg")
    found, notes = find(tmp_path, annotated)
    assert found.names["train"] == ["a.jpg", "empty.jpg"] and found.empty == 1
    assert found.files["train"] == tmp_path / "train.txt"
    assert "1 image of the splits without an annotation: taken as images" in notes


def test_listed_images_of_broken_annotations_are_not_without_objects(tmp_path):
    """The check leaves them out for that, whatever is done about the others."""
    write_lists(tmp_path, train="a\nempty\nlost\n", val="b\n", test="c\n")
    annotated = images(tmp_path, "a.jpg", "b.jpg", "c.jpg")
    images(tmp_path, "empty.jpg", "lost.jpg")
    lost = {tmp_path / "lost.jpg"}
    found, notes = find_splits(tmp_path, annotated, ImageIndex(tmp_path), lost)
    assert found.empty == 1 and "lost.jpg" in found.names["train"]
    assert notes == [
        "1 image of the splits without an annotation: taken as images without objects"
    ]


def test_what_is_not_annotated_yet_is_not_without_objects(tmp_path):
    write_lists(tmp_path, train="a\nx\ny\nz\nv\n", val="b\n", test="c\n")
    annotated = images(tmp_path, "a.jpg", "b.jpg", "c.jpg")
    images(tmp_path, *(f"{name}.jpg" for name in "xyzv"))
    found, notes = find(tmp_path, annotated)
    assert found.names["train"] == ["a.jpg"] and found.empty == 0
    assert found.files == {}
    assert "4 images of the splits without an annotation, more than have one" in notes


def test_a_split_without_annotations_tests_nothing(tmp_path):
    annotated = images(tmp_path, *(f"train/{n}.jpg" for n in range(7)), "val/x.jpg")
    images(tmp_path, "test/y.jpg", "test/z.jpg")
    (tmp_path / "data.yaml").write_text("train: train\nval: val\ntest: test\n")
    found, notes = find(tmp_path, annotated)
    assert found.names["test"] == ["x.jpg"]
    assert "no annotation for the 2 images of test" in notes


def test_lists_that_name_what_is_not_there_say_so(tmp_path):
    write_lists(tmp_path, train="a\nb\ngone\n", val="c\n", test="d\n")
    annotated = images(tmp_path, *(f"{x}.jpg" for x in "abcd"))
    found, notes = find(tmp_path, annotated)
    assert found.sizes == "train 2, val 1, test 1" and found.files == {}
    assert "names 1 that are not there, such as gone" in notes
    write_lists(tmp_path, train="1\n2\n3\n", val="4\n", test="5\n")
    found, notes = find(tmp_path, annotated)
    assert found is None
    assert "5 of 5 names are not there, such as " in notes and "not used" in notes


@pytest.mark.parametrize(
    ("lists", "reason"),
    [
        ({"train": "a\nb\n"}, "train is the only split"),
        ({"train": "a\nb\n", "test": "b\n"}, "1 image in two of train, test"),
        ({"train": "what we\ndid\nat first\n", "test": "c\n"}, "3 of 4 names are not"),
        ({"val": "a\n", "test": "b\n"}, "there is nothing to train with"),
        ({"train": "a\n", "test": "b\n"}, "a single image cannot train and validate"),
        ({"training": "how to train\n"}, ""),
    ],
)
def test_what_is_no_set_of_splits(tmp_path, lists, reason):
    write_lists(tmp_path, **lists)
    found, notes = find(tmp_path, images(tmp_path, "a.jpg", "b.jpg", "c.jpg"))
    assert found is None and reason in notes
    assert bool(notes) == bool(reason)


@pytest.mark.parametrize(
    "text",
    [
        YOLO,
        "path: .\ntrain: train/images\nval: [valid/images]\ntest: test\n",
        "path: /content/animals\ntrain: train/images\nval: valid/images\ntest: test\n",
        "path: ../datasets/animals\ntrain: train/images\nval: valid\ntest: test/images",
        "train: train.txt\nval: valid\ntest: ./test/images/\n",
    ],
)
def test_folders_and_lists_of_data_yaml(tmp_path, text):
    names = "train/images/1.jpg", "train/images/2.jpg", "valid/images/3.jpg"
    annotated = images(tmp_path, *names, "test/images/4.jpg")
    write_lists(tmp_path, train="./train/images/1.jpg\ntrain/images/2.jpg\n")
    (tmp_path / "data.yaml").write_text(text)
    found, notes = find(tmp_path, annotated)
    assert found.how == str(tmp_path / "data.yaml")
    assert found.sizes == "train 2, val 1, test 1"
    assert "train is the only split" in notes  # the list


def test_data_yaml_that_names_what_is_not_there(tmp_path):
    annotated = images(tmp_path, *(f"train/images/{n}.jpg" for n in range(7)))
    annotated += images(tmp_path, "valid/images/x.jpg")
    (tmp_path / "data.yaml").write_text(YOLO)
    found, notes = find(tmp_path, annotated)
    assert found.how.endswith("data.yaml (train 7, val 1)")
    assert found.names["test"] == ["x.jpg"]
    assert "names 1 that are not there, such as test: ../test/images" in notes


def test_a_test_split_that_is_the_validation_split_is_none(tmp_path):
    annotated = images(tmp_path, *(f"a/{n}.jpg" for n in range(7)), "b/x.jpg")
    (tmp_path / "data.yml").write_text("train: a\nval: b\ntest: b\n")
    found, notes = find(tmp_path, annotated)
    assert found.sizes == "train 7, val 1, test 1" and "no test split" in notes


def test_the_lists_that_darknet_names(tmp_path):
    (tmp_path / "obj.data").write_text(
        "classes = 1\ntrain = data/first.txt\nvalid = data/second.txt\n"
        "names = data/obj.names\n"
    )
    write_lists(tmp_path, first="data/a.jpg\ndata/b.jpg\n", second="data/c.jpg\n")
    found, _ = find(tmp_path, images(tmp_path, "a.jpg", "b.jpg", "c.jpg"))
    assert found.names["test"] == ["c.jpg"]


@pytest.mark.parametrize(
    "names",
    [
        ("train/a.jpg", "valid/b.jpg", "test/c.jpg"),
        ("images/train2017/a.jpg", "images/val2017/b.jpg", "images/test2017/c.jpg"),
    ],
)
def test_folders_that_are_called_like_splits(tmp_path, names):
    found = names_of(tmp_path, images(tmp_path, *names))
    assert found == {"train": ["a.jpg"], "val": ["b.jpg"], "test": ["c.jpg"]}


def test_images_that_lie_elsewhere(tmp_path):
    parts = images(tmp_path / "photos", "train/a.jpg", "train/c.jpg", "test/b.jpg")
    found = names_of(tmp_path / "xml", parts, tmp_path / "photos")
    assert found["test"] == ["b.jpg"]


def test_annotation_files_that_are_called_like_splits(tmp_path):
    parts = [
        *images(tmp_path, "a.jpg", annotation=tmp_path / "instances_train.json"),
        *images(tmp_path, "b.jpg", annotation=tmp_path / "instances_val.json"),
        *images(tmp_path, "c.jpg", annotation=tmp_path / "instances_test.json"),
    ]
    assert names_of(tmp_path, parts)["val"] == ["b.jpg"]


def test_images_of_trains_are_no_training_images(tmp_path):
    assert names_of(tmp_path, images(tmp_path, "train/a.jpg", "bus/b.jpg")) is None


def test_images_beside_the_folders_of_splits_are_told(tmp_path):
    names = "train/a.jpg", "valid/b.jpg", "test/c.jpg", "more/d.jpg"
    found, notes = find(tmp_path, images(tmp_path, *names))
    assert found.sizes == "train 1, val 1, test 1"
    assert notes == "1 annotated image in no split: not used"


def test_a_missing_split_is_taken_from_the_training_images(tmp_path):
    names = [f"train/{number:02d}.jpg" for number in range(14)]
    by_test = names_of(tmp_path / "a", images(tmp_path / "a", *names, "test/x.jpg"))
    assert by_test["test"] == ["x.jpg"] and by_test["val"] == ["00.jpg", "07.jpg"]
    assert len(by_test["train"]) == 12 and not {*by_test["train"]} & {*by_test["val"]}


def test_the_splits_of_the_data_stay_whole_without_a_test_split(tmp_path):
    names = [f"train/{number:02d}.jpg" for number in range(14)]
    found, notes = find(tmp_path, images(tmp_path, *names, "val/x.jpg"))
    assert found.how.endswith("(train 14, val 1)")
    assert found.names["train"] == [Path(name).name for name in names]
    assert found.names["val"] == found.names["test"] == ["x.jpg"]
    assert "there is no test split: val is the test, too" in notes


def test_two_lists_are_used_as_they_are(tmp_path):
    write_lists(tmp_path, train="a\nb\n", val="c\n")
    found, _ = find(tmp_path, images(tmp_path, "a.jpg", "b.jpg", "c.jpg"))
    val = tmp_path / "val.txt"
    assert found.files == {"train": tmp_path / "train.txt", "val": val, "test": val}


def test_the_only_training_image_is_not_taken_for_validation(tmp_path):
    assert names_of(tmp_path, images(tmp_path, "train/a.jpg", "test/b.jpg")) is None


@pytest.mark.parametrize("deeper", ["", "/images"])
def test_pictures_that_are_numbered_anew_in_each_split(tmp_path, deeper):
    splits = {"train": 3, "valid": 2, "test": 1}
    annotated = images(
        tmp_path,
        *(
            f"{split}{deeper}/{number}.jpg"
            for split, count in splits.items()
            for number in range(count)
        ),
    )
    found, _ = find(tmp_path, annotated)
    assert found.sizes == "train 3, val 2, test 1"
    names = [name for one in found.names.values() for name in one]
    assert len({Path(name).stem for name in names}) == 6
    # Lists of paths tell them apart, too.
    write_lists(
        tmp_path,
        **{
            split: "".join(f"{split}{deeper}/{n}.jpg\n" for n in range(count))
            for split, count in splits.items()
        },
    )
    assert find(tmp_path, annotated)[0].names == found.names


def test_subsets_that_annotations_state_are_splits(tmp_path):
    annotated = images(
        tmp_path, *(f"{x}.jpg" for x in "abcd"), annotation=Path("a.xml")
    )
    subsets = ("Train", "Train", "Validation", "test")
    stated = [
        replace(one, subset=name) for one, name in zip(annotated, subsets, strict=True)
    ]
    assert names_of(tmp_path, stated) == {
        "train": ["a.jpg", "b.jpg"],
        "val": ["c.jpg"],
        "test": ["d.jpg"],
    }
