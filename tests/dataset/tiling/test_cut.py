"""Data sets that are cut: the account, the pixels, and what a run leaves behind."""

import csv
import errno
import json
import os
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from mmdet_flow import files
from mmdet_flow.dataset.coco import CocoFile
from mmdet_flow.dataset.tiling import cut as cut_module
from mmdet_flow.dataset.tiling.cut import cut
from mmdet_flow.dataset.tiling.plan import Cutting, divide, tile_name
from mmdet_flow.errors import DataError
from mmdet_flow.images import read_image
from mmdet_flow.tiles import Tiles, Window
from tests.conftest import command_of
from tests.dataset.voc_data import make_picture

TILES = Tiles(64)
CUTTING = Cutting(TILES)
SPLITS = ("train", "val", "trainval")


def image_of(name="a.png", size=(150, 100), number=1) -> dict:
    return {"id": number, "file_name": name, "width": size[0], "height": size[1]}


def box(x, y, width, height, number=1, image=1, category=1, crowd=0) -> dict:
    return {
        **{"id": number, "image_id": image, "category_id": category},
        **{"bbox": [x, y, width, height], "area": width * height, "iscrowd": crowd},
    }


def outlined(item: dict) -> dict:
    """Return an object with an outline within its box: a diamond."""
    x, y, w, h = item["bbox"]
    points = [x + w / 2, y, x + w, y + h / 2, x + w / 2, y + h, x, y + h / 2]
    return item | {"segmentation": [points], "area": w * h / 2}


def write_data(folder: Path, images: dict[str, list[str]], objects: list) -> list[Path]:
    """Write images and the COCO files of splits, which name their images."""
    names = sorted({name for own in images.values() for name in own})
    (folder / "images").mkdir(parents=True)
    entries = {name: image_of(name, number=n) for n, name in enumerate(names, 1)}
    for seed, name in enumerate(names):
        make_picture(folder / "images" / name, seed, (150, 100))
    coco = CocoFile(
        folder / "all.json",
        list(entries.values()),
        [one for one in objects if one["image_id"] <= len(names)],
        [{"id": 1, "name": "cell"}, {"id": 2, "name": "dust"}],
    )
    for split, own in images.items():
        coco.subset(own).write(folder / f"{split}.json")
    return [folder / f"{split}.json" for split in images]


def small_data(folder: Path) -> list[Path]:
    """Write three images: a and c to train on, b to validate on."""
    objects = [
        *(box(10, 10, 20, 20, 1), box(50, 10, 30, 20, 2), box(0, 0, 150, 100, 3)),
        *(box(120, 70, 20, 20, 4, 2, 2), outlined(box(30, 30, 40, 40, 5, 2))),
        box(60, 40, 20, 20, 6, 3, crowd=1),
    ]
    images = {
        "train": ["a.png", "c.png"],
        "val": ["b.png"],
        "trainval": ["a.png", "b.png", "c.png"],
    }
    return write_data(folder, images, objects)


@pytest.fixture
def data(tmp_path):
    return small_data(tmp_path / "data")


def cut_into(output: Path, paths, cutting=CUTTING, threads=2) -> Path:
    cut(paths, paths[0].parent / "images", output, cutting, threads)
    return output


def content_of(folder: Path) -> dict[str, bytes]:
    found = folder.rglob("*")
    return {str(p.relative_to(folder)): p.read_bytes() for p in found if p.is_file()}


def report_of(folder: Path) -> dict:
    return json.loads((folder / "report.json").read_text())


def rows_of(folder: Path) -> list[dict]:
    with (folder / "findings.csv").open() as stream:
        return list(csv.DictReader(stream))


# The choice


def test_a_small_image_by_hand():
    """150 x 100 pixels in tiles of 64: three columns from 0, 43, 86; rows from 0, 36.

    One object is whole in the tiles that begin at 0 and at 43, as its columns 50 to 60
    are in both; another one crosses the border at 64.
    """
    one = divide(
        image_of(), [box(50, 40, 10, 10), box(60, 5, 40, 20, 2)], Cutting(TILES, 0.3, 0)
    )
    assert one.count == 6
    windows = {tile.window: tile.parts for tile in one.kept}
    first, second = Window(0, 0, 64, 64), Window(43, 0, 107, 64)
    assert {index: p.is_whole for index, p in windows[first].items()} == {
        0: True,
        1: False,
    }
    # Its columns 60 to 64: a tenth, too small to learn.
    assert windows[first][1].visible == 0.1
    assert windows[second][1].is_whole
    assert windows[Window(86, 0, 150, 64)][1].visible == 14 / 40
    assert one.visible.tolist() == [1, 1] and one.whole.all()
    # The first in four tiles; the second as a whole, and as a third of it.
    assert one.learned.tolist() == [4, 2]
    assert len(one.kept) == 5  # the one below at the right shows nothing


