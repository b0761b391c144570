import csv
import json
import math

import pytest

from mmdet_flow.evaluation.detect import Found
from mmdet_flow.evaluation.evaluate import evaluate
from mmdet_flow.evaluation.metrics import measure
from mmdet_flow.inference.scores import Scores
from tests.conftest import command_of, run_command
from tests.evaluation.scenes import found_in, random_scene, truth_of, with_masks

main = command_of("evaluate metrics")


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
    perfect = measure(dataset.coco, truth_as_results(dataset.coco), "bbox")
    assert perfect["mAP"] == 1.0
    assert set(perfect["per_class"].values()) == {1.0}
    assert perfect["mAP_large"] is None  # there is no large object
    assert measure(dataset.coco, [], "bbox")["mAP"] == 0.0


def test_swapped_classes_score_nothing(dataset):
    results = truth_as_results(dataset.coco)
    for item in results:
        item["category_id"] = item["category_id"] % 3 + 1
    assert measure(dataset.coco, results, "bbox")["mAP"] == 0.0


def test_the_command_writes_metrics_for_boxes_and_masks(dataset, trained, tmp_path):
    run = run_command(
        *("mmdet-flow evaluate metrics", "--checkpoint", trained.checkpoint),
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
def test_another_class_order_is_refused(dataset, trained, tmp_path, capsys, order):
    coco = dataset.coco
    names = coco.classes
    for category, index in zip(coco.categories, order, strict=True):
        category["name"] = names[index]
    coco.write(tmp_path / "swapped.json")
    code = main(
        [
            *("--checkpoint", trained.checkpoint, "--images", dataset.images),
            *("--annotations", tmp_path / "swapped.json", "--output", tmp_path / "out"),
        ]
    )
    assert code == 3
    assert "shell, pebble, leaf" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def evaluated(folder, truth, found, *options) -> dict:
    """Run the command on files of a scene; return its metrics.json."""
    truth.write(folder / "truth.json")
    (folder / "found.json").write_text(json.dumps(found))
    code = main(
        [
            *("--annotations", str(folder / "truth.json")),
            *("--detections", str(folder / "found.json")),
            *("--output", str(folder / "out"), "--bootstrap", "20", *options),
        ]
    )
    assert code == 0
    return json.loads((folder / "out/metrics.json").read_text())


def table(path) -> list[dict]:
    with open(path, newline="") as stream:
        return list(csv.DictReader(stream))


def test_all_files_agree(tmp_path):
    truth, found = random_scene(seed=6, images=20)
    metrics = evaluated(tmp_path, truth, with_masks(found))
    assert metrics["iou_type"] == "segm" and set(metrics["intervals"]) >= {
        "bbox",
        "segm",
    }
    out = tmp_path / "out"
    for row in table(out / "metrics.csv"):
        own = metrics["metrics"][row["iou_type"]]
        own = own["per_class_metrics"][row["class"]] if row["class"] else own
        assert row["value"] == ("n/a" if (v := own[row["metric"]]) is None else str(v))
        if row["metric"] == "mAP":
            assert float(row["low"]) <= float(row["high"])
    images = table(out / "images.csv")
    assert len(images) == metrics["images"] == 20
    for error in table(out / "errors.csv"):
        count = metrics["errors"][error["error"]]["count"]
        assert count == int(error["all"]) == sum(int(i[error["error"]]) for i in images)
    totals = metrics["at_scores"]["all"]
    for key in ("true_positives", "false_positives", "objects"):
        assert totals[key] == sum(int(image[key]) for image in images)
    for name, limits in metrics["intervals"]["at_scores"].items():
        assert metrics["at_scores"][name].keys() > limits.keys()
        assert all(0 <= low <= high <= 1 for low, high in limits.values())
    confusion = table(out / "confusion.csv")
    assert totals["true_positives"] == sum(
        int(row[row["annotated \\ predicted"]]) for row in confusion
    )
    best = {row["class"]: 0.0 for row in table(out / "curves.csv")}
    for row in table(out / "curves.csv"):
        best[row["class"]] = max(best[row["class"]], float(row["f1"]))
    assert best == {name: one["f1"] for name, one in metrics["curves"].items()}
    calibration = [r for r in table(out / "calibration.csv") if r["class"] == "all"]
    counted = sum(int(row["count"]) for row in calibration)
    error = sum(
        int(row["count"]) * abs(float(row["precision"]) - float(row["score"]))
        for row in calibration
        if row["count"] != "0"
    )
    assert math.isclose(metrics["calibration"]["all"], error / counted, abs_tol=2e-4)


def test_the_same_detections_give_the_same_bytes(tmp_path):
    written = []
    for name in ("a", "b"):
        folder = tmp_path / name
        folder.mkdir()
        evaluated(folder, *random_scene(seed=7))
        files = sorted((folder / "out").iterdir())
        written.append({path.name: path.read_bytes() for path in files})
    assert written[0] == written[1]
    assert len([name for name in written[0] if name.endswith(".png")]) == 4


@pytest.mark.parametrize(
    ("truth", "found"),
    [
        (truth_of([]), found_in([("leaf", 0, 0, 20, 20, 0.9)])),
        (truth_of([("leaf", 0, 0, 20, 20)]), []),
        (truth_of([]), []),
    ],
)
def test_no_objects_or_no_detections_are_no_error(tmp_path, truth, found):
    metrics = evaluated(tmp_path, truth, found)
    objects = bool(truth.annotations)
    assert metrics["metrics"]["bbox"]["mAP"] == (0.0 if objects else None)
    assert metrics["at_scores"]["all"]["recall"] == (0.0 if objects else None)
    assert metrics["curves"]["leaf"] is None
    assert metrics["errors"]["missed"]["mAP_50_lost"] is None
    assert metrics["errors"]["background"]["mAP_50_lost"] == (0.0 if objects else None)
    assert metrics["errors"]["missed"]["count"] == int(objects)


def test_detections_of_other_images_are_refused(tmp_path, capsys):
    truth = truth_of([("leaf", 0, 0, 20, 20)])
    truth.write(tmp_path / "truth.json")
    found = found_in([], [("leaf", 0, 0, 20, 20, 0.9)])
    (tmp_path / "found.json").write_text(json.dumps(found))
    options = ["--annotations", tmp_path / "truth.json", "--output", tmp_path / "out"]
    options += ["--detections", tmp_path / "found.json"]
    assert main([str(option) for option in options]) == 3
    assert "found.json: image_id 2 is not in" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_classes_called_as_the_totals_are_keep_their_figures(tmp_path):
    classes = ("all", "background", "leaf")
    boxes = [(name, 30 * n, 0, 20, 20) for n, name in enumerate(classes)]
    truth = truth_of(boxes, classes=classes)
    found = found_in([(*boxes[0], 0.9)], classes=classes)
    evaluate(truth, Found(found), Scores(0.3), 0, tmp_path)
    figures = json.loads((tmp_path / "metrics.json").read_text())
    kept = figures["at_scores"]
    assert [kept[name]["recall"] for name in ("all", "(all)")] == [1.0, 0.3333]
    assert {"all", "(all)"} < figures["calibration"].keys()
    header = (tmp_path / "errors.csv").read_text().splitlines()[0]
    assert header == "error,all,background,leaf,(all),mAP_50_lost"
    header = (tmp_path / "confusion.csv").read_text().splitlines()[0]
    assert header.endswith(",all,background,leaf,(background)")
