import numpy as np
import pytest

from mmdet_flow.evaluation.metrics import (
    METRICS,
    average_precision,
    evaluate_coco,
    measure,
    summary,
)
from tests.evaluation.scenes import (
    found_in,
    random_scene,
    stats_of,
    truth_of,
    with_masks,
)

TWO_LEAVES = [("leaf", 0, 0, 40, 40), ("leaf", 50, 50, 40, 40)]


def test_an_average_precision_by_hand():
    truth = truth_of(TWO_LEAVES)
    found = found_in(
        [
            ("leaf", 0, 0, 40, 40, 0.9),
            ("leaf", 60, 0, 30, 30, 0.8),
            ("leaf", 50, 50, 40, 40, 0.7),
        ]
    )
    measured = measure(truth, found, "bbox")
    # Precision is 1 up to half of the objects (51 of 101 recalls), then 2 of 3.
    assert measured["mAP"] == round((51 + 50 * 2 / 3) / 101, 4)
    assert measured["per_class"] == {
        "leaf": measured["mAP"],
        "pebble": None,
        "shell": None,
    }
    assert measured["AR_1"] == 0.5 and measured["AR_100"] == 1.0
    # The wrong one is small.
    assert measured["mAP_medium"] == 1.0
    assert measured["per_class_metrics"]["leaf"]["mAP_medium"] == 1.0
    assert measured["mAP_small"] is None and measured["mAP_large"] is None


def test_what_is_exact_scores_1_and_nothing_scores_0():
    truth = truth_of(TWO_LEAVES)
    exact = found_in([(*one, 0.9) for one in TWO_LEAVES])
    assert measure(truth, exact, "bbox")["mAP"] == 1.0
    assert measure(truth, [], "bbox")["mAP"] == 0.0


def test_without_objects_nothing_is_known():
    measured = measure(truth_of([]), found_in([("leaf", 0, 0, 9, 9, 0.9)]), "bbox")
    assert {measured[name] for name in METRICS} == {None}


def test_sizes_are_those_of_masks_not_of_their_boxes():
    """A mask of 30 x 30 in a box of 40 x 30 is small; the box would be medium."""
    truth = truth_of([("leaf", 0, 0, 30, 30)])
    found = with_masks(found_in([("leaf", 0, 0, 40, 30, 0.9)]))
    found += with_masks(found_in([("leaf", 50, 0, 40, 30, 0.95)]))
    assert measure(truth, found, "segm")["mAP_small"] == 0.5
    assert measure(truth, found, "bbox")["mAP_small"] > 0.5


def test_average_precision_without_objects_is_not_a_number():
    assert np.isnan(average_precision(np.ones((1, 2)), np.zeros((1, 2)), 0)).all()


@pytest.mark.parametrize("iou_type", ["bbox", "segm"])
def test_the_figures_are_those_of_mmdet(iou_type, tmp_path):
    """Fed with the same detections, mmdet's evaluator prints the same figures."""
    from mmdet.evaluation import CocoMetric

    truth, found = random_scene(seed=5)
    found = with_masks(found)
    truth.write(tmp_path / "truth.json")
    metric = CocoMetric(
        ann_file=str(tmp_path / "truth.json"), metric=iou_type, classwise=True
    )
    metric.dataset_meta = {"classes": tuple(truth.classes)}
    metric.process({}, [as_sample(image, found) for image in truth.images])
    theirs = metric.evaluate(len(truth.images))
    evaluation = evaluate_coco(truth, found, iou_type)
    names = ("mAP", "mAP_50", "mAP_75", "mAP_s", "mAP_m", "mAP_l")
    for name, value in zip(names, stats_of(evaluation), strict=False):
        assert theirs[f"coco/{iou_type}_{name}"] == float(f"{value:.3f}")
    ours = summary(evaluation, truth.classes)
    for name, value in ours["per_class"].items():
        assert theirs[f"coco/{name}_precision"] == pytest.approx(value, abs=6e-4)
    assert 0 < ours["mAP_small"] < 1 and ours["mAP"] != ours["mAP_small"]


def as_sample(image: dict, found: list[dict]) -> dict:
    import torch

    rows = [row for row in found if row["image_id"] == image["id"]]
    boxes = np.array([row["bbox"] for row in rows]).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    return {
        "img_id": image["id"],
        "ori_shape": (image["height"], image["width"]),
        "pred_instances": {
            "bboxes": torch.tensor(boxes),
            "scores": torch.tensor([row["score"] for row in rows]),
            "labels": torch.tensor([row["category_id"] - 1 for row in rows]),
            "masks": [row["segmentation"] for row in rows],
        },
    }
