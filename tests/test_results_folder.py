"""What ResultsFolder reads of a finished run, and of files that others wrote."""

import json
import re
import shutil

import pytest

from mmdet_flow import layout
from mmdet_flow.errors import DataError
from mmdet_flow.evaluation.metrics import METRICS
from mmdet_flow.files import sha256_of, write_json
from mmdet_flow.results import ResultsFolder
from tests.comparison.results import write_experiment, write_times
from tests.conftest import FINISHED
from tests.evaluation.scenes import random_scene

BASE = "rtmdet-ins_tiny_8xb32-300e_coco"


@pytest.fixture
def folder(tmp_path):
    return write_experiment(tmp_path / "cells", *random_scene(1, images=4))


def test_the_model_of_a_finished_run(finished):
    run = ResultsFolder(finished)
    assert run.name == FINISHED and run.base == BASE
    assert run.file(layout.PACKAGE) == finished / "model" / f"{FINISHED}.zip"
    published = run.file(layout.CHECKPOINT)
    assert run.checkpoint.sha256 == sha256_of(published)
    assert run.checkpoint.classes == ("leaf", "pebble", "shell")
    assert run.checkpoint.state_dict == {}  # weights are large
    assert run.checkpoint_mb == round(published.stat().st_size / 1e6, 1)
    assert run.config.train_cfg.max_epochs == 2
    changed = {one.key: (one.before, one.after) for one in run.changes}
    assert changed["train_cfg.max_epochs"] == ("300", "2")
    assert changed["test_evaluator.format_only"] == ("False", None)
    assert changed["default_hooks.checkpoint.by_epoch"] == (None, "True")
    assert "work_dir" not in changed


def test_the_figures_of_a_finished_run(finished):
    run = ResultsFolder(finished)
    assert list(run.metrics["metrics"]) == ["bbox", "segm"]
    own = run.metrics["metrics"]["bbox"]
    assert run.figure("bbox", "mAP") == own["mAP"]
    assert run.figure("keypoints", "mAP") is None
    assert run.interval("bbox", "mAP") == run.metrics["intervals"]["bbox"]["mAP"]
    assert run.per_class("segm").keys() == set(run.checkpoint.classes)
    assert set(METRICS) < own.keys()
    assert run.thresholds["scores"].keys() == set(run.checkpoint.classes)
    assert len(run.image_results) == run.metrics["images"]
    assert run.recipe["precision"] == "fp32"


def test_the_data_of_a_finished_run(finished):
    run = ResultsFolder(finished)
    for name, own in run.data_card["splits"].items():
        coco = run.split(name)
        assert coco.path == run.split_file(name)
        assert (own["images"], own["objects"]) == (
            *(len(coco.images), len(coco.annotations)),
        )
    assert run.check_report["images"]["read"] == 16


def test_what_a_run_need_not_have_is_none_or_empty(finished, tmp_path):
    run = ResultsFolder(shutil.copytree(finished, tmp_path / "run"))
    for place in (layout.THRESHOLDS, layout.RECIPE, layout.BASE_CONFIG):
        run.file(place).unlink()
    assert run.thresholds is run.recipe is run.base is run.precisions is None
    assert run.estimate is run.record is run.train_minutes is None
    assert run.changes == run.speeds == run.training_lines == []
    assert run.benchmarks == {} and run.predicted.total() == 0
    assert run.jobs == {"machine": {}, "jobs": {}}


def test_each_file_is_read_once(folder):
    run = ResultsFolder(folder)
    first = run.metrics
    run.file(layout.METRICS).unlink()
    assert run.metrics is first


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("images", "4", "images: Input should be a valid integer"),
        ("metrics", {"bbox": {}}, "metrics.bbox.mAP: Field required"),
        ("scores", {"leaf": None}, "scores.leaf: Input should be a valid number"),
        ("errors", [], "errors: Input should be a valid dict"),
        ("at_scores", {"all": 1}, "at_scores.all: Input should be a valid dict"),
    ],
)
def test_a_value_of_another_type_is_named(folder, key, value, said):
    run = ResultsFolder(folder)
    write_json(run.file(layout.METRICS), run.metrics | {key: value})
    with pytest.raises(DataError, match=re.escape(said)) as error:
        _ = ResultsFolder(folder).metrics
    assert "\n" not in str(error.value) and "make it again" in str(error.value)


def test_more_than_what_is_named_is_kept(folder):
    run = ResultsFolder(folder)
    write_json(run.file(layout.RECIPE), run.recipe | {"of": "a later version"})
    assert ResultsFolder(folder).recipe["of"] == "a later version"


def test_times_are_those_of_the_jobs(folder):
    one = ResultsFolder(folder)
    assert one.train_minutes is None and one.images_per_second is None
    write_times(folder, seconds=90, images=10, predicting=0.8)
    one = ResultsFolder(folder)
    assert one.train_minutes == 1.5
    assert one.images_per_second == 12.5


@pytest.mark.parametrize(
    ("job", "left", "minutes"),
    [
        (1300, 580, 21.67),  # in one job, a little slower than it was thought
        (1000, 580, 16.67),  # a little faster
        (90, 580, 20),  # resumed shortly before the end
        (900, 430, 20),  # resumed after 150 iterations
    ],
)
def test_a_resumed_training_counts_all_its_iterations(folder, job, left, minutes):
    """Of 600 iterations that take 2 s each."""
    write_times(folder, seconds=job, images=10, predicting=0.8)
    (folder / "training/metrics.jsonl").write_text(
        "".join(json.dumps({"mode": "train", "iter": n}) + "\n" for n in (1, 2, 600))
    )
    estimate = {"seconds_per_iteration": 2.0, "iterations": left}
    write_json(folder / "training/estimate.json", estimate)
    assert ResultsFolder(folder).train_minutes == minutes


def test_shards_of_an_earlier_list_are_not_of_the_run(folder):
    write_times(folder, 60.0, images=10, predicting=2.0)
    assert ResultsFolder(folder).images_per_second == 5.0
    speed = {"images": 90, "seconds": 1.0, "engine": "openvino"}
    write_json(folder / "benchmarks" / "predict_images-11.json", speed)
    (folder / "benchmarks" / "predict_images-11.tsv").write_text("s\n1\n")
    for shard in (0, 1, 11):
        (folder / "predictions" / f"shard-{shard}" / "opex").mkdir(parents=True)
    lists = folder / "predictions" / "lists"
    lists.mkdir()
    for shard in (0, 1):
        (lists / f"{shard}.txt").write_text("")
    run = ResultsFolder(folder)
    assert run.images_per_second == 5.0
    assert list(run.benchmarks) == ["train_model"]
    assert [one.parent.name[-1] for one in run.files(layout.SHARD_OPEX)] == ["0", "1"]
