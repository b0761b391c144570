"""Label Studio: JSON and JSON-MIN, as versions up to 1.23 export them."""

import json

import numpy as np
import pytest

from mmdet_flow.dataset.annotations import Source
from mmdet_flow.dataset.image_index import ImageIndex
from mmdet_flow.dataset.readers import FORMATS
from tests.dataset.reading import assert_on_ellipse, pixels, plain, read, read_all
from tests.dataset.voc_data import make_picture

SIZE = (200, 80)
BRUSH_BITS = (3, 4, 8, 16)
"""The lengths in bits that Label Studio uses for the lengths of runs."""


@pytest.fixture
def folder(tmp_path):
    """Two images, a.jpg and b.jpg, of 200x80 pixels."""
    for seed, name in enumerate("ab"):
        make_picture(tmp_path / f"{name}.jpg", seed, SIZE)
    return tmp_path


def region(kind="rectanglelabels", labels=("cat",), key="r1", **value) -> dict:
    """Return a result as JSON has it; by default a box of 20,8 to 120,40."""
    if not value:
        value = {"x": 10, "y": 10, "width": 50, "height": 40, "rotation": 0}
    if labels is not None:
        value |= {kind: list(labels)}
    return {
        **{"id": key, "type": kind, "from_name": "label", "to_name": "image"},
        **{"original_width": SIZE[0], "original_height": SIZE[1]},
        **{"image_rotation": 0, "value": value},
    }


def annotation(*results, **others) -> dict:
    return {
        **{"id": 1, "completed_by": 1, "result": list(results)},
        **{"was_cancelled": False, "ground_truth": False},
        **{"created_at": "2026-01-02T03:04:05Z", "updated_at": "2026-01-02T03:04:05Z"},
    } | others


def task(image, *annotations, **others) -> dict:
    data = image if isinstance(image, dict) else {"image": image}
    given = {"id": 7, "data": data, "annotations": list(annotations)}
    return given | {"predictions": [], "drafts": []} | others


def minimal(image, *results, key=7, **others) -> dict:
    """Return an item as JSON-MIN has it."""
    found: dict[str, list] = {}
    for one in results:
        sizes = {k: one[k] for k in ("original_width", "original_height")}
        found.setdefault(one["from_name"], []).append(one["value"] | sizes)
    return {
        **{"image": image, "id": key, **found, "annotator": 1, "annotation_id": 3},
        **{"created_at": "2026-01-02", "updated_at": "2026-01-02", "lead_time": 1.5},
    } | others


def write(folder, *tasks, name="result.json") -> None:
    (folder / name).write_text(json.dumps(tasks))


def brush(array) -> list[int]:
    """Return a mask of pixels, 0 or 1, as Label Studio writes the RLE of a brush."""
    values = np.repeat(np.asarray(array, int).ravel() * 255, 4)
    bits = f"{values.size:032b}{7:05b}" + "".join(f"{n - 1:04b}" for n in BRUSH_BITS)
    starts = np.flatnonzero(np.r_[True, np.diff(values) != 0])
    lengths = np.diff(np.r_[starts, values.size])
    for value, length in zip(values[starts].tolist(), lengths.tolist(), strict=True):
        while length:
            part = min(length, 2 ** BRUSH_BITS[-1])
            size = next(n for n in range(4) if part <= 2 ** BRUSH_BITS[n])
            bits += f"1{size:02b}{part - 1:0{BRUSH_BITS[size]}b}{value:08b}"
            length -= part
    return to_bytes(bits)


def to_bytes(bits: str) -> list[int]:
    bits += "0" * (-len(bits) % 8)
    return [int(bits[at : at + 8], 2) for at in range(0, len(bits), 8)]


def painted() -> np.ndarray:
    """Return a ring: more than a run can hold, single pixels, and a hole."""
    array = np.zeros((SIZE[1], SIZE[0]), int)
    array[10:70, 20:180] = 1
    array[30:50, 60:100] = 0
    array[5, 3:9:2] = 1
    return array


BOX = ("cat", (20.0, 8.0, 100.0, 32.0), ())


