import json

import pytest

from mmdet_flow.comparison.experiment import Experiment, annotations_sha256
from mmdet_flow.dataset.coco import CocoFile
from mmdet_flow.errors import DataError
from mmdet_flow.files import write_json
from mmdet_flow.model.config import load_config
from tests.comparison.results import write_experiment, write_times
from tests.evaluation.scenes import random_scene


@pytest.fixture
def folder(tmp_path):
    return write_experiment(tmp_path / "cells", *random_scene(1, images=4))


def test_ids_and_order_of_annotations_do_not_count_but_boxes_do(tmp_path):
    truth, _ = random_scene(2)
    truth.write(tmp_path / "a.json")
    numbers = {image["id"]: 1000 - image["id"] for image in truth.images}
    renumbered = CocoFile(
        truth.path,
        [i | {"id": numbers[i["id"]]} for i in truth.images][::-1],
        [
            item | {"image_id": numbers[item["image_id"]], "id": 5000 - item["id"]}
            for item in truth.annotations
        ],
        truth.categories,
    )
    renumbered.write(tmp_path / "b.json")
    assert annotations_sha256(tmp_path / "a.json") == annotations_sha256(
        tmp_path / "b.json"
    )
    renumbered.annotations[0]["bbox"][0] += 1
    renumbered.write(tmp_path / "c.json")
    assert annotations_sha256(tmp_path / "a.json") != annotations_sha256(
        tmp_path / "c.json"
    )


def test_parameters_are_those_of_the_framework(trained, tmp_path):
    """Of a real model: heads that share weights have them once."""
    from mmdet.registry import MODELS
    from mmengine.registry import init_default_scope

    init_default_scope("mmdet")
    model = MODELS.build(load_config(str(trained.config)).model)
    wanted = sum(value.numel() for value in model.parameters())
    folder = write_experiment(tmp_path / "real", *random_scene(1, images=2))
    (folder / "model/config.py").write_bytes(trained.config.read_bytes())
    assert Experiment(folder).parameters == wanted


def test_the_seed_and_the_place_are_no_part_of_the_recipe(tmp_path):
    scene = random_scene(1, images=4)
    one = Experiment(write_experiment(tmp_path / "a", *scene, seed=0))
    other = Experiment(write_experiment(tmp_path / "b", *scene, seed=7))
    third = Experiment(write_experiment(tmp_path / "c", *scene, lr=0.1))
    assert (one.seed, other.seed) == (0, 7)
    assert one.recipe_sha256 == other.recipe_sha256 != third.recipe_sha256
    text = json.dumps(one.config)
    assert "results/" not in text and "train.json" in text


def test_times_are_those_of_the_jobs(folder):
    one = Experiment(folder)
    assert one.train_minutes is None and one.images_per_second is None
    write_times(folder, seconds=90, images=10, predicting=0.8)
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
        "".join(json.dumps({"kind": "train", "iter": n}) + "\n" for n in (1, 2, 600))
    )
    estimate = {"seconds_per_iteration": 2.0, "iterations": left}
    write_json(folder / "training/estimate.json", estimate)
    assert Experiment(folder).train_minutes == minutes


def test_an_unfinished_experiment_is_refused(folder):
    (folder / "evaluation/metrics.json").unlink()
    with pytest.raises(
        DataError, match=r"cells: has no evaluation/metrics\.json; give"
    ):
        Experiment(folder)
