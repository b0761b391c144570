"""Presets: what a model is where its section of the config leaves things out."""

import copy
from functools import cache

from mmdet_flow import ROOT
from mmdet_flow.workflow import schema

FOLDER = ROOT / "presets"
DEFAULT = "small-boxes"


def apply_presets(experiment: dict) -> None:
    """Fill in what an experiment leaves out of its model with what its preset says."""
    model = experiment.setdefault("model", {})
    for key, value in of_preset(model.get("preset", DEFAULT)).items():
        model.setdefault(key, copy.deepcopy(value))


@cache
def of_preset(name: str) -> dict:
    """Return the model section of a preset, which is not to be changed."""
    return schema.read(FOLDER / f"{name}.yaml")
