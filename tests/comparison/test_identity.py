import json

import pytest

from mmdet_flow.comparison.identity import (
    annotations_sha256,
    config_of,
    finished,
    recipe_sha256,
    seed_of,
)
from mmdet_flow.dataset.coco import CocoFile
from mmdet_flow.errors import DataError
from mmdet_flow.model.config import load_config
from mmdet_flow.model.size import count_weights
from tests.comparison.results import write_experiment
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
    (folder / "model/checkpoint.pth").write_bytes(trained.checkpoint.read_bytes())
    assert count_weights(finished(folder).config) == wanted


def test_the_seed_and_the_place_are_no_part_of_the_recipe(tmp_path):
    scene = random_scene(1, images=4)
    one = finished(write_experiment(tmp_path / "a", *scene, seed=0))
    other = finished(write_experiment(tmp_path / "b", *scene, seed=7))
    third = finished(write_experiment(tmp_path / "c", *scene, lr=0.1))
    assert (seed_of(one), seed_of(other)) == (0, 7)
    assert recipe_sha256(one) == recipe_sha256(other) != recipe_sha256(third)
    text = json.dumps(config_of(one))
    assert "results/" not in text and "train.json" in text


def test_seeds_that_ended_early_to_keep_to_the_same_hours_are_of_one_recipe(tmp_path):
    scene = random_scene(1, images=4)
    folders = [write_experiment(tmp_path / name, *scene) for name in "abc"]
    for folder, hours in zip(folders, (2, 2, 3), strict=True):
        path = folder / "training" / "recipe.json"
        recipe = json.loads(path.read_text()) if path.is_file() else {"load_from": None}
        path.parent.mkdir(exist_ok=True)
        turn = {"iteration": 30, "end": 50, "planned": 60, "epoch_length": 3}
        path.write_text(json.dumps(recipe | {"hours": hours, "shortened": [turn]}))
    one, other, third = map(recipe_sha256, map(finished, folders))
    assert one == other != third


def test_an_unfinished_experiment_is_refused(folder):
    (folder / "evaluation/metrics.json").unlink()
    with pytest.raises(
        DataError, match=r"cells: has no evaluation/metrics\.json; give"
    ):
        finished(folder)
