import csv
import json

import pytest

from mmdet_flow.dataset.coco import CocoFile
from mmdet_flow.evaluation.detect import detect
from mmdet_flow.tiles import Tiles
from tests.conftest import command_of

TILES = Tiles(150, overlap=0.3)
FIGURES = ("mAP", "mAP_50", "mAP_small", "mAP_medium", "mAP_large")


@pytest.fixture
def inputs(trained, dataset, tmp_path) -> list:
    """A hardly trained model, and as truth what it finds best by tiles."""
    truth = CocoFile.read(dataset.splits / "val.json")
    found = detect(
        trained.checkpoint, None, truth, dataset.images, threads=2, tiles=TILES
    )
    rows = sorted(found.rows, key=lambda row: -row["score"])[:40]
    truth.annotations[:] = [
        {"id": number, "iscrowd": 0, "area": row["bbox"][2] * row["bbox"][3]}
        | {key: row[key] for key in ("image_id", "category_id", "bbox")}
        for number, row in enumerate(rows, 1)
    ]
    truth.write(tmp_path / "truth.json")
    inputs = ["--checkpoint", trained.checkpoint, "--images", dataset.images]
    return [*inputs, "--annotations", tmp_path / "truth.json"]


def test_the_table_has_the_figures_of_evaluate_metrics(inputs, tmp_path):
    """Without tiles, with them, and with tiles that an image fits into."""
    table = tmp_path / "tiles.csv"
    sizes = ("--tile-size", 150, 2000, "--tile-overlap", 0.3)
    assert command_of("evaluate tiles")([*inputs, *sizes, "--output", table]) == 0
    with open(table, newline="") as stream:
        rows = list(csv.DictReader(stream))
    names = ["none", "150 px, overlap 0.3", "2000 px, overlap 0.3"]
    assert [row["tiles"] for row in rows] == names
    options = ("--tile-size", 150, "--tile-overlap", 0.3, "--bootstrap", 0)
    folder = ("--output", tmp_path / "evaluation")
    assert command_of("evaluate metrics")([*inputs, *options, *folder]) == 0
    metrics = json.loads((tmp_path / "evaluation" / "metrics.json").read_text())
    figures = metrics["metrics"]["bbox"]
    whole = metrics["without_tiles"]["bbox"]
    for key in FIGURES:
        assert rows[0][key] == rows[2][key] == _cell(whole[key])
        assert rows[1][key] == _cell(figures[key])
    assert float(rows[1]["mAP"]) > 0.9 > float(rows[0]["mAP"])


def test_a_model_that_is_not_asked_for_tiles_is_measured_once(inputs, tmp_path):
    options = ("--bootstrap", 0, "--output", tmp_path)
    assert command_of("evaluate metrics")([*inputs, *options]) == 0
    assert "without_tiles" not in json.loads((tmp_path / "metrics.json").read_text())


def _cell(figure: float | None) -> str:
    return "" if figure is None else str(figure)
