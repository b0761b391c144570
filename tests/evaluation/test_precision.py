import json
import shutil

import numpy as np
import pytest

from mmdet_flow.dataset.coco import CocoFile
from mmdet_flow.errors import ModelError
from mmdet_flow.evaluation.precision import Candidate, choose
from mmdet_flow.images import read_image
from mmdet_flow.inference.detector import Detector
from mmdet_flow.inference.engines.quantize import quantize
from mmdet_flow.inference.int8_file import int8_file, read_int8, write_int8
from mmdet_flow.inference.package_file import CHECKPOINT, open_package
from mmdet_flow.inference.precision import chosen_precision, here, precision_file
from tests.conftest import command_of, run_command

package = command_of("handover package")

EXACT = Candidate("fp32", 0.5, 10.0)


@pytest.mark.parametrize(
    ("other", "winner", "reason"),
    [
        (Candidate("bf16", 0.498, 20.0), "bf16", ""),
        (Candidate("bf16", 0.49, 20.0), "fp32", "loses more than 0.005 of mAP"),
        (Candidate("bf16", 0.5, 10.1), "fp32", "not faster than fp32"),
        (Candidate("bf16", reason="this CPU has no bf16"), "fp32", "this CPU has no"),
    ],
)
def test_the_fastest_that_loses_little_wins(other, winner, reason):
    judged, found = choose([EXACT, other], 0.005)
    assert found == winner
    assert judged[1].reason.startswith(reason) and bool(judged[1].reason) == bool(
        reason
    )


@pytest.fixture(scope="module")
def measured(trained, dataset, tmp_path_factory):
    """A checkpoint whose precisions were all measured."""
    checkpoint = tmp_path_factory.mktemp("measured") / "checkpoint.pth"
    shutil.copy(trained.checkpoint, checkpoint)
    run = run_command(
        *("mmdet-flow evaluate precision", "--checkpoint", checkpoint),
        *("--images", dataset.images, "--annotations", dataset.splits / "val.json"),
        *("--calibration", dataset.splits / "train.json", "--max-map-drop", "0.005"),
    )
    assert run.returncode == 0, run.stderr
    assert "calibrating with 9 images" in run.stderr
    return checkpoint


def test_the_winner_is_used_from_then_on(measured):
    content = json.loads(precision_file(measured).read_text())
    tried = [one["precision"] for one in content["candidates"]]
    assert tried == ["fp32", "bf16", "int8"]
    assert content["candidates"][0]["images_per_second"] > 0
    detector = Detector(measured, threads=2, precision="auto")
    assert detector.engine.precision == content["winner"]
    assert detector.meta["engine"] == f"openvino {content['winner']}"


def test_a_measurement_of_another_machine_does_not_count(tmp_path):
    checkpoint = tmp_path / "model.pth"
    content = {"model_sha256": "x", "processor": "another", "winner": "bf16"}
    precision_file(checkpoint).write_text(json.dumps(content))
    assert chosen_precision(checkpoint, "x") == "fp32"
    assert chosen_precision(tmp_path / "no.pth", "x") == "fp32"


def test_a_processor_of_the_same_name_with_other_features_is_another(
    tmp_path, monkeypatch
):
    checkpoint = tmp_path / "model.pth"
    content = {"model_sha256": "x", **here(), "winner": "bf16"}
    precision_file(checkpoint).write_text(json.dumps(content))
    assert chosen_precision(checkpoint, "x") == "bf16"
    monkeypatch.setenv("OV_CPU_MAX_ISA", "SSE41")
    assert chosen_precision(checkpoint, "x") == "fp32"
    monkeypatch.delenv("OV_CPU_MAX_ISA")
    del content["features"]  # as before they were recorded
    precision_file(checkpoint).write_text(json.dumps(content))
    assert chosen_precision(checkpoint, "x") == "fp32"


