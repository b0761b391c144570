import csv
import json
import subprocess

import pytest

from mmdet_flow.dataset.convert import find_wai_annotations
from mmdet_flow.errors import DataError
from mmdet_flow.formats.gather import gather
from mmdet_flow.formats.objects import PixelObject
from mmdet_flow.formats.opex import error_opex, to_opex
from mmdet_flow.formats.roi_csv import to_roi_csv
from mmdet_flow.formats.tables import Tables
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


@pytest.mark.parametrize("objects", [OBJECTS[:1], []], ids=["objects", "empty"])
def test_wai_annotations_reads_our_roi_csv(dataset, tmp_path, objects):
    image = next(dataset.images.glob("*.jpg"))
    (tmp_path / "x.jpg").write_bytes(image.read_bytes())
    (tmp_path / "x-rois.csv").write_text(
        to_roi_csv("x.jpg", objects, 320, 240), newline=""
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


def test_tables_are_whole_or_not_there(tmp_path):
    paths = tmp_path / "objects.csv", tmp_path / "images.csv"
    with pytest.raises(KeyError), Tables(*paths) as tables:
        tables.add("x.jpg", 100, 50, OBJECTS)
        raise KeyError
    assert list(tmp_path.iterdir()) == []
    with Tables(*paths) as tables:
        tables.add("x.jpg", 100, 50, OBJECTS)
        tables.add("empty.jpg", 100, 50, [])
        tables.add_failure("broken.jpg", "no picture")
    with open(paths[1], newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["status"] for row in rows] == ["ok", "empty", "failed"]
    assert rows[0]["max_score"] == "0.75" and rows[2]["error"] == "no picture"


def test_gathering_joins_rows_under_one_header(tmp_path):
    shards = [tmp_path / "shard-0", tmp_path / "shard-1"]
    for number, shard in enumerate(shards):
        with Tables(shard / "objects.csv", shard / "images.csv") as tables:
            tables.add(f"{number}.jpg", 100, 50, OBJECTS)
    gather(shards, tmp_path / "objects.csv", tmp_path / "images.csv")
    with open(tmp_path / "objects.csv", newline="") as stream:
        assert [r["file"] for r in csv.DictReader(stream)] == ["0.jpg"] * 2 + [
            "1.jpg"
        ] * 2
    with pytest.raises(DataError, match="predict this shard first"):
        gather([tmp_path / "shard-2"], tmp_path / "o.csv", tmp_path / "i.csv")
