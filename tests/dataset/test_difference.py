"""What differs between two data sets, object by object."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from mmdet_flow.dataset.annotations import AnnotatedImage, AnnotatedObject, Source
from mmdet_flow.dataset.convert import convert
from mmdet_flow.dataset.difference import (
    ADDED,
    MOVED,
    RELABELLED,
    REMOVED,
    RESHAPED,
    UNCHANGED,
    changes_of,
    difference,
    report_of,
    summary,
)
from mmdet_flow.dataset.labelled import LabelledImage, read_converted
from mmdet_flow.errors import DataError
from mmdet_flow.files import sha256_of
from tests.conftest import command_of, run_command, the_error
from tests.dataset.voc_data import make_picture
from tests.dataset.writers import WRITERS

SQUARE = (10.0, 10.0, 30.0, 10.0, 30.0, 30.0, 10.0, 30.0)


def a(label: str, *bbox: float, polygons=()) -> AnnotatedObject:
    return AnnotatedObject(label, bbox, polygons=polygons)


def image(*objects: AnnotatedObject, name: str = "a.png", **values) -> LabelledImage:
    return LabelledImage(name, Path(name), name, (64, 48), objects, **values)


BOX = a("cat", 10, 10, 20, 20)
OUTLINE = a("cat", 10, 10, 20, 20, polygons=((10, 10, 30, 10, 20, 30),))

CASES = {
    "the same": ([BOX], [BOX], [(UNCHANGED,)]),
    "rounded by a tool": ([BOX], [a("cat", 10.4, 9.6, 20, 20)], [(UNCHANGED,)]),
    "moved": ([BOX], [a("cat", 13, 10, 20, 20)], [(MOVED,)]),
    "reshaped": ([BOX], [a("cat", 10, 10, 20, 25)], [(RESHAPED,)]),
    "relabelled": ([BOX], [a("dog", 10, 10, 20, 20)], [(RELABELLED,)]),
    "both": ([BOX], [a("dog", 13, 10, 20, 20)], [(MOVED, RELABELLED)]),
    "too far": ([BOX], [a("cat", 28, 28, 20, 20)], [(REMOVED,), (ADDED,)]),
    "added": ([], [BOX], [(ADDED,)]),
    "removed": ([BOX], [], [(REMOVED,)]),
    "nothing": ([], [], []),
    "an outline begins elsewhere, and goes round the other way": (
        [OUTLINE],
        [replace(OUTLINE, polygons=((20, 30, 30, 10, 10, 10),))],
        [(UNCHANGED,)],
    ),
    "a point of an outline moved": (
        [OUTLINE],
        [replace(OUTLINE, polygons=((10, 10, 30, 10, 25, 30),))],
        [(RESHAPED,)],
    ),
    "an outline moved": (
        [OUTLINE],
        [a("cat", 12, 10, 20, 20, polygons=((12, 10, 32, 10, 22, 30),))],
        [(MOVED,)],
    ),
    "a part is gone": (
        [replace(OUTLINE, polygons=(*OUTLINE.polygons, (25, 20, 30, 20, 30, 30)))],
        [OUTLINE],
        [(RESHAPED,)],
    ),
    "a rectangle around the box is the box": (
        [BOX],
        [replace(BOX, polygons=(SQUARE,))],
        [(UNCHANGED,)],
    ),
    "an outline was drawn": ([BOX], [OUTLINE], [(RESHAPED,)]),
}


@pytest.mark.parametrize("case", CASES)
def test_what_became_of_an_object(case):
    before, after, kinds = CASES[case]
    found = list(changes_of(image(*after), before))
    assert [one.kinds for one in found] == kinds
    assert [one.before for one in found if one.before] == before
    assert {id(one.after) for one in found if one.after} == set(map(id, after))


def test_objects_are_paired_for_the_best_of_all_not_one_by_one():
    """The first of them fits the second of before best, and that another as well."""
    before = [a("cat", 0, 0, 20, 20), a("cat", 9, 0, 20, 20)]
    after = [a("cat", 5, 0, 20, 20), a("cat", 14, 0, 20, 20)]
    found = list(changes_of(image(*after), before))
    assert [(one.before.bbox[0], one.after.bbox[0]) for one in found] == [
        (0, 5),
        (9, 14),
    ]


def test_of_two_in_one_place_the_class_decides():
    before = [a("cat", 0, 0, 20, 20), a("dog", 0, 0, 20, 20)]
    found = list(changes_of(image(*reversed(before)), before))
    assert [one.kinds for one in found] == [(UNCHANGED,)] * 2


def test_the_counts_are_those_of_the_objects():
    before = [
        image(BOX, a("dog", 40, 30, 10, 10), a("dog", 0, 40, 8, 8)),
        image(BOX, name="b"),
    ]
    after = [
        image(
            a("dog", 13, 10, 20, 20), a("dog", 40, 30, 10, 10), a("cat", 50, 0, 9, 9)
        ),
        image(name="c"),
    ]
    found = difference(before, after)
    assert found.hand_work == 3  # corrected, removed, added
    report = report_of(found, 0.1, 0.5)
    assert report["objects"] == {
        **{"before": 3, "after": 3, "unchanged": 1, "corrected": 1, "moved": 1},
        **{"reshaped": 0, "relabelled": 1, "added": 1, "removed": 1},
    }
    assert report["relabelled"] == {"cat -> dog": 1}
    assert report["by_class"]["cat"]["corrected"] == 1
    assert (
        report["by_class"]["cat"]["added"] == report["by_class"]["dog"]["removed"] == 1
    )
    assert report["images"] == {
        **{"both": 1, "changed": 1, "only_before": ["b"], "only_after": ["c"]}
    }
    assert summary(found) == (
        "1 image: of 3 objects 1 corrected (1 moved, 0 reshaped, 1 relabelled), "
        "1 removed, 1 added; 1 image is only before, such as b; 1 image is only after, "
        "such as c"
    )


def labelled(path, *objects: AnnotatedObject) -> LabelledImage:
    return LabelledImage(path.name, path, sha256_of(path), (64, 48), objects)


def test_an_image_is_the_same_by_its_file_or_by_its_pixels(tmp_path):
    for seed, name in enumerate(("a.png", "b.png", "c.png")):
        make_picture(tmp_path / name, seed)
    (tmp_path / "renamed.png").write_bytes((tmp_path / "a.png").read_bytes())
    pixels = cv2.imread(str(tmp_path / "b.png"))
    cv2.imwrite(str(tmp_path / "saved.png"), pixels, [cv2.IMWRITE_PNG_COMPRESSION, 0])
    assert sha256_of(tmp_path / "saved.png") != sha256_of(tmp_path / "b.png")
    before = [labelled(tmp_path / name) for name in ("a.png", "b.png", "c.png")]
    after = [labelled(tmp_path / name) for name in ("saved.png", "renamed.png")]
    found = difference(before, after)
    assert [one.name for one in found.both] == ["renamed.png", "saved.png"]
    assert [one.name for one in found.only_before] == ["c.png"]
    assert found.only_after == []


def test_of_copies_each_is_paired_with_the_one_of_its_name(tmp_path):
    make_picture(tmp_path / "a.png", 1)
    (tmp_path / "b.png").write_bytes((tmp_path / "a.png").read_bytes())
    before = [labelled(tmp_path / name, BOX) for name in ("a.png", "b.png")]
    after = [
        labelled(tmp_path / "b.png"),
        labelled(tmp_path / "a.png", BOX),
    ]
    found = difference(before, after)
    changes = [(one.image.name, one.kinds) for one in found.changes]
    assert changes == [("a.png", (UNCHANGED,)), ("b.png", (REMOVED,))]


OBJECTS = {
    "a.jpg": [a("dog", 1, 1, 20, 20), a("cat", 5, 5, 26, 36)],
    "b [1].jpg": [a("cat", 10, 10, 1, 1)],
    "c.jpg": [],
}


def write_annotations(form: str, root, objects) -> list[AnnotatedImage]:
    """Write objects in a format, with the images of ``OBJECTS`` beside them."""
    root.mkdir(parents=True)
    for seed, name in enumerate(OBJECTS):
        if name in objects:
            make_picture(root / name, seed)
    images = [
        AnnotatedImage(root / "x", root / name, (64, 48), tuple(items))
        for name, items in objects.items()
    ]
    WRITERS[form](images, root)
    return images


@pytest.fixture
def converted(tmp_path):
    """A converted data set, as it came from COCO, in before/."""
    write_annotations("coco", tmp_path / "coco", OBJECTS)
    convert("coco", Source(tmp_path / "coco", tmp_path / "coco"), tmp_path / "before")
    return tmp_path


def test_the_command_compares_a_converted_data_set_with_any_format(converted, capsys):
    """Read by its own reader, an export is corrected in three places."""
    folder = converted / "corrected"
    corrected = {
        "a.jpg": [a("dog", 1, 1, 20, 20), a("dog", 5, 5, 26, 36)],
        "b [1].jpg": [a("cat", 10, 10, 1, 1), a("cat", 40, 10, 5, 9)],
    }
    write_annotations("labelme", folder, corrected)
    command = command_of("data difference")
    places = [converted / "before", folder, "--output", converted / "compared"]
    assert command([*places, "--after-format", "labelme"]) == 0
    assert capsys.readouterr().out == (
        "2 images: of 3 objects 1 corrected (0 moved, 0 reshaped, 1 relabelled), "
        "0 removed, 1 added; 1 image is only before, such as c.jpg\n"
    )
    rows = list(csv.DictReader((converted / "compared/difference.csv").open()))
    assert [(row["file"], row["change"], row["after"]) for row in rows] == [
        ("a.jpg", "relabelled", "dog"),
        ("b [1].jpg", "added", "cat"),
    ]
    assert rows[0]["sha256"] == sha256_of(folder / "a.jpg")
    assert rows[1]["x_before"] == "" and rows[1]["x_after"] == "40.0"
    report = json.loads((converted / "compared/difference.json").read_text())
    assert report["hand_work"] == 2 and report["images"]["only_before"] == ["c.jpg"]
    files = sorted((converted / "compared").iterdir())
    before = [path.read_bytes() for path in files]
    assert command([*places, "--after-format", "labelme"]) == 0
    assert [path.read_bytes() for path in files] == before


def test_two_converted_data_sets_are_compared_without_their_images(converted, capsys):
    more = OBJECTS | {"c.jpg": [a("cat", 1, 1, 9, 9)]}
    write_annotations("coco", converted / "more", more)
    source = Source(converted / "more", converted / "more")
    convert("coco", source, converted / "after")
    for path in (converted / "after" / "images").iterdir():
        path.unlink()
    places = [converted / "before" / "annotations.json", converted / "after"]
    command = command_of("data difference")
    assert command([*places, "--output", converted / "compared"]) == 0
    assert "3 images: of 3 objects 0 corrected" in capsys.readouterr().out


def test_bad_places_are_one_line(converted):
    run = run_command(
        *("mmdet-flow data difference", converted / "before", converted / "coco"),
        *("--output", converted / "compared"),
    )
    assert "coco: is no converted data set; name its format with" in the_error(run)
    (converted / "before" / "images.csv").write_text("a.jpg,00\n")
    with pytest.raises(DataError, match=r"images\.csv: is no table with the columns"):
        read_converted(converted / "before")
    table = "file,sha256\na.jpg,00\n"
    (converted / "before" / "images.csv").write_text(table)
    with pytest.raises(DataError, match=r"b \[1\]\.jpg is not in images\.csv beside"):
        read_converted(converted / "before")


def test_masks_are_compared_by_their_pixels():
    rle = {"counts": "abc", "size": [48, 64]}
    mask = replace(BOX, mask=rle)
    assert next(changes_of(image(mask), [mask])).kinds == (UNCHANGED,)
    other = replace(BOX, mask=rle | {"counts": "abd"})
    assert next(changes_of(image(other), [mask])).kinds == (RESHAPED,)
    assert next(changes_of(image(BOX), [mask])).kinds == (RESHAPED,)


def test_many_objects_take_no_time():
    rng = np.random.default_rng(0)
    boxes = [
        a("cat", *map(float, (*rng.integers(0, 900, 2), 20, 20))) for _ in range(300)
    ]
    found = list(changes_of(image(*boxes[::-1]), boxes))
    assert [one.kinds for one in found] == [(UNCHANGED,)] * 300
