import numpy as np
import pytest

from mmdet_flow.evaluation.bootstrap import (
    draw_weights,
    intervals,
    matches_of,
    paired_differences,
    resample,
)
from mmdet_flow.evaluation.metrics import evaluate_coco
from tests.evaluation.scenes import CLASSES, found_in, random_scene, stats_of, truth_of

LEAF = ("leaf", 0, 0, 40, 40)


@pytest.mark.parametrize("seed", range(5))
def test_each_image_once_gives_the_figures_of_pycocotools(seed):
    evaluation = evaluate_coco(*random_scene(seed), "bbox")
    once = np.ones((1, len(evaluation.params.imgIds)), int)
    values = resample(matches_of(evaluation), once)
    assert values.mean() == pytest.approx(stats_of(evaluation)[0], abs=1e-12)
    assert values[..., 0].mean() == pytest.approx(stats_of(evaluation)[1], abs=1e-12)


def test_a_weight_of_two_is_an_image_twice():
    objects, detections = [LEAF], [(*LEAF, 0.9), ("leaf", 60, 60, 20, 20, 0.95)]
    other, others = [LEAF], [(*LEAF, 0.8)]
    twice = evaluate_coco(
        truth_of(objects, objects, other),
        found_in(detections, detections, others),
        "bbox",
    )
    once = evaluate_coco(truth_of(objects, other), found_in(detections, others), "bbox")
    values = resample(matches_of(once), np.array([[2, 1]]))
    assert values[0, 0].mean() == pytest.approx(stats_of(twice)[0])


def test_intervals_by_hand():
    """One image of two is all right, the other all wrong: mAP is 1, 0 or between."""
    truth = truth_of([LEAF], [LEAF])
    found = found_in([(*LEAF, 0.9)], [])
    limits = intervals(evaluate_coco(truth, found, "bbox"), CLASSES, samples=200)
    assert limits["mAP"] == limits["mAP_50"] == limits["per_class"]["leaf"] == [0, 1]
    assert limits["per_class"]["shell"] is None


@pytest.mark.parametrize("found", [[(*LEAF, 0.9)], []])
def test_images_that_are_all_alike_give_no_interval(found):
    evaluation = evaluate_coco(truth_of([LEAF], [LEAF]), found_in(found, found), "bbox")
    limits = intervals(evaluation, CLASSES, samples=20)
    assert limits["mAP"] is None and limits["per_class"]["leaf"] is None


def test_draws_are_those_of_the_seed():
    weights = draw_weights(7, 50, seed=3)
    assert (weights.sum(1) == 7).all()
    assert (weights == draw_weights(7, 50, seed=3)).all()
    assert (weights != draw_weights(7, 50, seed=4)).any()


@pytest.mark.parametrize("seed", range(3))
def test_paired_differences_are_those_of_the_figures(seed):
    truth, found = random_scene(seed)
    better = [row | {"score": 0.9} for row in found]
    first, second = (evaluate_coco(truth, rows, "bbox") for rows in (found, better))
    differences = paired_differences(first, second, CLASSES, samples=50)
    own = differences["mAP"]
    wanted = stats_of(second)[0] - stats_of(first)[0]
    assert own["difference"] == pytest.approx(wanted, abs=5e-5)
    assert own["low"] <= own["high"]
    assert set(differences["per_class"]) == set(CLASSES)
    swapped = paired_differences(second, first, CLASSES, samples=50)["mAP"]
    assert swapped == {
        "difference": -own["difference"],
        "low": -own["high"],
        "high": -own["low"],
    }


def test_what_both_do_alike_cancels_out():
    """Both find the same part of each image: each is unsure, the difference is not."""
    truth = truth_of([LEAF], [LEAF], [LEAF], [LEAF])
    found = found_in([(*LEAF, 0.9)], [], [(*LEAF, 0.9)], [])
    one = evaluate_coco(truth, found, "bbox")
    low, high = intervals(one, CLASSES, samples=200)["mAP"]
    assert high - low > 0.4
    same = paired_differences(one, one, CLASSES, samples=200)
    assert same["mAP"] == {"difference": 0, "low": 0, "high": 0}
    assert same["per_class"]["shell"] is None


def test_a_difference_in_one_image_of_many_is_not_sure():
    images = [[LEAF]] * 6
    every = found_in(*([(*LEAF, 0.9)] for _ in images))
    first, second = (
        evaluate_coco(truth_of(*images), rows, "bbox") for rows in (every[1:], every)
    )
    own = paired_differences(first, second, CLASSES, samples=200)["mAP"]
    assert own["low"] == 0 < own["difference"] < own["high"]


@pytest.mark.parametrize("others", [[], [[]], [[("shell", 0, 0, 9, 9)]]])
def test_objects_of_a_single_image_give_no_interval(others):
    truth = truth_of([LEAF], *others)
    found = found_in([(*LEAF, 0.9)], *([] for _ in others))
    evaluation = evaluate_coco(truth, found, "bbox")
    limits = intervals(evaluation, CLASSES, samples=20)
    assert limits["per_class"]["leaf"] is None
    assert (limits["mAP"] is None) == (not others or not others[0])
    own = paired_differences(evaluation, evaluation, CLASSES, samples=20)
    nothing = {"difference": 0, "low": None, "high": None}
    assert own["per_class"]["leaf"] == nothing
