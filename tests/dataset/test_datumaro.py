"""Datumaro JSON: files as version 1.13 writes them, one a subset."""

import json

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from mmdet_flow.dataset.annotations import Source
from mmdet_flow.dataset.image_index import ImageIndex
from mmdet_flow.dataset.readers import FORMATS
from tests.dataset.reading import assert_on_ellipse, pixels, plain, read, read_all
from tests.dataset.voc_data import make_picture

SIZE = (64, 48)
LABELS = ("cat", "big dog")


@pytest.fixture
def folder(tmp_path):
    """Two images, a.jpg and b.jpg, of 64x48 pixels."""
    for seed, name in enumerate("ab"):
        make_picture(tmp_path / f"{name}.jpg", seed, SIZE)
    return tmp_path


def annotation(kind, label=0, group=0, attributes=None, **values) -> dict:
    return {
        **{"id": 0, "type": kind, "attributes": attributes or {}, "group": group},
        **{"label_id": label, "z_order": 0, **values},
    }


def item(name, *annotations, **others) -> dict:
    image = {"path": name, "size": [SIZE[1], SIZE[0]]}
    key = name.rpartition(".")[0]
    return {"id": key, "annotations": list(annotations), "image": image} | others


def write(folder, *items, name="default.json", **others) -> None:
    labels = [{"name": one, "parent": "", "attributes": []} for one in LABELS]
    content = {
        **{"dm_format_version": "1.0", "media_type": 2, "infos": {}},
        **{"categories": {"label": {"labels": labels, "attributes": []}}},
        **{"items": list(items)},
    }
    (folder / name).write_text(json.dumps(content | others))


def rle(array) -> dict:
    encoded = coco_mask.encode(np.asfortranarray(array, np.uint8))
    return {"counts": encoded["counts"].decode(), "size": list(encoded["size"])}


def ring() -> np.ndarray:
    array = np.zeros((SIZE[1], SIZE[0]), np.uint8)
    array[5:25, 10:40] = 1
    array[8:22, 15:30] = 0
    return array


def test_annotations_of_each_type_are_read(folder):
    points = [10.0, 5.25, 30.5, 5.25, 20.0, 40.0]
    write(
        folder,
        item(
            "a.jpg",
            annotation("bbox", bbox=[10.5, 20.25, 29.5, 9.75]),
            annotation("polygon", label=1, points=points),
            annotation("mask", rle=rle(ring())),
            annotation("ellipse", points=[12.0, 14.0, 52.0, 34.0]),
        ),
        item("b.jpg"),
    )
    found = read("datumaro", folder)
    *plain_ones, mask, ellipse = found["a.jpg"]
    assert plain(plain_ones) == [
        ("cat", (10.5, 20.25, 29.5, 9.75), ()),
        ("big dog", (10.0, 5.25, 20.5, 34.75), (tuple(points),)),
    ]
    assert np.array_equal(pixels(mask), ring())
    assert mask.bbox == (10.0, 5.0, 30.0, 20.0)
    assert ellipse.bbox == (12.0, 14.0, 40.0, 20.0)
    assert_on_ellipse(ellipse, (32, 24), (20, 10))
    assert found["b.jpg"] == ()


def test_a_box_that_cvat_turned_is_its_outline(folder):
    turned = annotation("bbox", bbox=[20, 10, 20, 10], attributes={"rotation": 90.0})
    write(folder, item("a.jpg", turned))
    (found,) = read("datumaro", folder)["a.jpg"]
    assert found.bbox == (25.0, 5.0, 10.0, 20.0)
    assert found.polygons == ((35.0, 5.0, 35.0, 25.0, 25.0, 25.0, 25.0, 5.0),)


def test_annotations_of_a_group_and_a_label_are_one_object(folder):
    first, second = [1.0, 1.0, 5.0, 1.0, 5.0, 5.0], [20.0, 20.0, 30.0, 20.0, 30.0, 30.0]
    write(
        folder,
        item(
            "a.jpg",
            annotation("polygon", points=first, group=1),
            annotation("polygon", points=second, group=1, label=1),
            annotation("polygon", points=second, group=1),
            annotation("bbox", bbox=[0, 0, 40, 35], group=1),
            annotation("bbox", bbox=[1, 1, 5, 5], group=2),
            annotation("bbox", bbox=[2, 2, 5, 5], group=2),
        ),
        item(
            "b.jpg",
            annotation("mask", rle=rle(ring()), group=1),
            annotation("polygon", points=[50, 40, 60, 40, 60, 48, 50, 48], group=1),
        ),
    )
    found = read("datumaro", folder)
    assert plain(found["a.jpg"]) == [
        ("cat", (0.0, 0.0, 40.0, 35.0), (tuple(first), tuple(second))),
        ("big dog", (20.0, 20.0, 10.0, 10.0), (tuple(second),)),
        ("cat", (1.0, 1.0, 5.0, 5.0), ()),
        ("cat", (2.0, 2.0, 5.0, 5.0), ()),
    ]
    expected = ring()
    expected[40:48, 50:60] = 1
    (joined,) = found["b.jpg"]
    assert np.array_equal(pixels(joined), expected)