@pytest.fixture(scope="module")
def in_int8(measured, tmp_path_factory):
    """A checkpoint with graphs in int8, which were found to be the best."""
    folder = shutil.copytree(measured.parent, tmp_path_factory.mktemp("int8") / "all")
    checkpoint = folder / measured.name
    path = precision_file(checkpoint)
    content = json.loads(path.read_text()) | {"winner": "int8"}  # slow or not
    path.write_text(json.dumps(content))
    return checkpoint


def test_int8_is_nearly_the_same(in_int8, trained, dataset):
    image = read_image(sorted(dataset.images.iterdir())[0])[1]
    exact = Detector(trained.checkpoint, threads=2, precision="fp32")
    fast = Detector(in_int8, threads=2, precision="auto")
    assert fast.meta["engine"] == "openvino int8"
    (wanted,), (found,) = exact.predict([image]), fast.predict([image])
    assert not np.array_equal(found.scores, wanted.scores)
    for box, score, label in list(
        zip(wanted.boxes, wanted.scores, wanted.labels, strict=True)
    )[:10]:
        same = (
            (np.abs(found.boxes - box).max(1) < 1)
            & (np.abs(found.scores / score - 1) < 0.01)
            & (found.labels == label)
        )
        assert same.any(), (box, score)
    (again,) = Detector(in_int8, threads=1, precision="int8").predict([image])
    np.testing.assert_array_equal(again.scores, found.scores)


def test_the_same_images_give_the_same_int8(in_int8, dataset, tmp_path):
    again = tmp_path / "checkpoint.pth"
    shutil.copy(in_int8, again)
    truth = CocoFile.read(dataset.splits / "train.json")
    detector = Detector(again, threads=1)
    images = [read_image(dataset.images / one["file_name"])[1] for one in truth.images]
    write_int8(again, detector.meta["model_sha256"], quantize(detector, images))
    assert int8_file(again).read_bytes() == int8_file(in_int8).read_bytes()


def test_a_missing_damaged_or_strange_int8_is_said(in_int8, trained, tmp_path):
    checkpoint = tmp_path / "model.pth"
    shutil.copy(trained.checkpoint, checkpoint)
    whole = int8_file(in_int8).read_bytes()
    for content, reason in (
        (None, "there is no such file"),
        (whole[:-100], "is damaged"),
    ):
        if content is not None:
            int8_file(checkpoint).write_bytes(content)
        with pytest.raises(ModelError, match=reason) as error:
            Detector(checkpoint, threads=2, precision="int8")
        assert "mmdet-flow evaluate precision --precision int8" in str(error.value)
    with pytest.raises(ModelError, match="of another model"):
        read_int8(in_int8, "of another")


def test_a_package_takes_its_int8_along(in_int8, finished, dataset, tmp_path):
    run = tmp_path / "sea"
    shutil.copytree(finished, run)
    for path in (in_int8, int8_file(in_int8), precision_file(in_int8)):
        shutil.copy(path, run / "model")
    assert package([str(run)]) == 0
    folder = open_package(run / "model" / "sea.zip")
    image = read_image(sorted(dataset.images.iterdir())[0])[1]
    packed = Detector(folder / CHECKPOINT, threads=2, precision="auto")
    assert packed.engine.precision == "int8"
    (found,) = packed.predict([image])
    (wanted,) = Detector(in_int8, threads=2, precision="int8").predict([image])
    np.testing.assert_array_equal(found.boxes, wanted.boxes)


def test_another_choice_predicts_again(in_int8, dataset, tmp_path):
    """Or results of two precisions would lie beside each other."""
    out, path = tmp_path / "out", precision_file(in_int8)
    chosen = path.read_text()
    for winner in ("fp32", "int8"):
        path.write_text(json.dumps(json.loads(chosen) | {"winner": winner}))
        run = run_command(
            *("mmdet-flow predict", "--checkpoint", in_int8, "--score", 0.001),
            *("--prediction_in", dataset.images, "--prediction_out", out),
            *("--keep_input", "--max_files", 3),
        )
        assert run.returncode == 0, run.stderr
        engines = {
            json.loads(one.read_text())["meta"]["engine"] for one in out.glob("*.json")
        }
        assert engines == {f"openvino {winner}"}
    path.write_text(chosen)