def test_tiles_without_objects_are_chosen_by_their_own_hash():
    large = image_of(size=(6400, 640))
    cutting = Cutting(Tiles(64, overlap=0), empty=0.1)
    chosen = [tile.window for tile in divide(large, [], cutting).kept]
    assert 70 < len(chosen) < 130  # of 1000
    # An object changes nothing of the others, and a larger fraction adds to them.
    other = divide(large, [box(0, 0, 30, 30)], cutting)
    assert {*chosen, Window(0, 0, 64, 64)} == {tile.window for tile in other.kept}
    more = divide(large, [], replace(cutting, empty=0.2))
    assert set(chosen) < {tile.window for tile in more.kept}
    assert len(divide(large, [], replace(cutting, empty=1)).kept) == 1000
    assert not divide(large, [], replace(cutting, empty=0)).kept
    seeded = divide(large, [], replace(cutting, seed=1))
    assert chosen != [tile.window for tile in seeded.kept]


def test_tiles_of_crowds_and_slivers_alone_are_not_kept():
    """Learning them would teach that what they show is background."""
    objects = [box(10, 10, 20, 20, 1, crowd=1), box(60, 70, 90, 20, 2)]
    cutting = Cutting(Tiles(64, overlap=0), min_visible=0.5, empty=1)
    kept = {
        tile.window: tile.parts for tile in divide(image_of(), objects, cutting).kept
    }
    assert Window(0, 0, 64, 64) not in kept
    # A crowd in a tile that is kept for another object is there.
    objects.append(box(30, 30, 10, 10, 3))
    kept = {
        tile.window: tile.parts for tile in divide(image_of(), objects, cutting).kept
    }
    assert kept[Window(0, 0, 64, 64)].keys() == {0, 2}


@pytest.mark.parametrize("objects", [[], [box(10, 10, 20, 20, crowd=1)]])
def test_an_image_that_fits_into_a_tile_stays_whatever_it_shows(objects):
    (tile,) = divide(image_of(size=(64, 60)), objects, Cutting(TILES, empty=0)).kept
    assert tile.window == (0, 0, 64, 60)


def test_the_whole_image_is_one_more_tile():
    cutting = Cutting(replace(TILES, full_image=True), empty=0)
    one = divide(image_of(), [box(0, 0, 140, 90)], cutting)
    assert one.count == 7 and one.kept[-1].window == (0, 0, 150, 100)
    assert one.whole.all()


def test_no_two_tiles_have_one_name():
    first, second = Window(0, 0, 5, 5), Window(0, 0, 5, 50)
    names = [
        tile_name(name, window, (9, 9))
        for name in ("a.png", "a.jpg", "a", "a.png_0_0_5_5.png", "x" * 255, "y" * 255)
        for window in (first, second)
    ]
    assert len(set(names)) == 12 and all(len(name) <= 255 for name in names)
    assert names[0] == "a.png_0_0_5_5.png"
    assert tile_name("a.jpg", first, (5, 5)) == "a.jpg_0_0_5_5.jpg"


# Sums that agree, on data sets of all kinds


def random_data(rng) -> tuple[dict, list[dict], Cutting]:
    size = tuple(rng.integers(20, 400, 2).tolist())
    scale = rng.choice([0.5, 1, 2])
    tiles = Tiles(
        *(int(rng.integers(40, 200)), float(rng.choice([0, 0.2, 0.5])), scale),
        full_image=bool(rng.random() < 0.3),
    )
    objects = []
    for number in range(1, int(rng.integers(1, 30))):
        w, h = np.round(rng.lognormal(3, 1, 2), 2).tolist()
        x, y = np.round(rng.uniform((-w, -h), size), 2).tolist()
        one = box(x, y, w, h, number, crowd=int(rng.random() < 0.1))
        objects.append(outlined(one) if rng.random() < 0.5 else one)
    fractions = rng.choice([0, 0.3, 1]), rng.choice([0, 0.5, 1])
    return image_of(size=size), objects, Cutting(tiles, *map(float, fractions))