def test_regions_are_percents_of_the_image(folder):
    points = [[10.0, 6.5625], [30.5, 6.5625], [20.0, 50.0]]
    write(
        folder,
        task(
            "a.jpg",
            annotation(
                region(),
                region("polygonlabels", ["big dog"], points=points, closed=True),
                region("rectanglelabels", ["cat"], x=5.25, y=1 / 3, width=1, height=1),
            ),
        ),
        task("b.jpg", annotation()),
    )
    found = read("label-studio", folder)
    outline = (20.0, 5.25, 61.0, 5.25, 40.0, 40.0)
    assert plain(found["a.jpg"])[:2] == [
        BOX,
        ("big dog", (20.0, 5.25, 41.0, 34.75), (outline,)),
    ]
    # Between pixels, by steps of 1/64.
    assert found["a.jpg"][2].bbox == pytest.approx((10.5, 0.8 / 3, 2, 0.8), abs=1 / 64)
    assert found["b.jpg"] == ()


def test_a_box_is_turned_around_its_upper_left_corner(folder):
    value = {"x": 50, "y": 25, "width": 20, "height": 12.5}
    for degrees in (90, -90):
        write(folder, task("a.jpg", annotation(region(**value, rotation=degrees))))
        (item,) = read("label-studio", folder)["a.jpg"]
        # 40x10 pixels at 100,20, in pixels, not in percents of two sides
        left, top = (90.0, 20.0) if degrees > 0 else (100.0, -20.0)
        assert item.bbox == (left, top, 10.0, 40.0)
        assert item.polygons[0][:2] == (100.0, 20.0)


@pytest.mark.parametrize("degrees", [0, 30])
def test_ellipses_are_outlines(folder, degrees):
    value = {"x": 50, "y": 50, "radiusX": 15, "radiusY": 12.5, "rotation": degrees}
    write(folder, task("a.jpg", annotation(region("ellipselabels", **value))))
    (item,) = read("label-studio", folder)["a.jpg"]
    assert_on_ellipse(item, (100, 40), (30, 10), degrees)
    if not degrees:
        assert item.bbox == (70.0, 30.0, 60.0, 20.0)


def test_a_brush_keeps_its_pixels(folder):
    value = {"format": "rle", "rle": brush(painted())}
    write(folder, task("a.jpg", annotation(region("brushlabels", **value))))
    (item,) = read("label-studio", folder)["a.jpg"]
    assert np.array_equal(pixels(item), painted())
    assert item.bbox == (3.0, 5.0, 177.0, 65.0)


def test_values_of_a_brush_may_stand_one_by_one(folder):
    array = np.zeros((SIZE[1], SIZE[0]), int)
    array[0, 1] = 1
    total = 4 * array.size
    head = f"{total:032b}{7:05b}" + "".join(f"{n - 1:04b}" for n in BRUSH_BITS)
    # Three values of colour are no paint; the fourth says that the pixel is painted.
    values = (255, 255, 255, 0, 0, 0, 0, 255)
    bits = head + "0" + "00" + "111" + "".join(f"{value:08b}" for value in values)
    left = total - len(values)
    bits += f"1{3:02b}{left - 1:016b}{0:08b}"
    value = {"format": "rle", "rle": to_bytes(bits)}
    write(folder, task("a.jpg", annotation(region("brushlabels", **value))))
    (item,) = read("label-studio", folder)["a.jpg"]
    assert np.array_equal(pixels(item), array)


def test_json_min_holds_the_same(folder):
    results = (
        region(),
        region("polygonlabels", points=[[1, 2], [30, 4], [5, 60]], closed=True),
        region("brushlabels", format="rle", rle=brush(painted())),
        region("ellipselabels", x=50, y=50, radiusX=10, radiusY=10, rotation=20),
    )
    write(folder, task("a.jpg", annotation(*results)))
    full = read("label-studio", folder)
    write(folder, minimal("a.jpg", *results), minimal("b.jpg", key=8))
    small = read("label-studio", folder)
    assert plain(small["a.jpg"]) == plain(full["a.jpg"])
    assert small["a.jpg"][2].mask == full["a.jpg"][2].mask
    assert small["b.jpg"] == ()


