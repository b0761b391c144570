"""VIA CSV: files as the VGG Image Annotator 1 and 2 export them."""

import csv
import json
from math import pi

import pytest

from tests.dataset.reading import assert_on_ellipse, plain, read, read_all
from tests.dataset.voc_data import make_picture

COLUMNS = (
    *("filename", "file_size", "file_attributes", "region_count", "region_id"),
    *("region_shape_attributes", "region_attributes"),
)


@pytest.fixture
def folder(tmp_path):
    """Two images, a.jpg and b.jpg, of 64x48 pixels."""
    for seed, name in enumerate("ab"):
        make_picture(tmp_path / f"{name}.jpg", seed)
    return tmp_path


def row(name, shape, **attributes) -> tuple:
    if not isinstance(shape, str):
        shape = json.dumps(shape)
    return (name, 1234, "{}", 1, 0, shape, json.dumps(attributes))


def write(folder, *rows, columns=COLUMNS, name="via_region_data.csv") -> None:
    with (folder / name).open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([columns, *rows])


def rect(x, y, width, height) -> dict:
    return {"name": "rect", "x": x, "y": y, "width": width, "height": height}


def line(name, *points) -> dict:
    columns, rows = zip(*points, strict=True)
    return {"name": name, "all_points_x": columns, "all_points_y": rows}


def test_regions_of_several_images_are_read(folder):
    triangle = ((10, 5.25), (30.5, 5.25), (20, 40))
    write(
        folder,
        row("a.jpg", rect(1, 2.5, 10, 12), type="big, brown cat"),
        row("b.jpg", line("polygon", *triangle), species="dog"),
        row("a.jpg", line("polyline", *triangle), type="dog", blurred="yes"),
    )
    outline = (10.0, 5.25, 30.5, 5.25, 20.0, 40.0)
    box = (10.0, 5.25, 20.5, 34.75)
    found = read("via-csv", folder)
    assert plain(found["a.jpg"]) == [
        ("big, brown cat", (1.0, 2.5, 10.0, 12.0), ()),
        ("dog", box, (outline,)),
    ]
    assert plain(found["b.jpg"]) == [("dog", box, (outline,))]


def test_circles_and_ellipses_are_outlines(folder):
    circle = {"name": "circle", "cx": 30, "cy": 20, "r": 9.5}
    ellipse = {"name": "ellipse", "cx": 30, "cy": 20, "rx": 20, "ry": 8}
    write(
        folder,
        row("a.jpg", circle, type="cat"),
        row("a.jpg", ellipse, type="cat"),
        row("a.jpg", ellipse | {"theta": pi / 6}, type="cat"),
    )
    round_one, straight, turned = read("via-csv", folder)["a.jpg"]
    assert round_one.bbox == (20.5, 10.5, 19.0, 19.0)
    assert_on_ellipse(round_one, (30, 20), (9.5, 9.5))
    assert straight.bbox == (10.0, 12.0, 40.0, 16.0)
    assert_on_ellipse(straight, (30, 20), (20, 8))
    assert_on_ellipse(turned, (30, 20), (20, 8), 30)


def test_the_json_of_via_has_the_same_shapes(folder):
    region = {
        "shape_attributes": {"name": "circle", "cx": 30, "cy": 20, "r": 9.5},
        "region_attributes": {"type": "cat"},
    }
    content = {"a.jpg1": {"filename": "a.jpg", "regions": [region]}}
    (folder / "via.json").write_text(json.dumps(content))
    write(folder, row("a.jpg", region["shape_attributes"], type="cat"))
    assert plain(read("vgg", folder)["a.jpg"]) == plain(
        read("via-csv", folder)["a.jpg"]
    )


def test_images_without_regions_and_files_of_version_1(folder):
    write(
        folder,
        ("a.jpg", 1234, "{}", 0, 0, "{}", "{}"),
        row("b.jpg", rect(1, 2, 3, 4), type="cat"),
        columns=("#filename", *COLUMNS[1:]),
    )
    found = read("via-csv", folder)
    assert found["a.jpg"] == ()
    assert plain(found["b.jpg"]) == [("cat", (1.0, 2.0, 3.0, 4.0), ())]


def test_names_with_dots_commas_and_missing_images(folder):
    for seed, name in enumerate(("s.jpg", "s.v1.jpg", "one, two.jpg"), 5):
        make_picture(folder / name, seed)
    regions = ("s.v1.jpg", "one, two.jpg", "c.jpg")
    write(folder, *(row(name, rect(1, 2, 3, 4), type="cat") for name in regions))
    found, problems = read_all("via-csv", folder)
    assert sorted(found) == ["one, two.jpg", "s.v1.jpg"]
    assert problems == [("missing-image", "", "no image 'c.jpg'")]


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        ({"name": "point", "cx": 1, "cy": 1}, "its shape is point, which encloses"),
        ({"name": "circle", "cx": 1, "cy": 1}, "it has no r"),
        ({"name": "circle", "cx": 1, "cy": 1, "r": -1}, "its radius is -1"),
        ({"name": "ellipse", "cx": 1, "cy": 1, "rx": 1, "ry": "x"}, "ry is 'x'"),
        ({"name": ["rect"]}, "its shape is ['rect']"),
        ({"x": 1}, "it has no name"),
        ([1], "region_shape_attributes is [1], not an object"),
        ("{cut", "region_shape_attributes is '{cut', no JSON"),
        ("[" * 100_000, "no JSON"),
        ({"name": "polygon", "all_points_x": [1], "all_points_y": []}, "1 x and 0 y"),
    ],
)
def test_malformed_regions_are_findings(folder, shape, said):
    good = row("a.jpg", rect(1, 2, 3, 4), type="cat")
    write(folder, good, row("a.jpg", shape, type="cat"))
    found, problems = read_all("via-csv", folder)
    assert len(found["a.jpg"]) == 1
    assert [problem[:2] for problem in problems] == [
        ("invalid-object", "a.jpg, region 2")
    ]
    assert said in problems[0][2]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("file,x0,y0,x1,y1,label_str\n", "it needs the columns filename"),
        ("", "it needs the columns filename"),
        ("# Exported using VGG Image Annotator\n# CSV_HEADER = x\n", "a CSV of VIA 3"),
    ],
)
def test_other_tables_are_broken_annotations(folder, text, said):
    (folder / "a.csv").write_text(text)
    found, ((check, _, what),) = read_all("via-csv", folder)
    assert (found, check) == ({}, "broken-annotation")
    assert said in what
