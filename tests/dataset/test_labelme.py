"""labelme: files as version 6.3 writes them, and what older ones did otherwise."""

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image

from mmdet_flow.dataset.annotations import Source
from mmdet_flow.dataset.check import Rules, check
from mmdet_flow.dataset.readers import FORMATS
from tests.dataset.reading import assert_on_ellipse, pixels, plain, read, read_all
from tests.dataset.voc_data import make_picture

SIZE = (64, 48)


@pytest.fixture
def folder(tmp_path):
    """One image, a.jpg, of 64x48 pixels."""
    make_picture(tmp_path / "a.jpg", 1, SIZE)
    return tmp_path


def shape(kind, *points, label="cat", group=None, mask=None) -> dict:
    return {
        **{"label": label, "points": list(map(list, points)), "group_id": group},
        **{"description": "", "shape_type": kind, "flags": {}, "mask": mask},
    }


def write(folder, *shapes, name="a.json", **others) -> None:
    content = {
        **{"version": "6.3.1", "flags": {}, "shapes": list(shapes)},
        **{"imagePath": "a.jpg", "imageData": None},
        **{"imageHeight": SIZE[1], "imageWidth": SIZE[0]},
    }
    (folder / name).write_text(json.dumps(content | others))


def png(array) -> str:
    """Return a mask as labelme writes it: a PNG in base64."""
    stream = io.BytesIO()
    Image.fromarray(np.asarray(array, np.uint8)).save(stream, "PNG")
    return base64.b64encode(stream.getvalue()).decode()


def ring(width, height) -> np.ndarray:
    """Return a filled rectangle with a hole that leaves an edge of two pixels."""
    array = np.ones((height, width), np.uint8)
    array[2:-2, 2:-2] = 0
    return array


def test_shapes_are_read_as_they_were_drawn(folder):
    write(
        folder,
        shape("polygon", (10, 5.25), (30.5, 5.25), (20, 40)),
        shape("rectangle", (40, 30), (10.5, 20.25), label="dog"),
        shape("oriented_rectangle", (20, 10), (30, 20), (20, 30), (10, 20)),
    )
    assert plain(read("labelme", folder)["a.jpg"]) == [
        (
            *("cat", (10.0, 5.25, 20.5, 34.75)),
            ((10.0, 5.25, 30.5, 5.25, 20.0, 40.0),),
        ),
        ("dog", (10.5, 20.25, 29.5, 9.75), ()),
        (
            *("cat", (10.0, 10.0, 20.0, 20.0)),
            ((20.0, 10.0, 30.0, 20.0, 20.0, 30.0, 10.0, 20.0),),
        ),
    ]


def test_all_corners_of_rectangles_as_x_anylabeling_writes_them(folder):
    corners = ((10, 10), (30, 10), (30, 20), (10, 20))
    diamond = ((20, 10), (30, 20), (20, 30), (10, 20))
    write(folder, shape("rectangle", *corners), shape("rotation", *diamond))
    box, turned = read("labelme", folder)["a.jpg"]
    assert (box.bbox, box.polygons) == ((10.0, 10.0, 20.0, 10.0), ())
    assert turned.bbox == (10.0, 10.0, 20.0, 20.0)
    assert turned.polygons[0][:4] == (20.0, 10.0, 30.0, 20.0)


@pytest.mark.parametrize("radius", [0.5, 5, 13])
def test_a_circle_is_an_outline_around_its_centre(folder, radius):
    edge = (32 + 0.6 * radius, 24 + 0.8 * radius)
    write(folder, shape("circle", (32, 24), edge))
    (item,) = read("labelme", folder)["a.jpg"]
    box = (32 - radius, 24 - radius, 2 * radius, 2 * radius)
    assert item.bbox == box
    assert_on_ellipse(item, (32, 24), (radius, radius))


def test_shapes_of_a_group_and_a_class_are_one_object(folder):
    square = ((1, 1), (5, 1), (5, 5), (1, 5))
    far = ((20, 20), (30, 20), (30, 30))
    write(
        folder,
        shape("polygon", *square, group=0),
        shape("polygon", *far, label="dog", group=0),
        shape("polygon", *far, group=0),
        shape("polygon", *square),
        shape("polygon", *far),
        shape("rectangle", (0, 0), (4, 4), group=3),
        shape("rectangle", (8, 8), (6, 2), group=3),
        shape("rectangle", (8, 8), (6, 2), group=4),
    )
    first = (1.0, 1.0, 5.0, 1.0, 5.0, 5.0, 1.0, 5.0)
    second = (20.0, 20.0, 30.0, 20.0, 30.0, 30.0)
    boxes = (
        (0.0, 0.0, 4.0, 0.0, 4.0, 4.0, 0.0, 4.0),
        (6.0, 2.0, 8.0, 2.0, 8.0, 8.0, 6.0, 8.0),
    )
    found = read("labelme", folder)["a.jpg"]
    assert plain(found) == [
        ("cat", (1.0, 1.0, 29.0, 29.0), (first, second)),
        ("dog", (20.0, 20.0, 10.0, 10.0), (second,)),
        ("cat", (1.0, 1.0, 4.0, 4.0), (first,)),
        ("cat", (20.0, 20.0, 10.0, 10.0), (second,)),
        ("cat", (0.0, 0.0, 8.0, 8.0), boxes),
        ("cat", (6.0, 2.0, 2.0, 6.0), ()),
    ]
    assert [item.place for item in found][:2] == ["shapes 1, 3", "shape 2"]


