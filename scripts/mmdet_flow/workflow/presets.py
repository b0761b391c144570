"""Presets: what a model is where its section of the config leaves things out."""

import copy
from functools import cache

from mmdet_flow import ROOT
from mmdet_flow.errors import UsageError
from mmdet_flow.workflow import schema
from mmdet_flow.workflow.misfits import explained

FOLDER = ROOT / "presets"
DEFAULT = "small-boxes"


def apply_presets(experiment: dict) -> None:
    """Fill in what an experiment leaves out of its model with what its preset says."""
    model = experiment.setdefault("model", {})
    for key, value in of_preset(model.get("preset", DEFAULT)).items():
        model.setdefault(key, copy.deepcopy(value))


@cache
def of_preset(name: str) -> dict:
    """Return the model section of a preset, which is not to be changed.

    Raises UsageError for one that does not fit the schema: it can be edited.
    """
    path = FOLDER / f"{name}.yaml"
    preset = schema.read(path)
    sections = schema.schema()["$defs"]["sections"]
    if problem := schema.misfit({"model": preset}, sections):
        place = ".".join(map(str, problem.absolute_path))
        raise UsageError(f"presets/{path.name}, at {place}: {explained(problem)}")
    return preset
