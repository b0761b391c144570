"""Presets: the model section as it is where the user leaves things out."""

import jsonschema
import pytest
import yaml

from mmdet_flow.workflow import schema
from mmdet_flow.workflow.presets import FOLDER, apply_presets

PRESETS = sorted(FOLDER.glob("*.yaml"))


def model_schema() -> dict:
    return schema.sections()["model"]


def test_the_schema_names_each_preset():
    assert model_schema()["properties"]["preset"]["enum"] == [
        path.stem for path in PRESETS
    ]


@pytest.mark.parametrize("path", PRESETS, ids=lambda path: path.stem)
def test_a_preset_is_a_model_section_and_sets_what_has_no_default(path):
    preset = yaml.safe_load(path.read_text())
    jsonschema.validate(preset, model_schema())
    properties = model_schema()["properties"].items()
    without_default = {key for key, value in properties if "default" not in value}
    assert set(preset) == without_default


def model_of(model: dict) -> dict:
    experiment = {"model": model}
    apply_presets(experiment)
    return experiment["model"]


def test_what_is_left_out_is_as_the_preset_says():
    model = model_of({"preset": "zoo", "epochs": 7})
    assert (model["epochs"], model["batch_size"], model["augment"]) == (7, 8, "recipe")
    assert model["image_size"] is None


def test_small_boxes_is_the_default():
    assert {"preset": "small-boxes"} | model_of({}) == model_of(
        {"preset": "small-boxes"}
    )


def test_null_is_a_value_of_the_users_own():
    assert model_of({"image_size": None})["image_size"] is None


def test_a_preset_is_not_changed_by_who_takes_it():
    first = model_of({})
    first["epochs"] = -1
    assert model_of({})["epochs"] > 0
