"""Defects of the reference image that prediction must not have, where no other test
has them."""

import json
import os
import shutil

import pytest

from mmdet_flow.images import read_image
from tests.conftest import LOW_SCORE, run_command, the_error


@pytest.fixture
def one_image(dataset, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    shutil.copy(sorted(dataset.images.iterdir())[0], folder / "a.jpg")
    return folder


def predict(checkpoint, folder, **variables):
    return run_command(
        *("mmdet-flow predict", "--checkpoint", checkpoint, "--prediction_in", folder),
        *("--prediction_out", folder.parent / "out", "--score", LOW_SCORE),
        **variables,
    )


def test_names_come_from_the_checkpoint(trained, dataset, one_image):
    run = predict(trained.checkpoint, one_image)
    assert run.returncode == 0, run.stderr
    content = json.loads((one_image.parent / "out" / "a.json").read_text())
    found = {item["label"] for item in content["objects"]}
    assert found and found <= set(dataset.coco.classes)
    assert {"model_sha256", "classes_sha256", "version"} <= set(content["meta"])


@pytest.mark.parametrize("content", [None, b"", b"no checkpoint"])
def test_a_model_that_does_not_load_is_an_error(one_image, tmp_path, content):
    checkpoint = tmp_path / "model.pth"
    if content is not None:
        checkpoint.write_bytes(content)
    run = predict(checkpoint, one_image)
    assert run.returncode == 4
    assert "model.pth: " in the_error(run)
    assert os.listdir(one_image) == ["a.jpg"]


def test_the_pipeline_is_built_once(dataset, predictor, monkeypatch):
    from mmengine.dataset import Compose

    monkeypatch.setattr(Compose, "__init__", None)
    image = read_image(sorted(dataset.images.iterdir())[0])[1]
    assert len(predictor.predict([image] * 3)) == 3


def test_the_cache_is_where_it_was_asked_for(trained, one_image, tmp_path):
    cache = tmp_path / "cache"
    run = predict(
        trained.checkpoint, one_image, XDG_CACHE_HOME=str(cache), MMDET_FLOW_CACHE=""
    )
    assert run.returncode == 0, run.stderr
    assert list(cache.glob("mmdet-flow/openvino/*/dense.xml"))