def test_shapes_whose_class_was_given_apart(folder):
    value = {"x": 10, "y": 10, "width": 50, "height": 40, "rotation": 0}
    bare = region("rectangle", None, key="r1", **value) | {"from_name": "box"}
    other = region("rectangle", None, key="r2", **(value | {"x": 20}))
    classes = region("labels", ["cat"], key="r1", **value)
    write(folder, task("a.jpg", annotation(bare, classes, other)))
    unnamed = ("", (40.0, 8.0, 100.0, 32.0), ())
    assert plain(read("label-studio", folder)["a.jpg"]) == [BOX, unnamed]
    write(folder, minimal("a.jpg", bare, classes))
    assert plain(read("label-studio", folder)["a.jpg"]) == [BOX]


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("/data/upload/1/3f2a9c1d-a.jpg", "a.jpg"),
        ("http://localhost:8080/data/upload/1/3f2a9c1d-a.jpg?token=x", "a.jpg"),
        ("/data/local-files/?d=photos/a.jpg", "a.jpg"),
        ("/data/local-files/?d=my%20photos%5Ca.jpg", "a.jpg"),
        ("s3://bucket/some/a.jpg", "a.jpg"),
        ("https://example.org/x/a.jpg?w=1#top", "a.jpg"),
        ("photos/a.jpg", "a.jpg"),
        ("/data/upload/1/0b7711aa-my_best_photo.v1_2.jpg", "my best photo.v1 (2).jpg"),
        ("/data/upload/1/0b7711aa-3f2a9c1d-a.jpg", "3f2a9c1d-a.jpg"),
        ("/data/upload/1/3f2a9c1d-b.jpg", "3f2a9c1d-b.jpg"),
    ],
)
def test_images_are_found_by_the_names_of_uploads_and_stores(folder, address, name):
    if name != "a.jpg":
        make_picture(folder / name, 9, SIZE)
    write(folder, task(address, annotation(region())))
    assert plain(read("label-studio", folder)[name]) == [BOX]


def test_names_are_told_apart_by_their_folders(tmp_path):
    for seed, place in enumerate(("one", "two")):
        (tmp_path / place).mkdir()
        make_picture(tmp_path / place / "a.jpg", seed, SIZE)
    address = "/data/local-files/?d=two/a.jpg"
    write(tmp_path, task(address, annotation(region())))
    index = ImageIndex(tmp_path)
    (found,) = FORMATS["label-studio"].read(Source(tmp_path, tmp_path), index)
    assert found.image.parent.name == "two"


def test_the_image_is_what_the_task_has_of_that_kind(folder):
    named = {"text": "a cat", "url": "http://example.org/page", "photo": "a.jpg"}
    several = {"left": "a.jpg", "right": "b.jpg"}
    write(folder, task(named, annotation(region())))
    assert list(read("label-studio", folder)) == ["a.jpg"]
    write(folder, task(several | {"image": "b.jpg"}, annotation(region())))
    assert list(read("label-studio", folder)) == ["b.jpg"]
    write(folder, task({"x": "a.jpg", "y": "gone.jpg"}, annotation(region())))
    assert list(read("label-studio", folder)) == ["a.jpg"]
    for data, said in (
        (several, "it has several images: 'left', 'right'"),
        ({"text": "a cat"}, "its data names no image"),
    ):
        write(folder, task(data, annotation(region())))
        problems = read_all("label-studio", folder)[1]
        assert problems == [("broken-annotation", "task 7", said)]