@pytest.mark.parametrize("seed", range(40))
def test_sums_agree(seed):
    image, objects, cutting = random_data(np.random.default_rng(seed))
    one = divide(image, objects, cutting)
    report = cut_module.report_of({"train": [one]}, cutting)["splits"]["train"]
    tiles, items, written = (report[k] for k in ("tiles", "objects", "annotations"))
    assert tiles["cut"] == one.count == tiles["kept"] + tiles["left_out"]
    assert tiles["kept"] == tiles["with_objects"] + tiles["empty"] == len(one.kept)
    ways = ("whole", "cut", "left_out", "crowds")
    assert items["read"] == len(objects) == sum(items[way] for way in ways)
    ways = ("whole", "cut", "too_small", "crowds")
    assert written["written"] == sum(written[way] for way in ways)
    assert written["written"] == sum(len(tile.parts) for tile in one.kept)
    rows = list(cut_module.findings_of({"train": [one]}, {1: "cell"}, cutting))
    assert len(rows) == items["cut"] + items["left_out"]
    # Each object is whole in a tile that is kept, or listed.
    shown = {
        index
        for tile in one.kept
        for index, part in tile.parts.items()
        if part.is_whole
    }
    listed = {row["object"] - 1 for row in rows}
    crowds = {number for number, item in enumerate(objects) if item["iscrowd"]}
    assert listed.isdisjoint(shown) and listed | shown | crowds == set(
        range(len(objects))
    )
    for tile in one.kept:
        width, height = tile.window.width, tile.window.height
        for part in tile.parts.values():
            x, y, w, h = part.annotation["bbox"]
            assert x >= 0 and y >= 0 and w > 0 and h > 0
            assert x + w <= width + 1e-9 and y + h <= height + 1e-9
            assert part.annotation["area"] > 0 and 0 < part.visible <= 1


def test_each_object_no_larger_than_a_tile_is_learned_with_the_defaults():
    """Of its sides the best tile shows (1 + overlap) / 2 each: 0.36 at the least."""
    rng = np.random.default_rng(0)
    tiles = Tiles(100)
    sides = rng.uniform(3, 99, (3000, 2))
    places = rng.uniform(0, 1000 - sides)
    objects = [
        box(*place, *side, number)
        for number, (place, side) in enumerate(
            zip(places.tolist(), sides.tolist(), strict=True), 1
        )
    ]
    one = divide(image_of(size=(1000, 1000)), objects, Cutting(tiles))
    least = one.visible.min()
    assert one.learned.all() and 0.36 <= least < 0.45
    assert not divide(
        image_of(size=(1000, 1000)), objects, Cutting(tiles, min_visible=0.45)
    ).learned.all()


# The files


def test_a_data_set_by_hand(data, tmp_path):
    output = cut_into(tmp_path / "tiles", data, Cutting(TILES, empty=0))
    train, val, both = (CocoFile.read(output / f"{name}.json") for name in SPLITS)
    assert [one["tile_of"] for one in val.images] == ["b.png"] * len(val.images)
    assert {one["tile_of"] for one in train.images} == {"a.png"}
    # A tile has one number, and one name, in all files.
    assert both.images == sorted(train.images + val.images, key=lambda one: one["id"])
    assert len(both.annotations) == len(train.annotations) + len(val.annotations)
    assert both.departure == "" and both.classes == ["cell", "dust"]
    # The last object of a is larger than a tile, and nowhere whole. Nor is that of b:
    # its columns 30 to 70 end beyond the first tile, and begin before the next, at 43.
    row, other = rows_of(output)
    assert other["image"] == "b.png" and other["object"] == "5"
    assert other["what"] == "it lies across tiles, which share less than its 40 pixels"
    assert row["image"] == "a.png" and row["object"] == "3"
    assert row["splits"] == "train trainval"
    assert row["visible"] == "0.273"  # of 64 x 64 in 15000
    assert row["learned"] == "0" and row["what"].startswith("it is larger than a tile")
    report = report_of(output)
    assert report["settings"]["size"] == 64 and report["settings"]["empty"] == 0
    assert report["splits"]["train"]["objects"] == {
        **{"read": 4, "whole": 2, "cut": 0, "left_out": 1, "crowds": 1}
    }
    # What is too small to learn is a crowd, and says of what it is a part.
    slivers = [one for one in train.annotations if one["iscrowd"]]
    assert {one["part_of"] for one in slivers} == {3}
    assert all(one["visible"] < 0.3 for one in slivers)
    learned = Counter(one["part_of"] for one in both.annotations if not one["iscrowd"])
    assert learned.keys() == {1, 2, 4, 5}
    assert "mmdet-flow" not in json.dumps(report) and str(tmp_path) not in str(report)


