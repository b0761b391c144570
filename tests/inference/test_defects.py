"""Defects of the reference image that prediction must not have, where no other test
has them."""

import json
import os
import shutil

import pytest

from mmdet_flow.images import read_image
from tests.conftest import LOW_SCORE, command_of, run_command


def command(checkpoint, folder) -> list:
    """Return the arguments of a prediction beside a folder with one image."""
    return [
        *("--checkpoint", checkpoint, "--prediction_in", folder),
        *("--prediction_out", folder.parent / "out", "--score", LOW_SCORE),
    ]


def with_one_image(dataset, folder):
    """Return a folder in this one, with an image of a data set."""
    (folder / "in").mkdir()
    shutil.copy(sorted(dataset.images.iterdir())[0], folder / "in" / "a.jpg")
    return folder / "in"


@pytest.fixture(scope="module")
def predicted(trained, dataset, tmp_path_factory):
    """A folder with a prediction, and the cache that was asked for."""
    folder = tmp_path_factory.mktemp("predicted")
    run = run_command(
        "mmdet-flow predict",
        *command(trained.checkpoint, with_one_image(dataset, folder)),
        XDG_CACHE_HOME=str(folder / "cache"),
        MMDET_FLOW_CACHE="",
    )
    assert run.returncode == 0, run.stderr
    return folder


def test_names_come_from_the_checkpoint(predicted, dataset):
    content = json.loads((predicted / "out" / "a.json").read_text())
    found = {item["label"] for item in content["objects"]}
    assert found and found <= set(dataset.coco.classes)
    assert {"model_sha256", "classes_sha256", "version"} <= set(content["meta"])


def test_the_cache_is_where_it_was_asked_for(predicted):
    assert list(predicted.glob("cache/mmdet-flow/openvino/*/dense.xml"))


@pytest.mark.parametrize("content", [None, b"", b"no checkpoint"])
def test_a_model_that_does_not_load_is_an_error(dataset, tmp_path, capsys, content):
    checkpoint, folder = tmp_path / "model.pth", with_one_image(dataset, tmp_path)
    if content is not None:
        checkpoint.write_bytes(content)
    assert command_of("predict")(command(checkpoint, folder)) == 4
    (error,) = capsys.readouterr().err.splitlines()
    assert error.startswith("error: ") and "model.pth: " in error
    assert os.listdir(folder) == ["a.jpg"]


def test_the_pipeline_is_built_once(dataset, predictor, monkeypatch):
    from mmengine.dataset import Compose

    monkeypatch.setattr(Compose, "__init__", None)
    image = read_image(sorted(dataset.images.iterdir())[0])[1]
    assert len(predictor.predict([image] * 3)) == 3
