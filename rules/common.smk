import difflib
import os
import sys
from pathlib import Path

import jsonschema
import yaml
from snakemake.exceptions import WorkflowError
from snakemake.utils import validate

# The commands of this very environment come first, however snakemake was started.
os.environ.update(
    PATH=os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
)

EXAMPLE = "data/example"
DATA_FOLDERS = ("annotations", "images")
SCHEMA = Path(workflow.current_basedir) / ".." / "schemas" / "config.schema.yaml"


def explain_config_error(config):
    """Stop with one line for the first thing that is wrong in the config."""
    validator = jsonschema.Draft202012Validator(yaml.safe_load(SCHEMA.read_text()))
    problem = jsonschema.exceptions.best_match(validator.iter_errors(config))
    if problem is None:
        return
    place = ".".join(map(str, problem.absolute_path)) or "the top level"
    what = problem.message
    if problem.validator == "additionalProperties":
        known = list(problem.schema.get("properties", ()))
        key = next(key for key in problem.instance if key not in known)
        near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}"
        what = f"unknown key {key}; {hint}"
    raise WorkflowError(f"config, at {place}: {what}")


def require_folders(config):
    """Stop with one line for the first folder of data that is not there."""
    for name, experiment in config["experiments"].items():
        folders = {f"data.{key}": experiment["data"][key] for key in DATA_FOLDERS}
        folders["predict.images"] = experiment["predict"]["images"]
        for key, folder in folders.items():
            if folder and folder != EXAMPLE and not Path(folder).is_dir():
                raise WorkflowError(
                    f"config, at experiments.{name}.{key}: there is no folder {folder}; "
                    "correct the path"
                )


explain_config_error(config)
validate(config, str(SCHEMA))
require_folders(config)


def option(section, key):
    """Look up a key of the experiment's config when the job is known."""
    return lookup(dpath=f"experiments/{{experiment}}/{section}/{key}", within=config)


wildcard_constraints:
    experiment=r"[A-Za-z0-9][A-Za-z0-9._-]*",
    shard=r"\d+",


def class_option(wildcards):
    """Return --classes and the class list, or nothing for all classes."""
    classes = config["experiments"][wildcards.experiment]["data"]["classes"]
    return [] if classes == "all" else ["--classes", *classes]


def split_lists(wildcards):
    """Return the list files among the splits; the others are shares."""
    splits = config["experiments"][wildcards.experiment]["splits"]
    return [
        splits[name]
        for name in ("train", "val", "test")
        if isinstance(splits[name], str)
    ]


def optional_patches(wildcards):
    """Return the options of mmdet_patch that the config may leave out."""
    model = config["experiments"][wildcards.experiment]["model"]
    options = ["--pretrained"] if model["pretrained"] else []
    for key in ("image_size", "learning_rate"):
        if model[key] is not None:
            options += [f"--{key.replace('_', '-')}", model[key]]
    if model["options"]:
        options += ["--cfg-options", *model["options"]]
    return options


def images_to_predict(wildcards):
    """Return the folder to predict: the user's, or that of the data set."""
    folder = config["experiments"][wildcards.experiment]["predict"]["images"]
    return folder or f"<results>/{wildcards.experiment}/dataset/images"


def predict_inputs(wildcards):
    """Return checkpoint and images; without a folder of its own, the test split."""
    root = f"<results>/{wildcards.experiment}"
    inputs = {
        "checkpoint": f"{root}/model/checkpoint.pth",
        "images": images_to_predict(wildcards),
    }
    if config["experiments"][wildcards.experiment]["predict"]["images"] is None:
        inputs["image_list"] = f"{root}/splits/test.txt"
    return inputs


def shard_files(name):
    """Return the files of this name of all shards, when the job is known."""

    def files(wildcards):
        shards = config["experiments"][wildcards.experiment]["predict"]["shards"]
        return [
            f"<results>/{wildcards.experiment}/predictions/shard-{shard}/{name}"
            for shard in range(shards)
        ]

    return files


def stage_files(wildcards):
    """Return what each stage of each experiment makes.

    The last files alone would not do: when an earlier stage fails, the results of the
    run before are still there, and Snakemake would take them for finished.
    """
    files = (
        *("dataset/annotations.json", "splits/test.json"),
        *("model/base.py", "model/config.py", "model/checkpoint.pth"),
        *("evaluation/metrics.json", "predictions/overview.png"),
        *("predictions/images.csv", "predictions/objects.csv", "summary.txt"),
    )
    targets = []
    for name, experiment in config["experiments"].items():
        shards = range(experiment["predict"]["shards"])
        targets += [f"<results>/{name}/{file}" for file in files]
        targets += [
            f"<results>/{name}/predictions/shard-{n}/images.csv" for n in shards
        ]
    return targets
