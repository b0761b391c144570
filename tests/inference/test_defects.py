"""Defects of the reference image that prediction must not have, where no other test
of this folder has them."""

import json
import os
import shutil

import pytest

from mmdet_flow.inference.images import read_image
from tests.conftest import LOW_SCORE, run_command, the_error


@pytest.fixture
def one_image(dataset, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    shutil.copy(sorted(dataset.images.iterdir())[0], folder / "a.jpg")
    return folder


def predict(checkpoint, folder, **variables):
    return run_command(
        *("mmdet_predict", "--checkpoint", checkpoint, "--prediction_in", folder),
        *("--prediction_out", folder.parent / "out", "--score", LOW_SCORE),
        **variables,
    )


def test_names_come_from_the_checkpoint(trained, dataset, one_image):
    run = predict(trained.checkpoint, one_image)
    assert run.returncode == 0, run.stderr
    content = json.loads((one_image.parent / "out" / "a.json").read_text())
    assert {item["label"] for item in content["objects"]} <= set(dataset.coco.classes)
    assert {"model_sha256", "classes_sha256", "version"} <= set(content["meta"])


def test_another_order_of_names_is_refused(trained, dataset, one_image):
    wrong = ",".join(reversed(dataset.coco.classes))
    run = predict(trained.checkpoint, one_image, MMDET_CLASSES=wrong)
    assert run.returncode == 3
    assert "but the checkpoint has" in the_error(run)
    assert os.listdir(one_image) == ["a.jpg"]


@pytest.mark.parametrize("content", [None, b"", b"no checkpoint"])
def test_a_model_that_does_not_load_is_an_error(one_image, tmp_path, content):
    checkpoint = tmp_path / "model.pth"
    if content is not None:
        checkpoint.write_bytes(content)
    run = predict(checkpoint, one_image)
    assert run.returncode == 4
    assert "model.pth: " in the_error(run)
    assert os.listdir(one_image) == ["a.jpg"]


def test_red_and_blue_are_not_exchanged(dataset, predictor):
    """The detector sees the order of training: exchanged channels change scores."""
    images = [read_image(path)[1] for path in sorted(dataset.images.iterdir())]
    right = predictor.detector.predict(images)
    wrong = predictor.detector.predict([image[:, :, ::-1].copy() for image in images])
    scores = [[one.scores.tolist() for one in found] for found in (right, wrong)]
    assert scores[0] != scores[1]


def test_the_pipeline_is_built_once(dataset, predictor, monkeypatch):
    from mmengine.dataset import Compose

    monkeypatch.setattr(Compose, "__init__", None)
    image = read_image(sorted(dataset.images.iterdir())[0])[1]
    assert len(predictor.predict([image] * 3)) == 3


def test_the_cache_is_where_it_was_asked_for(trained, one_image, tmp_path):
    cache = tmp_path / "cache"
    run = predict(trained.checkpoint, one_image, XDG_CACHE_HOME=str(cache))
    assert run.returncode == 0, run.stderr
    assert list(cache.glob("mmdet-flow/openvino/*/dense.xml"))
