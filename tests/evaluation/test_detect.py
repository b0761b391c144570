"""Detections from a file: measured as they are meant, or refused with their row."""

import json

import numpy as np
import pytest

from mmdet_flow.evaluation.assignment import assign, overlap
from mmdet_flow.evaluation.detect import read_detections
from mmdet_flow.evaluation.metrics import limit_of, measure
from tests.evaluation.scenes import corners, found_in, truth_of, with_masks

LEAF = ("leaf", 10, 10, 40, 40)


def read(tmp_path, rows, truth):
    path = tmp_path / "found.json"
    path.write_text(json.dumps(rows))
    return read_detections(path, truth)


def square(change: dict) -> dict:
    (row,) = found_in([(*LEAF, 0.9)])
    return {key: value for key, value in (row | change).items() if value != "none"}


@pytest.mark.parametrize(
    "shape",
    [
        [corners(*LEAF[1:])],
        corners(*LEAF[1:]),
        {"counts": [1010, *[40, 60] * 39, 40, 5050], "size": [100, 100]},
    ],
)
def test_polygons_and_masks_are_measured(shape, tmp_path):
    truth = truth_of([LEAF])
    found = read(tmp_path, [square({"segmentation": shape})], truth)
    assert found.iou_types(truth) == ["bbox", "segm"]
    assert measure(truth, found.rows, "segm")["mAP"] == 1.0
    half = square({"segmentation": [corners(10, 10, 20, 40)]})
    found = read(tmp_path, [half], truth)
    assert measure(truth, found.rows, "segm")["mAP"] == 0.1  # an IoU of 0.5
    json.dumps(found.rows)


def test_what_has_a_mask_alone_gets_its_box(tmp_path):
    truth = truth_of([LEAF])
    row = square({"bbox": "none", "segmentation": [corners(*LEAF[1:])]})
    assert read(tmp_path, [row], truth).rows[0]["bbox"] == list(LEAF[1:])


def test_masks_of_some_are_said_not_to_be_measured(tmp_path, caplog):
    truth = truth_of([LEAF])
    rows = [square({"segmentation": [corners(*LEAF[1:])]}), square({})]
    with caplog.at_level("WARNING", "mmdet_flow"):
        assert read(tmp_path, rows, truth).iou_types(truth) == ["bbox"]
    assert "masks are not measured, boxes are: 1 of 2" in caplog.text


@pytest.mark.parametrize("ids", [(0, 1), (7, 7), (3, 2)])
def test_ids_of_annotations_decide_nothing(ids):
    truth = truth_of([LEAF, ("leaf", 60, 60, 30, 30)])
    for item, key in zip(truth.annotations, ids, strict=True):
        item["id"] = key
    exact = found_in([(*LEAF, 0.9), ("leaf", 60, 60, 30, 30, 0.8)])
    assert measure(truth, exact, "bbox")["mAP"] == 1.0
    assert [item["id"] for item in truth.annotations] == list(ids)


def test_all_of_many_objects_count():
    """Those of COCO, too, but for AR_100, which says how many it is of."""
    boxes = [("leaf", 5 * (n % 20), 5 * (n // 20), 4, 4) for n in range(300)]
    truth = truth_of(boxes)
    found = found_in([(*box, 1 - n / 1000) for n, box in enumerate(boxes)])
    assert limit_of(truth) == 3000
    assert limit_of(truth_of(boxes[:100])) == 100
    kept = assign(overlap(truth, found, "bbox"))
    assert (kept.outcome == "true_positive").sum() == 300
    assert (kept.state == "true_positive").all()
    figures = measure(truth, found, "bbox")
    assert figures["AR_100"] == figures["per_class_metrics"]["leaf"]["AR_100"] == 0.3333
    assert figures["mAP"] == figures["AR_small"] == 1.0


def test_a_score_that_is_the_threshold_reaches_it():
    """A model's 0.7 is float32, which is below the double of that name."""
    truth = truth_of([LEAF])
    found = found_in([(*LEAF, float(np.float32(0.7)))])
    kept = assign(overlap(truth, found, "bbox"), np.array([0.7, 0.7, 0.7]))
    assert len(kept.rows) == 1
    assert not len(assign(overlap(truth, found, "bbox"), np.full(3, 0.7001)).rows)


def test_masks_of_a_model_are_read_as_they_are(tmp_path):
    truth = truth_of([LEAF])
    rows = with_masks(found_in([(*LEAF, 0.9)]))
    assert read(tmp_path, rows, truth).rows == rows
