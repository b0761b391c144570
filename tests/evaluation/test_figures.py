"""Curves, calibration, confusion, types of error, images, candidates: by hand."""

import numpy as np
import pytest

from mmdet_flow.evaluation.assignment import assign, overlap
from mmdet_flow.evaluation.calibration import expected_calibration_error, reliability
from mmdet_flow.evaluation.confusion import confusion_matrix
from mmdet_flow.evaluation.curves import (
    at_precision,
    at_recall,
    best_f1,
    curve,
    curve_of,
)
from mmdet_flow.evaluation.error_types import costs, count_errors
from mmdet_flow.evaluation.label_errors import label_errors
from mmdet_flow.evaluation.metrics import measure
from mmdet_flow.evaluation.per_image import image_results
from tests.evaluation.scenes import CLASSES, found_in, random_scene, truth_of

SCORE = np.array([0.9, 0.57, 0.57, 0.4])
RIGHT = np.array([True, True, False, True])

LEAF, SHELL = ("leaf", 0, 0, 40, 40), ("shell", 50, 50, 40, 40)
ASIDE = (60, 0, 20, 20)


def assigned(truth: list, *found: tuple):
    return assign(overlap(truth_of(truth), found_in(list(found)), "bbox"))


def test_a_curve():
    one = curve(SCORE, RIGHT, positives=4)
    assert one.score.tolist() == [0.9, 0.57, 0.4]
    assert one.true_positives.tolist() == [
        1,
        2,
        3,
    ] and one.false_positives.tolist() == [0, 1, 1]
    assert one.precision.tolist() == [1, 2 / 3, 3 / 4]
    assert one.recall.tolist() == [0.25, 0.5, 0.75]
    assert one.f1.tolist() == [2 / 5, 4 / 7, 6 / 8]


def test_points_of_a_curve():
    one = curve(SCORE, RIGHT, positives=4)
    assert best_f1(one) == {
        "score": 0.4, "precision": 0.75, "recall": 0.75, "f1": 0.75
    }  # fmt: skip
    assert at_recall(one, 0.5)["score"] == 0.57
    assert at_recall(one, 0.9) is None
    assert at_precision(one, 0.7)["score"] == 0.4  # it dips below on the way
    assert at_precision(one, 0.8)["score"] == 0.9


def test_a_curve_of_nothing_has_no_points():
    for one in (curve(SCORE, RIGHT & False, 0), curve(SCORE, RIGHT & False, 3)):
        assert best_f1(one) is at_recall(one, 0.5) is at_precision(one, 0.5) is None


