"""CVAT for images 1.1: files as CVAT and datumaro write them."""

from xml.sax.saxutils import quoteattr

import numpy as np
import pytest

from mmdet_flow.dataset.annotations import Source
from mmdet_flow.dataset.image_index import ImageIndex
from mmdet_flow.dataset.readers import FORMATS
from tests.dataset.reading import assert_on_ellipse, pixels, plain, read, read_all
from tests.dataset.voc_data import make_picture

SIZE = (64, 48)


@pytest.fixture
def folder(tmp_path):
    """Two images, a.jpg and b.jpg, of 64x48 pixels."""
    for seed, name in enumerate("ab"):
        make_picture(tmp_path / f"{name}.jpg", seed, SIZE)
    return tmp_path


def tag(name, **attributes) -> str:
    """Return an element with the attributes that CVAT gives to each shape."""
    given = {"label": "cat", "source": "manual", "occluded": "0", "z_order": "0"}
    text = " ".join(f"{k}={quoteattr(str(v))}" for k, v in (given | attributes).items())
    return f'<{name} {text}><attribute name="seen">true</attribute></{name}>'


def box(left, top, right, bottom, **others) -> str:
    corners = {"xtl": left, "ytl": top, "xbr": right, "ybr": bottom}
    return tag("box", **{k: f"{v:.2f}" for k, v in corners.items()}, **others)


def polygon(*points, **others) -> str:
    text = ";".join(f"{x:.2f},{y:.2f}" for x, y in points)
    return tag("polygon", points=text, **others)


def image(name, *shapes, size=SIZE, **others) -> str:
    attributes = {"id": 0, "name": name, "width": size[0], "height": size[1], **others}
    text = " ".join(f"{k}={quoteattr(str(v))}" for k, v in attributes.items())
    return f"<image {text}>{''.join(shapes)}</image>"


def write(folder, *images, name="annotations.xml") -> None:
    meta = "<meta><task><name>t</name><mode>annotation</mode></task></meta>"
    text = f"<annotations><version>1.1</version>{meta}{''.join(images)}</annotations>"
    (folder / name).write_text(f'<?xml version="1.0" encoding="utf-8"?>\n{text}')


def runs(array) -> str:
    """Return the runs of a mask along its rows, beginning with background."""
    flat = np.asarray(array).ravel()
    bounds = np.flatnonzero(np.diff(np.r_[0, flat]))
    return ", ".join(map(str, np.diff(np.r_[0, bounds, flat.size])))


def mask(array, left, top, **others) -> str:
    height, width = np.shape(array)
    place = {"left": left, "top": top, "width": width, "height": height}
    return tag("mask", **({"rle": runs(array)} | place | others))


def test_boxes_and_polygons_of_several_files(folder):
    (folder / "jobs").mkdir()
    write(
        folder,
        image(
            "a.jpg",
            box(10.5, 20.25, 40, 30),
            polygon((10, 5.25), (30.5, 5.25), (20, 40), label="big dog"),
        ),
    )
    write(folder / "jobs", image("b.jpg"), name="job 2.xml")
    found = read("cvat", folder)
    assert plain(found["a.jpg"]) == [
        ("cat", (10.5, 20.25, 29.5, 9.75), ()),
        (
            *("big dog", (10.0, 5.25, 20.5, 34.75)),
            ((10.0, 5.25, 30.5, 5.25, 20.0, 40.0),),
        ),
    ]
    assert found["b.jpg"] == ()


def test_a_box_that_is_turned_is_its_outline_and_the_box_around(folder):
    write(
        folder,
        image(
            "a.jpg",
            box(20, 10, 40, 20, rotation="90.00"),
            box(10, 10, 20, 20, rotation="45.00"),
            box(10, 10, 20, 20, rotation="360.00"),
        ),
    )
    upright, diamond, straight = read("cvat", folder)["a.jpg"]
    # Clockwise around the middle: the upper left corner comes to the upper right.
    assert upright.bbox == (25.0, 5.0, 10.0, 20.0)
    assert upright.polygons == ((35.0, 5.0, 35.0, 25.0, 25.0, 25.0, 25.0, 5.0),)
    assert diamond.bbox == pytest.approx((7.93, 7.93, 14.14, 14.14), abs=1 / 32)
    assert diamond.polygons[0][:2] == pytest.approx((15, 7.93), abs=1 / 64)
    assert (straight.bbox, straight.polygons) == ((10.0, 10.0, 10.0, 10.0), ())


