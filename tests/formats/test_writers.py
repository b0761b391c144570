import csv
import io
import json
import subprocess
from dataclasses import replace

import cv2
import numpy as np
import pandas
import pytest

from mmdet_flow.dataset.wai import find_wai_annotations
from mmdet_flow.detections import Detections, Mask
from mmdet_flow.errors import DataError
from mmdet_flow.formats.coco_results import image_ids
from mmdet_flow.formats.gather import gather, shards_of
from mmdet_flow.formats.mask_image import to_mask_png
from mmdet_flow.formats.objects import PixelObject
from mmdet_flow.formats.opex import error_opex, to_opex
from mmdet_flow.formats.roi_csv import to_roi_csv
from mmdet_flow.formats.tables import (
    IMAGES_HEADER,
    OBJECTS_HEADER,
    object_rows,
    write_table,
)
from tests.conftest import assert_valid_opex

OBJECTS = [
    PixelObject(
        *(1, "red cell", 0.75, (10, 20, 29, 39)),
        [[10, 20], [29, 20], [20, 39]],
        [[[1, 1], [2, 1], [2, 2]]],
        210,
    ),
    PixelObject(0, "a,b", 0.5, (0, 0, 0, 0), [[0, 0]] * 4, [], 1),
]


def test_opex_is_valid_and_keeps_all_parts():
    content = assert_valid_opex(to_opex("x.jpg", OBJECTS, {"model": "m"}, "t"))
    first = content["objects"][0]
    assert first["bbox"] == {"left": 10, "top": 20, "right": 29, "bottom": 39}
    assert json.loads(first["meta"]["parts"]) == OBJECTS[0].parts
    assert "meta" not in content["objects"][1]


def test_an_error_is_valid_opex_without_objects():
    content = assert_valid_opex(error_opex("x", "too dark", {"model": "m"}, "t"))
    assert content["objects"] == []
    assert content["meta"] == {"model": "m", "error": "too dark"}


def test_roi_csv_follows_its_format():
    text = to_roi_csv("x.jpg", OBJECTS, width=100, height=50)
    assert text.count("\r\n") == 3
    rows = list(csv.DictReader(text.splitlines()))
    assert rows[0]["x1"] == "29" and rows[0]["x1n"] == "0.29"
    assert rows[0]["y0n"] == "0.4" and rows[0]["poly_y"] == "20,20,39"
    assert rows[1]["label_str"] == "a,b"


