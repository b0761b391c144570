import json

import numpy as np
import pytest

from mmdet_flow.commands.predict import task_of
from mmdet_flow.dataset.classes import classes_sha256
from mmdet_flow.detections import Detections, Mask
from mmdet_flow.errors import DataError, FlowError, UsageError
from mmdet_flow.inference.options import model_options
from mmdet_flow.inference.scores import read_scores
from tests.conftest import command_of, parser_of

CLASSES = ("leaf", "pebble", "shell")


@pytest.fixture
def thresholds(tmp_path):
    def write(**changes):
        content = {
            "scores": {"leaf": 0.25, "pebble": 0.5, "shell": 0.75},
            "classes_sha256": classes_sha256(CLASSES),
            "model_sha256": "a" * 64,
        }
        path = tmp_path / "thresholds.json"
        path.write_text(json.dumps(content | changes))
        return path

    return write


def test_a_number_is_for_all_classes():
    assert read_scores(0.3, None).for_classes(CLASSES, "b" * 64) == 0.3
    assert read_scores(0.3, None).minimum == 0.3


def test_auto_takes_the_score_of_each_class(thresholds):
    scores = read_scores("auto", thresholds())
    assert scores.minimum == 0.25
    assert scores.for_classes(CLASSES, "a" * 64).tolist() == [0.25, 0.5, 0.75]


@pytest.mark.parametrize(
    ("score", "changes", "error", "message"),
    [
        ("auto", None, UsageError, "--score auto: needs --thresholds FILE"),
        (0.3, {}, UsageError, "--thresholds: is for --score auto"),
        ("auto", {"scores": 3}, DataError, "is not of mmdet-flow evaluate thresholds"),
        ("auto", {"scores": {}}, DataError, "is not of mmdet-flow evaluate thresholds"),
        ("auto", {"classes_sha256": "b"}, DataError, "is for the classes leaf, pebble"),
        ("auto", {"model_sha256": "b" * 64}, DataError, "is for another model (bbbb"),
    ],
)
def test_what_does_not_fit_is_one_line(thresholds, score, changes, error, message):
    path = None if changes is None else thresholds(**changes)
    with pytest.raises(FlowError) as raised:
        read_scores(score, path).for_classes(CLASSES, "a" * 64)
    assert type(raised.value) is error
    assert message in str(raised.value) and "\n" not in str(raised.value)


def test_a_model_that_found_nothing_has_one_score_and_says_so(thresholds, caplog):
    path = thresholds(scores={}, classes={name: {} for name in CLASSES})
    scores = read_scores("auto", path)
    assert scores.for_classes(CLASSES, "a" * 64).tolist() == [0.3] * 3
    assert "the model found no object; 0.3 is taken, but train longer" in caplog.text
    with pytest.raises(DataError, match="is for another model"):
        scores.for_classes(CLASSES, "b" * 64)


def test_detections_are_kept_by_the_score_of_their_class():
    found = Detections(
        *(10, 10, np.zeros((4, 4), np.float32)),
        np.array([0.8, 0.6, 0.5, 0.5], np.float32),
        *(np.array([2, 2, 1, 0]), CLASSES),
        tuple(Mask(0, 0, np.full((1, 1 + number), True)) for number in range(4)),
    )
    kept = found.above(np.array([0.25, 0.5, 0.75]))
    assert kept.labels.tolist() == [2, 1, 0]
    assert [mask.area for mask in kept.masks] == [1, 3, 4]
    assert len(found.above(0.55)) == 2


def test_a_score_is_compared_as_the_model_has_it():
    """float32 and its decimal differ: 0.57 in a file is 0.5699999 in the model."""
    found = Detections(
        *(1, 1, np.zeros((1, 4), np.float32), np.array([0.57], np.float32)),
        *(np.array([0]), ("leaf",)),
    )
    assert len(found.above(np.array([0.57]))) == len(found.above(0.57)) == 1
    assert len(found.above(np.array([0.571]))) == len(found.above(0.571)) == 0


def test_the_journal_tells_scores_apart(tmp_path, thresholds):
    def settings(*options):
        places = ["--prediction_in", "i", "--prediction_out", str(tmp_path / "o")]
        parser = parser_of("predict")
        task = task_of(parser.parse_args(["--checkpoint", "c", *places, *options]))
        return task.settings()

    auto = ("--score", "auto", "--thresholds", str(thresholds()))
    first = settings(*auto)
    assert first["score"] == {"leaf": 0.25, "pebble": 0.5, "shell": 0.75}
    thresholds(images=99)  # other news in the file change no result
    assert settings(*auto) == first
    thresholds(scores={"leaf": 0.25, "pebble": 0.5, "shell": 0.7})
    assert settings(*auto) != first
    assert settings()["score"] == 0.0 and settings("--score", "0.3")["score"] == 0.3


def test_auto_without_a_file_is_said_before_anything_is_made(tmp_path, capsys):
    options = ["--checkpoint", "c", "--prediction_in", str(tmp_path)]
    options += ["--prediction_out", str(tmp_path / "out"), "--score", "auto"]
    assert command_of("predict")(options) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: --score auto: needs --thresholds")
    assert error.count("\n") == 1 and not (tmp_path / "out").exists()


def test_the_service_takes_the_same_options(thresholds):
    parser = parser_of("serve")
    options = ["--checkpoint", "c", "--score", "auto", "--thresholds"]
    options = parser.parse_args([*options, str(thresholds())])
    assert model_options(options).scores.minimum == 0.25
    options = parser.parse_args(["--checkpoint", "c"])
    assert model_options(options).scores.value == 0.0


def test_a_score_that_is_no_number_is_refused(capsys):
    with pytest.raises(SystemExit) as stopped:
        parser_of("predict").parse_args(["--score", "best"])
    assert stopped.value.code == 2
    assert "give a number from 0 to 1, or auto, not 'best'" in capsys.readouterr().err