def test_ellipses_are_outlines(folder):
    place = {"cx": "32.00", "cy": "24.00", "rx": "20.00", "ry": "10.00"}
    write(
        folder,
        image("a.jpg", tag("ellipse", **place)),
        image("b.jpg", tag("ellipse", rotation="30.00", **place)),
    )
    found = read("cvat", folder)
    ((straight,), (turned,)) = found["a.jpg"], found["b.jpg"]
    assert straight.bbox == (12.0, 14.0, 40.0, 20.0)
    assert_on_ellipse(straight, (32, 24), (20, 10))
    assert_on_ellipse(turned, (32, 24), (20, 10), 30)
    half = np.hypot(20 * np.cos(np.pi / 6), 10 * np.sin(np.pi / 6))
    assert turned.bbox[2] == pytest.approx(2 * half, abs=1 / 32)
    # The long axis points down on the right.
    x, y = np.reshape(turned.polygons[0], (-1, 2)).T
    assert y[x.argmax()] > 24


def test_masks_are_runs_along_the_rows_of_a_box(folder):
    array = np.zeros((9, 12), int)
    array[0:9, 0:12] = 1
    array[3:5, 2:9] = 0
    array[8, 0] = 0
    write(folder, image("a.jpg", mask(array, 5, 30)))
    (item,) = read("cvat", folder)["a.jpg"]
    expected = np.zeros((48, 64))
    expected[30:39, 5:17] = array
    assert np.array_equal(pixels(item), expected)
    assert item.bbox == (5.0, 30.0, 12.0, 9.0)
    # datumaro writes the whole image as the box
    write(folder, image("a.jpg", mask(expected.astype(int), 0, 0)))
    (again,) = read("cvat", folder)["a.jpg"]
    assert (again.mask, again.bbox) == (item.mask, item.bbox)


def test_a_mask_that_fills_columns_of_the_image(folder):
    array = np.ones((48, 64), int)
    write(folder, image("a.jpg", mask(array, 0, 0)))
    (item,) = read("cvat", folder)["a.jpg"]
    assert pixels(item).all()
    assert item.bbox == (0.0, 0.0, 64.0, 48.0)


def test_outlines_of_a_group_and_a_label_are_one_object(folder):
    triangle, far = ((1, 1), (5, 1), (5, 5)), ((20, 20), (30, 20), (30, 30))
    write(
        folder,
        image(
            "a.jpg",
            polygon(*triangle, group_id="7"),
            polygon(*far, group_id="7", label="dog"),
            polygon(*far, group_id="7"),
            polygon(*triangle, group_id="0"),
            polygon(*triangle, group_id="0"),
            box(1, 1, 9, 9, group_id="8"),
            box(2, 2, 8, 8, group_id="8"),
        ),
        image("b.jpg", polygon(*triangle, group_id="7")),
    )
    found = read("cvat", folder)
    first = (1.0, 1.0, 5.0, 1.0, 5.0, 5.0)
    second = (20.0, 20.0, 30.0, 20.0, 30.0, 30.0)
    assert plain(found["a.jpg"]) == [
        ("cat", (1.0, 1.0, 29.0, 29.0), (first, second)),
        ("dog", (20.0, 20.0, 10.0, 10.0), (second,)),
        ("cat", (1.0, 1.0, 4.0, 4.0), (first,)),
        ("cat", (1.0, 1.0, 4.0, 4.0), (first,)),
        ("cat", (1.0, 1.0, 8.0, 8.0), ()),
        ("cat", (2.0, 2.0, 6.0, 6.0), ()),
    ]
    assert plain(found["b.jpg"]) == [("cat", (1.0, 1.0, 4.0, 4.0), (first,))]


def test_images_are_told_apart_by_folder_and_subset(tmp_path):
    for seed, place in enumerate(("train", "val", "more/deep")):
        (tmp_path / "images" / place).mkdir(parents=True)
        make_picture(tmp_path / "images" / place / "x.v1.jpg", seed, SIZE)
    write(
        tmp_path,
        image("x.v1.jpg", box(1, 1, 2, 2), subset="train"),
        image("x.v1.jpg", box(1, 1, 3, 3), subset="val"),
        image("more/deep/x.v1.jpg", box(1, 1, 4, 4)),
    )
    index = ImageIndex(tmp_path)
    found = list(FORMATS["cvat"].read(Source(tmp_path, tmp_path), index))
    assert [
        (str(one.image.parent.relative_to(tmp_path)), one.objects[0].bbox[2])
        for one in found
    ] == [("images/train", 1.0), ("images/val", 2.0), ("images/more/deep", 3.0)]
    assert [one.subset for one in found] == ["train", "val", ""]


