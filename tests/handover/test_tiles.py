"""What is said of a model that was trained on tiles."""

import json

import pytest

from mmdet_flow.comparison.identity import recipe_sha256
from mmdet_flow.dataset.tiling.cut import cut
from mmdet_flow.dataset.tiling.plan import Cutting
from mmdet_flow.handover.model_card import model_card
from mmdet_flow.handover.pages import data_set, metrics
from mmdet_flow.results import ResultsFolder
from mmdet_flow.tiles import Tiles
from tests.conftest import command_of


@pytest.fixture
def tiled(run, dataset):
    """A run that has tiles; returns it and its account."""
    splits = [run / "splits" / f"{name}.json" for name in ("train", "val", "trainval")]
    cut(splits, dataset.images, run / "tiles", Cutting(Tiles(64, 0.25)), threads=2)
    return run, json.loads((run / "tiles/report.json").read_text())


def test_the_card_says_how_and_with_what_success(tiled, run):
    folder, report = tiled
    train = report["splits"]["train"]
    tiles, objects = train["tiles"], train["objects"]
    text = model_card(ResultsFolder(folder))
    assert (
        f"Trained on the split train, on {tiles['kept']} of {tiles['cut']} tiles of "
        "its images of 64 x 64 pixels; neighbours share 25 % at least. "
        f"{tiles['empty']} of these tiles show no object." in text
    )
    assert (
        f"of {objects['read']} objects {objects['whole']} as a whole, {objects['cut']} "
        f"in parts alone, {objects['left_out']} nowhere" in text
    )


def test_the_page_has_all_counts(tiled):
    folder, report = tiled
    page = data_set(ResultsFolder(folder))
    assert "## Tiles" in page and "overlap 0.25, " in page and "size 64" in page
    for name in ("train", "val", "trainval"):
        for counts in (report["splits"][name][key] for key in ("tiles", "objects")):
            row = " | ".join(map(str, (name, *counts.values())))
            assert f"| {row} |" in page


def test_the_summary_names_the_table_of_findings(tiled, tmp_path):
    folder, report = tiled
    (folder / "predictions").mkdir()
    (folder / "predictions/images.csv").write_text("file,status\na.jpg,ok\n")
    output = tmp_path / "summary.txt"
    assert command_of("step summary")([folder, "--output", output]) == 0
    both = [report["splits"][name] for name in ("train", "val")]
    kept, total = (sum(one["tiles"][key] for one in both) for key in ("kept", "cut"))
    lost = sum(one["objects"]["cut"] + one["objects"]["left_out"] for one in both)
    assert (
        f"  tiles        {kept} of {total} are learned from or validated on; {lost} "
        "objects are whole in none (tiles/findings.csv)" in output.read_text()
    )


def test_card_page_and_summary_have_the_figures_without_tiles(tiled, tmp_path):
    folder, _ = tiled
    path = folder / "evaluation/metrics.json"
    content = json.loads(path.read_text())
    whole = {"mAP": 0.0123, "mAP_50": 0.0456, "mAP_small": None, "mAP_medium": 0.0321}
    boxes = content["metrics"]["bbox"]
    path.write_text(json.dumps(content | {"without_tiles": {"bbox": boxes | whole}}))
    (folder / "predictions").mkdir()
    (folder / "predictions/images.csv").write_text("file,status\na.jpg,ok\n")
    run = ResultsFolder(folder)
    for text in (model_card(run), metrics(run)):
        assert "| boxes, on whole images | 0.012 | 0.046 | n/a | 0.032 | " in text
        assert f"| boxes, by tiles | {boxes['mAP']:.3f} | " in text
        assert "| masks | " in text  # those are measured once here
    assert command_of("step summary")([folder, "--output", tmp_path / "s.txt"]) == 0
    assert (
        f"mAP {boxes['mAP']}, at IoU 0.5 {boxes['mAP_50']}, on 3 test images; without "
        "tiles mAP 0.0123, at IoU 0.5 0.0456\n" in (tmp_path / "s.txt").read_text()
    )


def test_models_of_other_tiles_are_not_seeds_of_one_recipe(tiled, dataset):
    folder, _ = tiled
    before = recipe_sha256(ResultsFolder(folder))
    assert before == recipe_sha256(ResultsFolder(folder))
    cut(
        [folder / "splits/train.json"],
        *(dataset.images, folder / "tiles", Cutting(Tiles(64, 0.25), empty=1), 2),
    )
    assert before != recipe_sha256(ResultsFolder(folder))


def test_without_tiles_nothing_is_said_of_them(run):
    results = ResultsFolder(run)
    assert results.tiles is None
    assert "tiles" not in model_card(results) and "Tiles" not in data_set(results)
    assert "tiles" not in metrics(results) and "| boxes | " in model_card(results)
