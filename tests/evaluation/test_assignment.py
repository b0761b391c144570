import numpy as np
import pytest

from mmdet_flow.evaluation.assignment import assign, overlap
from mmdet_flow.evaluation.metrics import evaluate_coco
from tests.evaluation.scenes import found_in, random_scene, truth_of, with_masks

LEAF = ("leaf", 0, 0, 40, 40)


@pytest.mark.parametrize(
    ("detections", "outcomes", "state"),
    [
        ([("leaf", 0, 0, 40, 40, 0.9)], ["true_positive"], "true_positive"),
        # IoU of exactly one half is enough
        ([("leaf", 0, 0, 40, 20, 0.9)], ["true_positive"], "true_positive"),
        ([("shell", 0, 0, 40, 40, 0.9)], ["classification"], "classification"),
        # 16 of 40 columns: IoU 0.4
        ([("leaf", 0, 0, 16, 40, 0.9)], ["localisation"], "localisation"),
        ([("shell", 0, 0, 16, 40, 0.9)], ["both"], "missed"),
        # 3 of 40 columns: IoU 0.075
        ([("leaf", 0, 0, 3, 40, 0.9)], ["background"], "missed"),
        ([("leaf", 60, 60, 20, 20, 0.9)], ["background"], "missed"),
        (
            [("leaf", 0, 0, 40, 38, 0.8), ("leaf", 0, 0, 40, 30, 0.9)],
            [
                "true_positive",
                "duplicate",
            ],  # the higher score wins, not the better place
            "true_positive",
        ),
        ([], [], "missed"),
    ],
)
def test_each_type_of_error(detections, outcomes, state):
    found = assign(overlap(truth_of([LEAF]), found_in(detections), "bbox"))
    assert found.outcome.tolist() == outcomes
    assert found.state.tolist() == [state]


def test_a_lower_score_than_that_of_the_class_is_left_out():
    truth = truth_of([LEAF])
    found = found_in([("leaf", 0, 0, 40, 40, 0.4), ("shell", 0, 0, 40, 40, 0.4)])
    kept = assign(overlap(truth, found, "bbox"), np.array([0.5, 0.5, 0.4]))
    assert kept.outcome.tolist() == ["classification"]
    assert kept.label.tolist() == [2]


def test_crowds_take_any_number_and_count_for_nothing():
    truth = truth_of([(*LEAF, True)])
    found = found_in([("leaf", 0, 0, 20, 20, 0.9), ("leaf", 20, 20, 20, 20, 0.8)])
    result = assign(overlap(truth, found, "bbox"))
    assert result.outcome.tolist() == ["ignored", "ignored"]
    assert result.state.tolist() == ["ignored"]


def test_masks_are_compared_as_masks():
    """The box fits exactly; of the mask three quarters are there."""
    truth = truth_of([LEAF])
    found = with_masks(found_in([(*LEAF, 0.9)]))
    assert assign(overlap(truth, found, "bbox")).iou.tolist() == [1]
    assert assign(overlap(truth, found, "segm")).iou.tolist() == [0.75]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("iou_type", ["bbox", "segm"])
def test_matches_are_those_of_pycocotools(seed, iou_type):
    truth, found = random_scene(seed, images=30)
    found = with_masks(found)
    evaluation = evaluate_coco(truth, found, iou_type)
    theirs = []
    for one in evaluation.evalImgs:
        if one is not None and one["aRng"] == evaluation.params.areaRng[0]:
            for matched, ignored, score in zip(
                *(one["dtMatches"][0], one["dtIgnore"][0], one["dtScores"]),
                strict=True,
            ):
                place = (one["image_id"], one["category_id"], score)
                what = (
                    "ignored"
                    if ignored
                    else "true_positive"
                    if matched
                    else "false_positive"
                )
                theirs.append((*place, what))
    ours = assign(overlap(truth, found, iou_type))
    outcomes = [
        name if name in ("true_positive", "ignored") else "false_positive"
        for name in ours.outcome
    ]
    mine = [
        (row["image_id"], row["category_id"], row["score"], what)
        for row, what in zip(ours.rows, outcomes, strict=True)
    ]
    assert sorted(mine) == sorted(theirs)
    assert {"true_positive", "ignored", "false_positive"} <= set(outcomes)


def test_all_detections_of_a_class_in_an_image_count():
    found = found_in([("leaf", 0, 0, 40, 40, n / 200) for n in range(120)])
    kept = assign(overlap(truth_of([LEAF]), found, "bbox"))
    assert len(kept.rows) == 120