def test_one_annotation_counts_and_the_rest_is_left_aside(folder):
    old = annotation(region(labels=["old"]), updated_at="2026-01-01T00:00:00Z")
    new = annotation(region(labels=["new"]), updated_at="2026-02-01T00:00:00Z")
    truth = annotation(region(labels=["truth"]), ground_truth=True, updated_at="2025")
    cancelled = annotation(
        region(labels=["no"]), was_cancelled=True, updated_at="2026-03-01T00:00:00Z"
    )
    prediction = {"model_version": "m", "result": [region(labels=["guess"])]}
    write(
        folder,
        task("a.jpg", new, old, cancelled, predictions=[prediction], drafts=[{}]),
        task("b.jpg", new, truth, id=8),
    )
    found, problems = read_all("label-studio", folder)
    assert {name: items[0].label for name, items in found.items()} == {
        "a.jpg": "new",
        "b.jpg": "truth",
    }
    assert all(len(items) == 1 for items in found.values())
    assert sorted(problems) == [
        ("left-aside", "", "annotations besides the one that counts: 2"),
        ("left-aside", "", "cancelled annotations: 1"),
        ("left-aside", "", "drafts: 1"),
        ("left-aside", "", "predictions: 1"),
    ]


def test_of_json_min_the_newest_annotation_of_a_task_counts(folder):
    new = minimal("a.jpg", region(labels=["new"]), updated_at="2026-02-01")
    old = minimal("a.jpg", region(labels=["old"]), updated_at="2026-01-01")
    # Two projects in one file may have the same ids.
    other = minimal("b.jpg", region(labels=["other"]))
    write(folder, new, old, other)
    found, problems = read_all("label-studio", folder)
    assert found["a.jpg"][0].label == "new"
    assert found["b.jpg"][0].label == "other"
    what = "annotations besides the one that counts: 1"
    assert problems == [("left-aside", "", what)]


def test_tasks_that_nobody_annotated_are_no_empty_images(folder):
    cancelled = annotation(region(), was_cancelled=True)
    write(folder, task("a.jpg"), task("b.jpg", cancelled))
    found, problems = read_all("label-studio", folder)
    assert found == {}
    assert problems == [("left-aside", "", "cancelled annotations: 1")]
    write(folder, minimal("a.jpg", annotation_id=None), minimal("b.jpg", region()))
    assert list(read("label-studio", folder)) == ["b.jpg"]


def test_answers_to_questions_are_left_aside(folder):
    choice = region("choices", None, choices=["sunny"]) | {"from_name": "weather"}
    place = {"x": 10, "y": 10, "width": 50, "height": 40, "rotation": 0}
    told = region("textarea", None, key="r1", **place, text=["a cat"])
    relation = {"type": "relation", "from_id": "r1", "to_id": "r2"}
    write(folder, task("a.jpg", annotation(choice, region(), told, relation)))
    found, problems = read_all("label-studio", folder)
    assert plain(found["a.jpg"]) == [BOX]
    assert problems == [("left-aside", "", "answers and relations: 3")]


def test_the_place_of_a_region_is_its_number_in_the_file(folder):
    choice = region("choices", None, choices=["sunny"])
    point = region("keypointlabels", x=1, y=1, width=0.5)
    write(folder, task("a.jpg", annotation(choice, region(), point)))
    problems = read_all("label-studio", folder)[1]
    what = "no valid object: it is of keypointlabels, which enclose nothing"
    assert ("invalid-object", "a.jpg, region 3", what) in problems


def test_regions_that_do_not_say_their_image_size_are_of_the_image(folder):
    bare = region()
    del bare["original_width"], bare["original_height"]
    write(folder, task("a.jpg", annotation(bare)), task("c.jpg", annotation(bare)))
    found, problems = read_all("label-studio", folder)
    assert plain(found["a.jpg"]) == [BOX]
    assert problems == [("missing-image", "", "no image 'c.jpg'")]


def test_an_image_that_is_not_there_costs_its_objects(folder):
    painting = region("brushlabels", format="rle", rle=brush(painted()))
    write(folder, task("c.jpg", annotation(region(), painting)))
    found, problems = read_all("label-studio", folder)
    assert (found, problems) == ({}, [("missing-image", "", "no image 'c.jpg'")])


def changed(**values) -> dict:
    return region() | values


def of_brush(rle, **others) -> dict:
    return region("brushlabels", format="rle", rle=rle) | others