@pytest.mark.parametrize(
    ("objects", "options"),
    [
        (OBJECTS[:1], {}),
        (OBJECTS[:1], {"width_height": True, "minrect": True}),
        ([], {}),
    ],
    ids=["corners", "sizes", "empty"],
)
def test_wai_annotations_reads_our_roi_csv(dataset, tmp_path, objects, options):
    image = next(dataset.images.glob("*.jpg"))
    (tmp_path / "x.jpg").write_bytes(image.read_bytes())
    (tmp_path / "x-rois.csv").write_text(
        to_roi_csv("x.jpg", objects, 320, 240, **options), newline=""
    )
    subprocess.run(
        [
            *(find_wai_annotations(), "convert", "from-roi-od", "-i"),
            *(str(tmp_path / "*.csv"), "to-coco-od", "-o", str(tmp_path / "coco.json")),
        ],
        check=True,
        capture_output=True,
        env={"XDG_CONFIG_HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
    )
    found = json.loads((tmp_path / "coco.json").read_text())["annotations"]
    assert [item["bbox"] for item in found] == [[10, 20, 20, 20]] * len(objects)


def images_table(path, files):
    write_table(path, IMAGES_HEADER, [(f, 100, 50, 1, 0.5, "ok", "") for f in files])


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_tables_are_whole_or_not_there(tmp_path, suffix):
    path = tmp_path / f"objects{suffix}"
    rows = object_rows("x.jpg", 100, 50, OBJECTS)

    def broken():
        yield rows[0]
        raise KeyError

    with pytest.raises(KeyError):
        write_table(path, OBJECTS_HEADER, broken())
    assert list(tmp_path.iterdir()) == []
    write_table(path, OBJECTS_HEADER, rows)
    read = pandas.read_csv if suffix == ".csv" else pandas.read_parquet
    table = read(path)
    assert list(table.columns) == list(OBJECTS_HEADER)
    assert table.score.tolist() == [0.75, 0.5]
    assert table.label_str.tolist() == ["red cell", "a,b"]
    assert table.poly_x[0] == "10,29,20"


def test_what_is_gathered_does_not_depend_on_the_shards(tmp_path):
    files = [f"{number}.jpg" for number in range(7)]
    for shards in (1, 3):
        folders = []
        for number in range(shards):
            folder = tmp_path / f"{shards}" / f"shard-{number}"
            ends = [7 * k // shards for k in (number, number + 1)]
            images_table(folder / "images.csv", files[slice(*ends)])
            write_table(folder / "objects.csv", OBJECTS_HEADER, [])
            folders.append(folder)
        for suffix in ("csv", "parquet"):
            outputs = {
                name: tmp_path / f"{shards}" / f"{name}.{suffix}"
                for name in ("objects", "images")
            }
            gather(folders, outputs)
    for name in ("images.csv", "images.parquet", "objects.csv", "objects.parquet"):
        one, three = ((tmp_path / folder / name).read_bytes() for folder in "13")
        assert one == three
    assert pandas.read_parquet(tmp_path / "3" / "images.parquet").file.tolist() == files
    with pytest.raises(DataError, match="predict this shard first"):
        gather([tmp_path / "shard-2"], {"images": tmp_path / "images.csv"})


def test_shards_are_those_of_the_lists_by_number(tmp_path):
    for number in (10, 9, 0):
        (tmp_path / f"{number}.txt").write_text("image.jpg\n")
    names = [path.name for path in shards_of(tmp_path / "predictions", tmp_path)]
    assert names == ["shard-0", "shard-9", "shard-10"]


def test_sizes_and_smallest_rectangles():
    text = to_roi_csv("x.jpg", OBJECTS, 100, 50, width_height=True, minrect=True)
    row = next(csv.DictReader(text.splitlines()))
    assert (row["x"], row["y"], row["w"], row["h"]) == ("10", "20", "20", "20")
    assert row["wn"] == "0.2" and row["hn"] == "0.4"
    assert sorted((float(row["minrect_w"]), float(row["minrect_h"]))) == [19, 19]


@pytest.mark.parametrize(
    ("polygon", "sides"),
    [
        ([[10, 10], [19, 10], [19, 14], [10, 14]], (9, 4)),
        ([[10, 10], [14, 10], [14, 19], [10, 19]], (9, 4)),
        ([[10, 14], [10, 10], [19, 10], [19, 14]], (9, 4)),
        ([[20, 20], [29, 29], [29, 29], [20, 20]], (162**0.5, 0)),
        ([[0, 10], [10, 0], [15, 5], [5, 15]], (200**0.5, 50**0.5)),
    ],
)
def test_the_longer_side_of_the_smallest_rectangle_comes_first(polygon, sides):
    item = replace(OBJECTS[0], polygon=polygon)
    text = to_roi_csv("a.jpg", [item], 100, 80, minrect=True)
    row = next(csv.DictReader(io.StringIO(text)))
    found = float(row["minrect_w"]), float(row["minrect_h"])
    assert found == pytest.approx(sides, abs=1e-3)


@pytest.mark.parametrize(
    ("files", "ids"),
    [
        (["1.jpg", "0001.jpg", "2.png"], [1, "0001", 2]),
        (["a.png", "a.bmp", "b.png"], ["a.png", "a.bmp", "b"]),
        (["7.png", "7.jpg"], ["7.png", "7.jpg"]),
        (["a.png", "a.bmp", "a.png.bmp"], ["a.png", "a.bmp", "a.png.bmp"]),
        (["²3.png", "٣.png", "-1.png", "1.0.png"], ["²3", "٣", "-1", "1.0"]),
        (["0.jpg", "00.jpg"], [0, "00"]),
        (["9" * 30 + ".jpg"], ["9" * 30]),
    ],
)
def test_each_image_has_an_id_of_its_own_in_coco_results(files, ids):
    found = image_ids(files)
    assert [found[file] for file in files] == ids
    assert len(set(found.values())) == len(files)


def test_a_mask_picture_holds_label_plus_one():
    masks = np.zeros((2, 50, 100), bool)
    masks[0, 10:20, 10:20] = masks[1, 15:30, 15:30] = True
    found = Detections(
        *(100, 50, np.zeros((2, 4), np.float32), np.array([0.9, 0.5], np.float32)),
        *(np.array([1, 0]), ("a", "b"), tuple(map(Mask.of_image, masks))),
    )
    picture = cv2.imdecode(np.frombuffer(to_mask_png(found), np.uint8), -1)
    assert picture.shape == (50, 100)
    assert picture[0, 0] == 0 and picture[17, 17] == 2 and picture[25, 25] == 1