def test_tracks_are_refused_in_words(folder):
    shape = box(1, 2, 3, 4, frame="0", outside="0", keyframe="1")
    write(folder, f'<track id="0" label="cat" source="manual">{shape}</track>')
    found, problems = read_all("cvat", folder)
    assert found == {}
    ((check, _, what),) = problems
    assert check == "broken-annotation"
    assert "tracks of CVAT for video; export it as CVAT for images 1.1" in what


@pytest.mark.parametrize("kind", ["points", "polyline", "cuboid", "skeleton"])
def test_what_encloses_nothing_is_a_finding_with_its_place(folder, kind):
    shape = tag(kind, points="1.00,1.00;5.00,5.00")
    write(folder, image("a.jpg", box(1, 2, 3, 4), shape))
    found, problems = read_all("cvat", folder)
    assert len(found["a.jpg"]) == 1
    what = f"no valid object: its shape is '{kind}', which encloses nothing"
    assert problems == [("invalid-object", "a.jpg, shape 2", what)]


def test_tags_of_images_are_left_aside(folder):
    write(
        folder, image("a.jpg", tag("tag"), box(1, 2, 3, 4)), image("b.jpg", tag("tag"))
    )
    found, problems = read_all("cvat", folder)
    assert {name: len(items) for name, items in found.items()} == {
        "a.jpg": 1,
        "b.jpg": 0,
    }
    assert problems == [("left-aside", "", "tags of images: 2")]


def test_images_that_are_not_there_cost_their_objects(folder):
    write(folder, image("c.jpg", box(1, 2, 3, 4), mask([[1]], 0, 0)), image("a.jpg"))
    found, problems = read_all("cvat", folder)
    assert list(found) == ["a.jpg"]
    assert problems == [("missing-image", "", "no image 'c.jpg'")]


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        (tag("box", xtl="1", ytl="1", xbr="5"), "it has no ybr"),
        (box(1, 2, 3, 4).replace("3.00", "nan"), "xbr is nan"),
        (box(1, 2, 3, 4, rotation="x"), "rotation is 'x', not a number"),
        (tag("polygon", points="1,2;3"), "a point is ['3'], not x and y"),
        (tag("polygon"), "its polygon has no points"),
        (tag("ellipse", cx="1", cy="1", rx="-5", ry="1"), "its radius is -5"),
        (mask([[1, 1]], 0, 0, rle="0,3"), "its RLE does not count the 2x1 pixels"),
        (mask([[1, 1]], 0, 0, rle="3,-1"), "does not count the 2x1 pixels"),
        (mask([[1, 1]], 0, 0, rle=""), "its rle is no list of whole numbers"),
        (mask([[1, 1]], 0, 0, rle="9" * 5000), "its rle is no list of whole numbers"),
        (mask([[1]], 0, 0, width=10**6, height=10**6), "its mask has 1000000x1000000"),
        (mask([[1]], 0, 0, width="1e400"), "width is inf"),
        (mask([[0, 0]], 0, 0, rle="2"), "its mask has no pixel in the image"),
        (mask([[1]], 64, 0), "its mask has no pixel in the image"),
        (mask([[1]], 0, -5), "its mask has no pixel in the image"),
    ],
)
def test_malformed_shapes_are_findings(folder, shape, said):
    write(folder, image("a.jpg", shape))
    found, problems = read_all("cvat", folder)
    assert found == {"a.jpg": ()}
    assert [problem[:2] for problem in problems] == [
        ("invalid-object", "a.jpg, shape 1")
    ]
    assert said in problems[0][2]


def test_other_xml_and_images_without_names_are_broken(folder):
    write(folder, image("", box(1, 2, 3, 4)), image("a.jpg", box(1, 2, 3, 4)))
    (folder / "voc.xml").write_text("<annotation/>")
    (folder / "cut.xml").write_text("<annotations>")
    (folder / "empty.xml").write_text("<annotations/>")
    found, problems = read_all("cvat", folder)
    assert len(found["a.jpg"]) == 1
    assert [(check, place) for check, place, _ in problems] == [
        ("broken-annotation", "image 1"),
        ("broken-annotation", ""),
        ("broken-annotation", ""),
        ("broken-annotation", ""),
    ]
