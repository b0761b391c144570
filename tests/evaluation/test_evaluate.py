import csv
import json

import pytest

from mmdet_flow.evaluation.evaluate import measure
from tests.conftest import run_command, the_error


def truth_as_results(coco) -> list[dict]:
    return [
        {
            "image_id": item["image_id"],
            "category_id": item["category_id"],
            "bbox": item["bbox"],
            "score": 0.9,
        }
        for item in coco.annotations
    ]


def test_the_truth_scores_1_and_nothing_scores_0(dataset):
    path = dataset.folder / "annotations.json"
    perfect = measure(path, truth_as_results(dataset.coco), "bbox", dataset.coco)
    assert perfect["mAP"] == 1.0
    assert set(perfect["per_class"].values()) == {1.0}
    assert perfect["mAP_large"] is None  # there is no large object
    assert measure(path, [], "bbox", dataset.coco)["mAP"] == 0.0


def test_swapped_classes_score_nothing(dataset):
    results = truth_as_results(dataset.coco)
    for item in results:
        item["category_id"] = item["category_id"] % 3 + 1
    path = dataset.folder / "annotations.json"
    assert measure(path, results, "bbox", dataset.coco)["mAP"] == 0.0


def test_the_command_writes_metrics_for_boxes_and_masks(dataset, trained, tmp_path):
    run = run_command(
        *("mmdet_evaluate", "--checkpoint", trained.checkpoint),
        *("--annotations", dataset.splits / "test.json", "--images", dataset.images),
        *("--output", tmp_path),
    )
    assert run.returncode == 0, run.stderr
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    tested = (dataset.splits / "test.txt").read_text().splitlines()
    assert metrics["images"] == len(tested)
    assert set(metrics["metrics"]) == {"bbox", "segm"}
    with open(tmp_path / "metrics.csv", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert {row["class"] for row in rows} == {"", "leaf", "pebble", "shell"}


@pytest.mark.parametrize("order", [(2, 1, 0)])
def test_another_class_order_is_refused(dataset, trained, tmp_path, order):
    coco = dataset.coco
    names = coco.classes
    for category, index in zip(coco.categories, order, strict=True):
        category["name"] = names[index]
    coco.write(tmp_path / "swapped.json")
    run = run_command(
        *("mmdet_evaluate", "--checkpoint", trained.checkpoint),
        *("--annotations", tmp_path / "swapped.json", "--images", dataset.images),
        *("--output", tmp_path / "out"),
    )
    assert run.returncode == 3
    assert "shell, pebble, leaf" in the_error(run)
    assert not (tmp_path / "out").exists()
