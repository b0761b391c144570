"""The results folder of an experiment, made by the steps of the workflow."""

import shutil

import pytest

from mmdet_flow.dataset.card import make_card
from mmdet_flow.dataset.coco import CocoFile
from mmdet_flow.evaluation import evaluate, thresholds
from mmdet_flow.handover import model_card
from mmdet_flow.model import export
from tests.conftest import IMAGE_SIZE, LOW_SCORE

NAME = "sea-side"


@pytest.fixture(scope="session")
def finished(trained, dataset, tmp_path_factory):
    """A finished run, which tests leave as it is."""
    run = tmp_path_factory.mktemp("results") / NAME
    (run / "model").mkdir(parents=True)
    shutil.copy(trained.checkpoint, run / "model" / "checkpoint.pth")
    shutil.copy(trained.config, run / "model" / "config.py")
    base = ["rtmdet-ins_tiny_8xb32-300e_coco", "--save-path"]
    assert export.main([*base, str(run / "model" / "base.py")]) == 0
    (run / "training").mkdir()
    for name in ("recipe.json", "validation.csv"):
        shutil.copy(trained.work_dir / name, run / "training")
    (run / "dataset").mkdir()
    shutil.copy(dataset.folder / "report.json", run / "dataset")
    shutil.copytree(dataset.splits, run / "splits")
    splits = {
        name: CocoFile.read(dataset.splits / f"{name}.json")
        for name in ("train", "val", "test")
    }
    make_card(splits, dataset.images, IMAGE_SIZE, run / "card")
    model = ["--checkpoint", run / "model" / "checkpoint.pth", "--threads", 2]
    test = ["--annotations", dataset.splits / "test.json", "--images", dataset.images]
    val = ["--annotations", dataset.splits / "val.json", "--images", dataset.images]
    places = run / "evaluation", run / "evaluation" / "thresholds.json"
    options = ["--score", LOW_SCORE, "--bootstrap", 20, "--output", places[0]]
    assert evaluate.main([*map(str, [*model, *test, *options])]) == 0
    assert thresholds.main([*map(str, [*model, *val, "--output", places[1]])]) == 0
    assert model_card.main([str(run)]) == 0
    return run


@pytest.fixture
def run(finished, tmp_path):
    """A run of one's own."""
    return shutil.copytree(finished, tmp_path / "results" / NAME)