def test_a_mask_keeps_its_hole(folder):
    corners = (10, 5), (29, 24)  # the last pixel belongs to the box
    write(folder, shape("mask", *corners, mask=png(ring(20, 20))))
    (item,) = read("labelme", folder)["a.jpg"]
    expected = np.zeros((48, 64))
    expected[5:25, 10:30] = ring(20, 20)
    assert np.array_equal(pixels(item), expected)
    assert item.bbox == (10.0, 5.0, 20.0, 20.0)
    assert item.polygons == ()


def test_a_mask_beyond_the_edge_is_cut_and_its_box_fits_it(folder):
    mask = np.zeros((10, 10))
    mask[4:, 3:9] = 255
    write(folder, shape("mask", (-5, 40), (4, 49), mask=png(mask)))
    (item,) = read("labelme", folder)["a.jpg"]
    expected = np.zeros((48, 64))
    expected[44:48, 0:4] = 1
    assert np.array_equal(pixels(item), expected)
    assert item.bbox == (0.0, 44.0, 4.0, 4.0)


def test_masks_and_outlines_of_a_group_are_one_mask(folder):
    write(
        folder,
        shape("mask", (0, 0), (9, 9), mask=png(ring(10, 10)), group=1),
        shape("mask", (20, 0), (29, 9), mask=png(ring(10, 10)), group=1),
        shape("polygon", (40, 20), (50, 20), (50, 30), (40, 30), group=1),
    )
    (item,) = read("labelme", folder)["a.jpg"]
    expected = np.zeros((48, 64))
    expected[:10, :10] = expected[:10, 20:30] = ring(10, 10)
    expected[20:30, 40:50] = 1
    assert np.array_equal(pixels(item), expected)
    assert item.bbox == (0.0, 0.0, 50.0, 30.0)


@pytest.mark.parametrize(
    "path", ["a.jpg", "..\\photos\\a.jpg", "../photos/a.jpg", "C:\\x\\a.jpg"]
)
def test_the_image_is_found_wherever_the_path_was(tmp_path, path):
    for place in ("labels", "photos"):
        (tmp_path / place).mkdir()
    make_picture(tmp_path / "photos" / "a.jpg", 1, SIZE)
    rectangle = shape("rectangle", (1, 2), (3, 4))
    write(tmp_path / "labels", rectangle, name="other.json", imagePath=path)
    assert plain(read("labelme", tmp_path)["a.jpg"]) == [
        ("cat", (1.0, 2.0, 2.0, 2.0), ())
    ]


def test_a_file_that_names_another_image_than_its_own_is_a_finding(folder):
    make_picture(folder / "b.jpg", 2, SIZE)
    write(folder, shape("rectangle", (1, 2), (3, 4)), imagePath="b.jpg")
    found, problems = read_all("labelme", folder)
    assert found == {}
    assert [check for check, _, _ in problems] == ["ambiguous-image"]


def test_names_with_dots_keep_to_their_image(folder):
    for seed, name in enumerate(("scene0.jpg", "scene0.v1.jpg"), 5):
        make_picture(folder / name, seed, SIZE)
    rectangle = shape("rectangle", (1, 2), (3, 4))
    write(folder, rectangle, name="scene0.v1.json", imagePath="scene0.v1.jpg")
    assert list(read("labelme", folder)) == ["scene0.v1.jpg"]


def test_files_of_older_versions_and_without_objects(folder):
    make_picture(folder / "b.jpg", 2, SIZE)
    write(folder, name="b.json", imagePath="b.jpg", imageData="QUJD")
    old = {"label": "cat", "points": [[1, 1], [5, 1], [5, 5]], "line_color": None}
    content = {"version": "3.16.7", "shapes": [old], "imagePath": "a.jpg"}
    (folder / "a.json").write_text(json.dumps(content))
    found = read("labelme", folder)
    assert plain(found["a.jpg"]) == [
        ("cat", (1.0, 1.0, 4.0, 4.0), ((1.0, 1.0, 5.0, 1.0, 5.0, 5.0),))
    ]
    assert found["b.jpg"] == ()


