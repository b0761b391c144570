import json

import pytest

from mmdet_flow.evaluation.detect import Found
from mmdet_flow.evaluation.thresholds import thresholds
from tests.conftest import command_of
from tests.evaluation.scenes import found_in, random_scene, truth_of

main = command_of("evaluate thresholds")

LEAVES = [("leaf", x, 0, 18, 18) for x in (0, 20, 40, 60)]
PEBBLE = ("pebble", 0, 50, 30, 30)


def found_leaves() -> list[tuple]:
    """Four of six are right; by score: right, right, wrong, right, wrong, right."""
    scores = (0.9, 0.8, 0.6, 0.4)
    right = [(*leaf, score) for leaf, score in zip(LEAVES, scores, strict=True)]
    return [*right, ("leaf", 60, 60, 20, 20, 0.7), ("leaf", 30, 60, 20, 20, 0.5)]


@pytest.mark.parametrize(
    ("use", "expected"),
    [
        ("f1", 0.4),  # 8 / 10, before it 3 of 4 at 6 / 8
        ("recall", 0.6),
        ("precision", 0.8),
    ],
)
def test_the_score_of_a_class(use, expected):
    truth = truth_of([*LEAVES, PEBBLE])
    found = Found(found_in([*found_leaves(), (*PEBBLE, 0.3)]))
    content = thresholds(truth, found, use, recall=0.75, precision=0.9)
    assert content["scores"]["leaf"] == expected
    assert content["classes"]["leaf"][use]["score"] == expected
    assert content["scores"]["pebble"] == 0.3
    assert content["classes"]["leaf"]["f1"] == {
        "score": 0.4, "precision": 0.6667, "recall": 1.0, "f1": 0.8
    }  # fmt: skip


def test_a_class_that_was_not_found_takes_the_score_of_all(caplog):
    truth = truth_of([*LEAVES, PEBBLE])
    content = thresholds(truth, Found(found_in([found_leaves()[0]])), "f1", 0.9, 0.9)
    assert content["classes"]["pebble"]["f1"] is None
    assert content["classes"]["shell"]["objects"] == 0
    assert content["scores"] == {"leaf": 0.9, "pebble": 0.9, "shell": 0.9}


def test_what_is_not_reached_gives_way_to_f1():
    truth = truth_of(LEAVES)
    content = thresholds(truth, Found(found_in(found_leaves()[:2])), "recall", 0.9, 0.9)
    assert content["classes"]["leaf"]["recall"] is None
    assert content["scores"]["leaf"] == 0.8


def run(folder, truth, found, *options) -> int:
    truth.write(folder / "val.json")
    (folder / "found.json").write_text(json.dumps(found))
    return main(
        [
            *("--annotations", str(folder / "val.json")),
            *("--detections", str(folder / "found.json")),
            *("--output", str(folder / "thresholds.json"), *options),
        ]
    )


def test_the_command_writes_the_same_bytes_again(tmp_path):
    assert run(tmp_path, *random_scene(seed=8)) == 0
    first = (tmp_path / "thresholds.json").read_bytes()
    (tmp_path / "thresholds.json").unlink()
    assert run(tmp_path, *random_scene(seed=8)) == 0
    assert (tmp_path / "thresholds.json").read_bytes() == first
    assert set(json.loads(first)["scores"]) == {"leaf", "pebble", "shell"}


def test_where_nothing_is_found_there_is_no_score(tmp_path):
    assert run(tmp_path, truth_of(LEAVES), []) == 0
    content = json.loads((tmp_path / "thresholds.json").read_text())
    assert content["scores"] == {} and content["all"]["f1"] is None


def test_a_wanted_fraction_above_1_is_refused(tmp_path, capsys):
    assert run(tmp_path, truth_of(LEAVES), [], "--recall", "90") == 2
    assert "error: --recall: give a value above 0" in capsys.readouterr().err