def test_crowds_are_objects_of_their_own(folder):
    outlines = [1, 1, 5, 1, 5, 5], [20, 20, 30, 20, 30, 30], [9, 9, 12, 9, 12, 12]
    crowd = {"is_crowd": True}
    write(
        folder,
        item(
            "a.jpg",
            annotation("polygon", points=outlines[0], group=1, attributes=crowd),
            annotation("mask", rle=rle(ring()), group=1, attributes=crowd),
            annotation("polygon", points=outlines[2], group=1),
        ),
    )
    joined, alone = read("datumaro", folder)["a.jpg"]
    assert (joined.crowd, alone.crowd) == (True, False)
    assert pixels(joined).sum() > ring().sum()


def test_each_subset_finds_its_images(tmp_path):
    (tmp_path / "annotations").mkdir()
    for seed, place in enumerate(("train", "val")):
        (tmp_path / "images" / place).mkdir(parents=True)
        make_picture(tmp_path / "images" / place / "x.v1.jpg", seed, SIZE)
        box = annotation("bbox", bbox=[1, 1, 5 + seed, 5])
        write(tmp_path / "annotations", item("x.v1.jpg", box), name=f"{place}.json")
    index = ImageIndex(tmp_path)
    found = list(FORMATS["datumaro"].read(Source(tmp_path, tmp_path), index))
    assert [(one.image.parent.name, one.objects[0].bbox[2]) for one in found] == [
        *(("train", 5.0), ("val", 6.0))
    ]


def test_items_without_a_path_are_found_by_their_id(folder):
    without = {"id": "a", "annotations": [annotation("bbox", bbox=[1, 1, 5, 5])]}
    write(folder, without, item("c.jpg", annotation("mask", rle=rle(ring()))))
    found, problems = read_all("datumaro", folder)
    assert list(found) == ["a.jpg"]
    assert [check for check, _, _ in problems] == ["missing-image"]


@pytest.mark.parametrize(
    "kind", ["points", "polyline", "skeleton", "cuboid_2d", "cuboid_3d"]
)
def test_what_encloses_nothing_is_a_finding_with_its_place(folder, kind):
    box = annotation("bbox", bbox=[1, 1, 5, 5])
    write(folder, item("a.jpg", box, annotation(kind, points=[1, 1, 2, 2])))
    found, problems = read_all("datumaro", folder)
    assert len(found["a.jpg"]) == 1
    what = f"no valid object: its type is {kind}, which encloses nothing"
    assert problems == [("invalid-object", "a.jpg, annotation 2", what)]


def test_labels_and_captions_of_images_are_left_aside(folder):
    caption = {"id": 0, "type": "caption", "caption": "a cat", "group": 0}
    write(folder, item("a.jpg", annotation("label"), caption), item("b.jpg"))
    found, problems = read_all("datumaro", folder)
    assert found == {"a.jpg": (), "b.jpg": ()}
    assert problems == [("left-aside", "", "labels and captions of images: 2")]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (annotation("bbox", bbox=[1, 2, 3]), "its bbox has 3 numbers"),
        (annotation("bbox", bbox=["1", 2, 3, 4]), "a number of its bbox is '1'"),
        (annotation("bbox"), "it has no bbox"),
        (annotation("polygon", points=[1, 2, 3]), "its points has 3 numbers"),
        (annotation("polygon", points=[]), "its polygon has no points"),
        (annotation("bbox", label=7, bbox=[1, 1, 5, 5]), "7 is none of the 2 labels"),
        (annotation("bbox", label="cat", bbox=[1, 1, 5, 5]), "label_id is 'cat'"),
        (annotation("mask", rle={"counts": "1"}), "it needs counts and size"),
        (annotation("mask", rle=rle(np.ones((4, 4)))), "its mask has 4x4 pixels"),
        (
            annotation("mask", rle={"counts": [9], "size": [10**9, 10**9]}),
            "more than",
        ),
        (annotation("mask", rle=rle(0 * ring())), "its mask has no pixel"),
        (annotation("ellipse", points=[9, 9, 1, 1]), "its radius is -4"),
        (
            annotation("bbox", bbox=[1, 1, 5, 5], attributes={"is_crowd": "many"}),
            "is_crowd is 'many', not 0 or 1",
        ),
        (None, "it is None, not an object with keys"),
        ({}, "it has no type"),
    ],
)
def test_malformed_annotations_are_findings(folder, wrong, said):
    write(folder, item("a.jpg", wrong))
    found, problems = read_all("datumaro", folder)
    assert found == {"a.jpg": ()}
    assert [problem[:2] for problem in problems] == [
        ("invalid-object", "a.jpg, annotation 1")
    ]
    assert said in problems[0][2]


@pytest.mark.parametrize(
    "wrong",
    [
        *(None, 1, {}, {"id": 1, "annotations": 1}, {"id": ["a"]}),
        *({"id": "a", "image": 1}, {"id": "a", "image": {"path": [1]}}),
    ],
)
def test_malformed_items_are_broken_with_their_place(folder, wrong):
    write(folder, wrong, item("b.jpg"))
    found, problems = read_all("datumaro", folder)
    assert found == {"b.jpg": ()}
    assert [problem[:2] for problem in problems] == [("broken-annotation", "item 1")]


@pytest.mark.parametrize(
    "others", [{"categories": []}, {"categories": {"label": {"labels": [1]}}}]
)
def test_other_files_are_broken_annotations(folder, others):
    write(folder, item("a.jpg"), **others)
    found, problems = read_all("datumaro", folder)
    assert found == {}
    assert [check for check, _, _ in problems] == ["broken-annotation"]