def test_tiles_are_the_pixels_of_their_windows(data, tmp_path):
    output = cut_into(tmp_path / "tiles", data)
    coco = CocoFile.read(output / "trainval.json")
    assert {path.name for path in (output / "images").iterdir()} == {
        one["file_name"] for one in coco.images
    }
    for one in coco.images:
        _, whole = read_image(data[0].parent / "images" / one["tile_of"])
        _, tile = read_image(output / "images" / one["file_name"])
        left, top, right, bottom = one["window"]
        assert np.array_equal(tile, whole[top:bottom, left:right])
        assert tile.shape == (one["height"], one["width"], 3)
    listed = (output / "images.csv").read_text().splitlines()
    assert len(listed) == len(coco.images) + 1


def test_images_that_fit_into_a_tile_are_as_they_were(data, tmp_path):
    output = cut_into(tmp_path / "tiles", data, Cutting(Tiles(150), empty=0))
    before = CocoFile.read(data[2])
    after = CocoFile.read(output / "trainval.json")
    keys = ("id", "image_id", "category_id", "bbox", "area", "iscrowd", "segmentation")
    assert [[one.get(key) for key in keys] for one in before.annotations] == [
        [one.get(key) for key in keys] for one in after.annotations
    ]
    for old, new in zip(before.images, after.images, strict=True):
        assert (old["id"], old["file_name"]) == (new["id"], new["tile_of"])
        copy = output / "images" / new["file_name"]
        assert copy.samefile(data[0].parent / "images" / old["file_name"])
    assert not rows_of(output)


def test_threads_and_the_order_of_files_change_no_byte(data, tmp_path):
    made = [
        content_of(cut_into(tmp_path / str(n), paths, threads=threads))
        for n, (paths, threads) in enumerate([(data, 1), (data, 4), (data[::-1], 2)])
    ]
    assert made[0] == made[1] == made[2]


def test_a_second_run_leaves_nothing_of_the_first(data, tmp_path):
    output = cut_into(tmp_path / "tiles", data)
    other = Cutting(Tiles(90), empty=1)
    expected = content_of(cut_into(tmp_path / "other", data[:2], other))
    (output / "images" / ".half.png.part").write_bytes(b"half")
    (output / "images" / ".snakemake_timestamp").touch()
    found = content_of(cut_into(output, data[:2], other))
    assert found.pop("images/.snakemake_timestamp") == b""
    assert found == expected
    times = {path: path.stat().st_mtime_ns for path in output.rglob("*")}
    cut_into(output, data[:2], other)
    files = [path for path in times if path.is_file()]
    assert all(path.stat().st_mtime_ns == times[path] for path in files)


# What goes wrong


def spoil(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:200])


@pytest.mark.parametrize("change", [Path.unlink, spoil])
def test_an_image_that_cannot_be_read_keeps_what_was_there(data, tmp_path, change):
    output = cut_into(tmp_path / "tiles", data)
    before = content_of(output)
    image = data[0].parent / "images" / "b.png"
    kept = image.read_bytes()
    change(image)
    with pytest.raises(DataError, match=r"b\.png"):
        cut_into(output, data, Cutting(Tiles(90), empty=1))
    assert before.items() <= content_of(output).items()
    image.write_bytes(kept)
    cut_into(output, data, Cutting(Tiles(90), empty=1))
    fresh = cut_into(tmp_path / "fresh", data, Cutting(Tiles(90), empty=1))
    assert content_of(output) == content_of(fresh)


@pytest.mark.parametrize("name", ["b.png_86_0_150_64.png", "val.json", "report.json"])
def test_a_full_disk_leaves_no_file_beside_one_of_another_run(
    data, tmp_path, monkeypatch, name
):
    output = cut_into(tmp_path / "tiles", data)
    before = content_of(output)
    make_durable = files._publish

    def fill(handle, temporary, path):
        if name in path.name:
            os.truncate(handle, 10)
            raise OSError(errno.ENOSPC, "no space left")
        return make_durable(handle, temporary, path)

    other = Cutting(TILES, empty=1)
    with monkeypatch.context() as patch:
        patch.setattr(files, "_publish", fill)
        with pytest.raises(OSError) as raised:
            cut_into(output, data, other)
    assert name in raised.value.filename
    assert before.items() <= content_of(output).items()
    fresh = content_of(cut_into(tmp_path / "fresh", data, other))
    assert content_of(cut_into(output, data, other)) == fresh