def test_an_image_that_is_not_there_costs_its_objects(folder):
    mask = shape("mask", (0, 0), (9, 9), mask=png(ring(10, 10)))
    write(folder, shape("rectangle", (1, 2), (3, 4)), mask, imagePath="b.jpg")
    (folder / "a.json").rename(folder / "b.json")
    found, problems = read_all("labelme", folder)
    assert found == {}
    assert problems == [("missing-image", "", "no image 'b.jpg'")]


def test_a_mask_of_an_image_that_is_none_is_one_finding(folder):
    (folder / "a.jpg").write_text("no image")
    write(folder, shape("mask", (0, 0), (9, 9), mask=png(ring(10, 10))))
    rules = Rules(min_objects=0)
    ledger = check(FORMATS["labelme"], Source(folder, folder), rules).ledger
    assert [item.check for item in ledger.findings] == ["unreadable-image"]
    assert len(ledger.left_out) == ledger.objects_read == 1


def test_a_mask_of_an_image_beyond_the_limit_is_not_made(folder):
    # The head of a BMP of 20,000 x 20,000 pixels.
    head = b"BM" + bytes(8) + (54).to_bytes(4, "little") + (40).to_bytes(4, "little")
    side = (20_000).to_bytes(4, "little")
    (folder / "b.bmp").write_bytes(head + 2 * side + b"\1\0\x18\0" + bytes(24))
    mask = shape("mask", (0, 0), (19_999, 19_999), mask=png(ring(10, 10)))
    write(folder, mask, name="b.json", imagePath="b.bmp", imageWidth=None)
    (item,) = read("labelme", folder)["b.bmp"]
    assert item.mask is None


@pytest.mark.parametrize("kind", ["point", "line", "linestrip", "points", "ellipse"])
def test_what_encloses_nothing_is_a_finding_with_its_place(folder, kind):
    rectangle = shape("rectangle", (1, 2), (3, 4))
    write(folder, rectangle, shape(kind, (1, 1), (2, 2), label="dog"))
    found, problems = read_all("labelme", folder)
    assert len(found["a.jpg"]) == 1
    what = f"no valid object: its shape is {kind}, which encloses nothing"
    assert problems == [("invalid-object", "shape 2", what)]


def test_an_invalid_part_costs_its_object_alone(folder):
    write(
        folder,
        shape("rectangle", (1, 2), (3, 4)),
        shape("polygon", (1, 1), (2, 2), (2, 1), group=1),
        shape("polygon", (1, "x"), group=1),
    )
    found, problems = read_all("labelme", folder)
    assert len(found["a.jpg"]) == 1
    assert problems[0][:2] == ("invalid-object", "shapes 2, 3")


FULL = png(np.ones((10, 10)))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"points": [[1, 2]]}, "its mask has 1 points, not 2"),
        ({"points": None}, "points is None, not a list"),
        ({"points": [[0, 0], [99, 9]]}, "its mask of 100x10 pixels exceeds the image"),
        ({"points": [[0, 0], [10**6, 10**6]]}, "1000001x1000001 pixels exceeds"),
        ({"points": [[0, 0], [19, 9]]}, "its mask has 10x10 pixels, its box 20x10"),
        ({"points": [[70, 0], [79, 9]]}, "its mask has no pixel in the image"),
        ({"points": [[0, 90], [9, 99]]}, "its mask has no pixel in the image"),
        ({"mask": None}, "its mask is no text"),
        ({"mask": "@@@"}, "its mask is no base64"),
        ({"mask": "QUJD"}, "its mask is no PNG"),
        ({"mask": png(np.zeros((10, 10)))}, "its mask has no pixel in the image"),
        ({"mask": png(np.ones((10, 10, 3)))}, "its mask has colours"),
        ({"label": None}, "label is None, not text"),
        ({"shape_type": ["mask"]}, "its shape is ['mask']"),
    ],
)
def test_malformed_masks_are_findings(folder, changed, said):
    write(folder, shape("mask", (0, 0), (9, 9), mask=FULL) | changed)
    found, problems = read_all("labelme", folder)
    assert found == {"a.jpg": ()}
    assert [check for check, _, _ in problems] == ["invalid-object"]
    assert said in problems[0][2]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"shapes": 1}', "null"])
def test_other_files_are_broken_annotations(folder, text):
    (folder / "a.json").write_text(text)
    found, problems = read_all("labelme", folder)
    assert found == {}
    assert [check for check, _, _ in problems] == ["broken-annotation"]
