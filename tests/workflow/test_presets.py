"""Presets: the model section as it is where the user leaves things out."""

import jsonschema
import pytest
import yaml

from tests.conftest import ROOT
from tests.workflow.test_workflow import SMALL, snakemake, write_config

PRESETS = sorted((ROOT / "presets").glob("*.yaml"))


def model_schema() -> dict:
    schema = yaml.safe_load((ROOT / "schemas/config.schema.yaml").read_text())
    return schema["$defs"]["sections"]["properties"]["model"]


def commands(folder, model: dict) -> str:
    """Return the shell lines that a model section leads to."""
    example = SMALL["experiments"]["example"] | {"model": model}
    write_config(folder, {"experiments": {"example": example}})
    run = snakemake(
        folder, "--dry-run", "--printshellcmds", "results/example/model/checkpoint.pth"
    )
    assert run.returncode == 0, run.stderr[-2000:]
    return run.stdout + run.stderr


def test_the_schema_names_each_preset():
    assert model_schema()["properties"]["preset"]["enum"] == [
        path.stem for path in PRESETS
    ]


@pytest.mark.parametrize("path", PRESETS, ids=lambda path: path.stem)
def test_a_preset_is_a_model_section_and_sets_what_has_no_default(path):
    preset = yaml.safe_load(path.read_text())
    schema = model_schema()
    jsonschema.validate(preset, schema)
    properties = schema["properties"].items()
    without_default = {key for key, value in properties if "default" not in value}
    assert set(preset) == without_default


def test_what_is_left_out_is_as_the_preset_says(tmp_path):
    said = commands(tmp_path, {"preset": "zoo", "epochs": 7})
    assert "--epochs=7 --batch-size=8 --augment=recipe" in said
    assert "--image-size" not in said


def test_small_boxes_is_the_default(tmp_path):
    said = commands(tmp_path, {})
    assert "-- rtmdet_tiny_8xb32-300e_coco" in said
    assert "--augment=light" in said and "--precision=auto" in said