EMPTY = brush(np.zeros((SIZE[1], SIZE[0])))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (changed(original_width=None), "original_width is None"),
        (changed(original_width=0), "it was drawn on 0x80 pixels"),
        (changed(original_width=10**6, original_height=10**6), "it was drawn on"),
        (changed(image_rotation=90), "its image_rotation is 90; only 0 is read"),
        (changed(item_index=1), "its item_index is 1; only 0 is read"),
        (changed(value=None), "it is None, not an object"),
        (region(labels=["cat", "dog"]), "are ['cat', 'dog']; it needs one"),
        (region(labels=[["cat"]]), "its rectanglelabels is ['cat'], not text"),
        (region(x=1, y=1, width=1), "it is of rectanglelabels, which enclose"),
        (region(x="a", y=1, width=1, height=1), "x is 'a', not a number"),
        (region(x=1e7, y=1, width=1, height=1), "beyond"),
        (region("polygonlabels", points=[[1, 2, 3]]), "a point is [1, 2, 3]"),
        (region("polygonlabels", points=[]), "its polygon has no points"),
        (region("ellipselabels", x=1, y=1, radiusX=-1, radiusY=1), "its radius is -2"),
        (region("timeserieslabels", start=1, end=2), "it is of timeserieslabels"),
        (of_brush(None), "its rle is None, not a list"),
        (of_brush(["a"]), "its rle is no list of bytes"),
        (of_brush([256]), "its rle is no list of bytes"),
        (of_brush([]), "its RLE ends too early"),
        (of_brush([255] * 40), "its RLE has 4294967295 values"),
        (of_brush(EMPTY[:-2]), "its RLE ends too early"),
        (of_brush(EMPTY), "its mask has no pixel in the image"),
        (of_brush(EMPTY, original_width=100), "it was painted on 100x80 pixels"),
        (3, "it is 3, not an object with keys"),
    ],
)
def test_malformed_regions_are_findings(folder, wrong, said):
    write(folder, task("a.jpg", annotation(wrong)))
    found, problems = read_all("label-studio", folder)
    assert found == {"a.jpg": ()}
    assert [problem[:2] for problem in problems] == [
        ("invalid-object", "a.jpg, region 1")
    ]
    assert said in problems[0][2]


def test_a_run_of_a_brush_beyond_the_image_is_a_finding(folder):
    total = 4 * SIZE[0] * SIZE[1]
    head = f"{total:032b}{7:05b}" + "".join(f"{n - 1:04b}" for n in BRUSH_BITS)
    bits = head + f"111{2**16 - 1:016b}{255:08b}"
    write(folder, task("a.jpg", annotation(of_brush(to_bytes(bits)))))
    problems = read_all("label-studio", folder)[1]
    assert "its RLE runs beyond its image" in problems[0][2]


def test_a_brush_on_another_version_of_the_image_is_a_finding(folder):
    make_picture(folder / "a.jpg", 1, (100, 80))
    write(folder, task("a.jpg", annotation(of_brush(brush(painted())))))
    problems = read_all("label-studio", folder)[1]
    assert "painted on 200x80 pixels, its image has 100x80" in problems[0][2]


@pytest.mark.parametrize(
    "wrong",
    [
        *(None, 1, {}, {"id": 1, "data": 1}, task("a.jpg", 1)),
        *(task("a.jpg", annotation(result=1)), task("a.jpg", predictions=1)),
    ],
)
def test_malformed_tasks_are_broken_with_their_place(folder, wrong):
    write(folder, task("b.jpg", annotation()), wrong)
    found, problems = read_all("label-studio", folder)
    assert found == {"b.jpg": ()}
    ((check, place, _),) = problems
    assert check == "broken-annotation"
    assert place in ("item 2", "task 1", "task 7")


@pytest.mark.parametrize("text", ["[]", "{}", "[1]", '[{"image_id": 1}]', "null", "["])
def test_other_files_are_broken_annotations(folder, text):
    (folder / "a.json").write_text(text)
    found, problems = read_all("label-studio", folder)
    assert found == {}
    assert [check for check, _, _ in problems] == ["broken-annotation"]