def test_keeping_what_a_threshold_says_keeps_what_the_curve_counts():
    truth, found = random_scene(seed=1)
    overlaps = overlap(truth, found, "bbox")
    for label in range(3):
        one = curve_of(assign(overlaps), label)
        for index in (0, len(one.score) // 2, -1):
            kept = assign(overlaps, np.full(3, one.score[index]))
            again = curve_of(kept, label)
            assert again.true_positives[-1] == one.true_positives[index]
            assert again.false_positives[-1] == one.false_positives[index]


def test_calibration():
    score = np.array([0.95, 0.85, 0.85, 0.3, 1.0])
    right = np.array([True, True, False, False, True])
    bins = reliability(score, right)
    assert [one.count for one in bins] == [0, 0, 0, 1, 0, 0, 0, 0, 2, 2]
    assert bins[8].score == 0.85 and bins[8].precision == 0.5
    assert bins[3].low == 0.3 and bins[0].precision is None
    # |1 - 0.975| * 2/5 + |0.5 - 0.85| * 2/5 + |0 - 0.3| * 1/5
    assert expected_calibration_error(score, right) == 0.21
    assert expected_calibration_error(score[:0], right[:0]) is None


def test_confusion():
    result = assigned(
        [LEAF, SHELL, ("pebble", 0, 60, 30, 30)],
        (*LEAF, 0.9),
        ("pebble", *LEAF[1:], 0.8),  # its object is found: it has none of its own
        ("leaf", *SHELL[1:], 0.7),
        ("pebble", *SHELL[1:], 0.6),  # the better one took the object
        ("shell", *ASIDE, 0.5),
    )
    assert confusion_matrix(result, 3).tolist() == [
        [1, 0, 0, 0],
        [0, 0, 0, 1],
        [1, 0, 0, 0],
        [0, 2, 1, 0],
    ]


def test_confusion_counts_each_object_and_each_detection_once():
    truth, found = random_scene(seed=2, images=40)
    result = assign(overlap(truth, found, "bbox"))
    matrix = confusion_matrix(result, 3)
    objects = result.object_label[result.state != "ignored"]
    detections = result.label[result.outcome != "ignored"]
    assert matrix.sum(1)[:3].tolist() == np.bincount(objects).tolist()
    assert matrix.sum(0)[:3].tolist() == np.bincount(detections).tolist()


@pytest.mark.parametrize(
    ("wrong", "error", "base"),
    [
        # The shell counts as found once its class, or its place, is right.
        (("leaf", *SHELL[1:], 0.95), "classification", (0.5 + 0) / 2),
        (("shell", 50, 50, 16, 40, 0.8), "localisation", (1 + 0) / 2),
        # These go away, and the leaf is the first again.
        (("leaf", 50, 50, 16, 40, 0.95), "both", (0.5 + 0) / 2),
        (("leaf", *ASIDE, 0.95), "background", (0.5 + 0) / 2),
    ],
)
def test_the_cost_of_an_error(wrong, error, base):
    result = assigned([LEAF, SHELL], (*LEAF, 0.9), wrong)
    assert count_errors(result, 3)[error].sum() == 1
    gain = {"classification": 1, "localisation": 1}.get(error, 0.5) - base
    cost = costs(result, 3)
    assert cost[error] == round(gain, 4)
    # The shell that nothing shows: without it, leaves alone are asked for.
    missed = "missed" if error in ("both", "background") else None
    others = set(cost) - {error, missed}
    assert {cost[name] for name in others} == {0}
    if missed:
        assert cost[missed] == 0.25


def test_a_duplicate_costs_what_it_takes():
    again = ("leaf", 0, 0, 40, 38, 0.85)
    result = assigned([LEAF, ("leaf", 50, 0, 40, 40)], (*LEAF, 0.9), again,
                      ("leaf", 50, 0, 40, 40, 0.8))  # fmt: skip
    cost = costs(result, 3)
    assert cost["duplicate"] == round(1 - (51 + 50 * 2 / 3) / 101, 4)
    assert cost["classification"] == cost["missed"] == 0


def test_costs_begin_at_the_map_of_pycocotools():
    """Without any error but the missed, and without these, mAP_50 would be 1."""
    truth, found = random_scene(seed=4)
    measured = measure(truth, found, "bbox")["mAP_50"]
    cost = costs(assign(overlap(truth, found, "bbox")), 3)
    assert all(0 <= value <= 1 - measured + 1e-4 for value in cost.values())
    assert sum(cost.values()) > 0
    assert set(costs(assigned([], (*LEAF, 0.9)), 3).values()) == {None}


def test_images_are_worst_first():
    truth = truth_of([LEAF], [LEAF, SHELL], [], [LEAF])
    found = found_in([(*LEAF, 0.9)], [(*LEAF, 0.9)], [], [("shell", *ASIDE, 0.6)])
    results = image_results(assign(overlap(truth, found, "bbox")))
    assert [(one.file, one.f1) for one in results] == [
        ("4.png", 0.0),
        ("2.png", round(2 / 3, 4)),
        ("1.png", 1.0),
        ("3.png", None),
    ]
    worst = results[0]
    assert (worst.false_positives, worst.false_negatives) == (1, 1)
    assert {name: n for name, n in worst.errors.items() if n} == {
        "background": 1,
        "missed": 1,
    }


def test_candidates_are_sure_and_disagree():
    result = assigned(
        [LEAF, SHELL],
        (*LEAF, 0.99),
        ("pebble", *SHELL[1:], 0.7),
        ("shell", *ASIDE, 0.8),
        ("shell", 0, 70, 20, 20, 0.4),
        ("pebble", *LEAF[1:], 0.9),  # the leaf is confirmed
    )
    rows = [one.row_of(CLASSES) for one in label_errors(result)]
    assert rows == [
        ("1.png", "overlooked?", 0.8, "shell", "", 0.0, 60, 0, 20, 20),
        ("1.png", "swapped class?", 0.7, "pebble", "shell", 1.0, 50, 50, 40, 40),
    ]
