"""What is kept at the thresholds, counted by hand, and what is said of it."""

import numpy as np
import pytest

from mmdet_flow.evaluation.answer import HEADER, answer, percent, rows
from mmdet_flow.evaluation.assignment import assign, overlap
from mmdet_flow.evaluation.counts import Counts, count_intervals, counts_of
from tests.evaluation.scenes import found_in, truth_of

LEAF, SHELL = ("leaf", 0, 0, 40, 40), ("shell", 60, 60, 40, 40)


def kept_of(truth, found):
    return assign(overlap(truth, found, "bbox"), np.full(len(truth.classes), 0.5))


def test_each_image_is_counted_by_hand():
    truth = truth_of([LEAF, SHELL], [LEAF], [])
    found = found_in(
        [(*LEAF, 0.9), ("leaf", *SHELL[1:], 0.8)],  # one right, one of a shell
        [(*LEAF, 0.4)],  # below the threshold
        [(*LEAF, 0.9)],  # of nothing
    )
    kept = kept_of(truth, found)
    leaf = counts_of(kept, truth.classes.index("leaf"))
    assert leaf.objects.tolist() == [1, 1, 0]
    assert leaf.true_positives.tolist() == [1, 0, 0]
    assert leaf.false_positives.tolist() == [1, 0, 1]
    every = counts_of(kept)
    assert every.objects.tolist() == [2, 1, 0]
    assert every.false_positives.tolist() == [1, 0, 1]


def counts(*rows) -> Counts:
    """Return counts of images: objects, true and false positives."""
    return Counts(*np.array(rows).T)


def test_intervals_are_those_of_drawn_images():
    """Half of the images have all, half nothing: draws go from nothing to all."""
    unsure = counts((1, 1, 0), (1, 0, 1))
    limits = count_intervals({"unsure": unsure}, samples=200)
    assert limits["unsure"] == {"precision": [0, 1], "recall": [0, 1]}


@pytest.mark.parametrize(("images", "chance"), [(2, 0.8419), (4, 0.6024), (60, 0.0596)])
def test_images_that_are_all_alike_leave_room_for_the_next(images, chance):
    """So often may be another what was seen in none of them, in 97.5 of 100 cases."""
    assert (1 - chance) ** images == pytest.approx(0.025, rel=0.005)
    all_right, all_wrong = [counts(*[row] * images) for row in ((2, 2, 0), (3, 0, 1))]
    limits = count_intervals({"right": all_right, "wrong": all_wrong}, samples=20)
    high = [pytest.approx(1 - chance, abs=1e-4), 1]
    assert limits["right"] == {"precision": high, "recall": high}
    low = [0, pytest.approx(chance, abs=1e-4)]
    assert limits["wrong"] == {"precision": low, "recall": low}


def test_large_images_count_by_their_objects():
    """The ratio is of all objects together, not the mean over images."""
    drawn = counts((1, 1, 0), (9, 0, 0)).drawn(np.array([[1, 1], [3, 1]]))
    assert drawn.ratios()["recall"].tolist() == [0.1, 0.25]


@pytest.mark.parametrize(
    ("rows", "wanted"),
    [
        ([(3, 2, 1), (0, 0, 2)], {"recall": None}),  # objects of a single image
        ([(3, 0, 0), (2, 0, 0)], {"precision": None}),
        ([(0, 0, 0), (0, 0, 0)], {"precision": None, "recall": None}),
        ([(2, 1, 1)] * 60, {"precision": None, "recall": None}),  # half of each
    ],
)
def test_what_cannot_vary_has_no_interval(rows, wanted):
    limits = count_intervals({"leaf": counts(*rows)}, samples=50)["leaf"]
    assert {key: limits[key] for key in wanted} == wanted


def metrics(objects, right, wrong, limits=None) -> dict:
    """Return the part of a metrics file that is read here, of one class."""
    own = {
        "objects": objects,
        "true_positives": right,
        "false_positives": wrong,
        "recall": right / objects if objects else None,
        "precision": right / (right + wrong) if objects and right + wrong else None,
    }
    of_all = {"all": limits, "leaf": limits}
    intervals = {"at_scores": of_all} if limits else {}
    return {
        "scores": {"leaf": 0.4},
        "at_scores": {"all": own, "leaf": own},
        "intervals": intervals,
    }


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (
            metrics(40, 30, 10, {"recall": [0.7, 0.81], "precision": [0.6, 0.9]}),
            "finds 30 of 40 (recall 75 %, 70 to 81); 10 of 40 reported are wrong "
            "(precision 75 %, 60 to 90)",
        ),
        (
            metrics(40, 0, 0),
            "finds 0 of 40 (recall 0 %); reports nothing",
        ),
        (
            metrics(0, 0, 5),
            "has no object to find; 5 of 5 reported are wrong (precision n/a)",
        ),
        (metrics(0, 0, 0), "has no object to find; reports nothing"),
    ],
)
def test_the_answer_is_a_line_in_plain_words(given, text):
    assert answer(given) == text


def test_the_same_as_cells():
    given = metrics(40, 30, 10, {"recall": [0.7, 0.81], "precision": [0.6, 0.9]})
    cells = "30 of 40", "75 %, 70 to 81", "10 of 40", "75 %, 60 to 90"
    assert list(rows(given)) == [("all", "", *cells), ("leaf", "0.400", *cells)]
    assert {len(one) for one in rows(given)} == {len(HEADER)}


@pytest.mark.parametrize(
    ("value", "text"),
    [(1.0, "100 %"), (0.9999, "99 %"), (0.995, "99 %"), (0.0, "0 %"), (None, "n/a")],
)
def test_only_the_whole_is_100_percent(value, text):
    assert percent(value, None) == text