def test_an_image_of_another_size_is_refused(data, tmp_path):
    cv2.imwrite(str(data[0].parent / "images" / "a.png"), np.zeros((90, 150, 3)))
    with pytest.raises(DataError, match="has 150x90 pixels, and 150x100 by its"):
        cut_into(tmp_path / "tiles", data)


def test_files_of_others_stay(data, tmp_path):
    output = tmp_path / "tiles"
    for place in ("images/holiday.png", "val.json", "report.json"):
        path = output / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")
        with pytest.raises(DataError, match=f"{path}: was not made by"):
            cut_into(output, data)
        assert content_of(output) == {place: b"{}"}
        shutil.rmtree(output)


def test_other_files_than_the_splits_of_a_data_set_are_refused(data, tmp_path):
    content = json.loads(data[1].read_text())
    content["annotations"][0]["bbox"][0] += 1
    data[1].write_text(json.dumps(content))
    with pytest.raises(DataError, match=r"image b\.png is another one than in"):
        cut_into(tmp_path / "tiles", data)
    content["categories"][0]["name"] = "cat"
    data[1].write_text(json.dumps(content))
    with pytest.raises(DataError, match="has other classes than"):
        cut_into(tmp_path / "tiles", data)
    content = json.loads(data[0].read_text())
    content["images"][0]["file_name"] = "../a.png"
    data[0].write_text(json.dumps(content))
    with pytest.raises(DataError, match=r"image \.\./a\.png is in a folder"):
        cut_into(tmp_path / "tiles", data)


def test_a_split_of_which_no_tile_is_kept_is_refused(data, tmp_path):
    content = json.loads(data[1].read_text())
    content["annotations"] = []
    data[1].write_text(json.dumps(content))
    with pytest.raises(DataError, match=r"val\.json: none of the tiles of its 1 im"):
        cut_into(tmp_path / "tiles", data[1:2], Cutting(TILES, empty=0))


@pytest.mark.parametrize(
    ("options", "code", "expected"),
    [
        ([], 2, "--tile-size: is missing"),
        (["--tile-overlap", 0.5], 2, " goes with "),
        (["--tile-size", 64, "--tile-overlap", 1], 2, "tile overlap 1: is a fraction"),
        (["--tile-size", 64, "--tile-empty", 2], 2, "--tile-empty 2: give a fraction"),
        (["--tile-size", 64, "--tile-min-visible", "-1"], 2, "--tile-min-visible -1"),
        (["--tile-size", 64, "--tile-scale", 8], 2, "16 are the least"),
    ],
)
def test_wrong_options_are_one_line(data, tmp_path, options, code, expected, capsys):
    places = ["--images", data[0].parent / "images", "--output", tmp_path / "tiles"]
    assert command_of("data tile")([*data, *places, *options]) == code
    said = capsys.readouterr().err
    assert expected in said and said.count("\n") == 1
    assert not (tmp_path / "tiles").exists()


def test_the_folder_of_the_splits_is_not_written_over(data, tmp_path, capsys):
    folder, images = data[0].parent, tmp_path / "pictures"
    shutil.move(folder / "images", images)
    before = content_of(folder)
    places = ["--images", images, "--output", folder, "--tile-size", 64]
    assert command_of("data tile")([*data, *places]) == 2
    assert "is what is read" in capsys.readouterr().err
    assert content_of(folder) == before
    places[3] = images / "tiles"
    assert command_of("data tile")([*data, *places]) == 2
    assert "choose a folder apart from it" in capsys.readouterr().err


def test_the_command_does_as_it_says(data, tmp_path, caplog):
    places = ["--images", data[0].parent / "images", "--output", tmp_path / "tiles"]
    options = ["--tile-size", 128, "--tile-scale", 2, "--tile-overlap", 0.2]
    more = ["--tile-min-visible", 0.3, "--tile-empty", 0.1, "--seed", 0]
    assert command_of("data tile")([*data, *places, *options, *more]) == 0
    scaled = Cutting(Tiles(128, scale=2.0))
    fresh = content_of(cut_into(tmp_path / "fresh", data, scaled))
    assert content_of(tmp_path / "tiles") == fresh
