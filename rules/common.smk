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
            if folder and folder != EXAMPLE and not Path(folder).exists():
                raise WorkflowError(
                    f"config, at experiments.{name}.{key}: there is no folder {folder}; "
                    "correct the path"
                )


def require_validation(config):
    """Stop with one line where scores are to be chosen on images of the training."""
    for name, experiment in config["experiments"].items():
        if experiment["predict"]["score"] == "auto" and not has_validation(name):
            raise WorkflowError(
                f"config, at experiments.{name}.predict.score: auto needs a validation "
                "split, and model.train_on: trainval has none; give a number"
            )


def has_validation(experiment):
    """Whether there are images that neither training nor test see."""
    return config["experiments"][experiment]["model"]["train_on"] == "train"


explain_config_error(config)
validate(config, str(SCHEMA))
require_folders(config)
require_validation(config)


def option(section, key):
    """Look up a key of the experiment's config when the job is known."""
    return lookup(dpath=f"experiments/{{experiment}}/{section}/{key}", within=config)


wildcard_constraints:
    experiment=r"[A-Za-z0-9][A-Za-z0-9._-]*",
    shard=r"\d+",


def convert_options(wildcards):
    """Return the options of mmdet_convert that the config may leave out."""
    experiment = config["experiments"][wildcards.experiment]
    data = experiment["data"]
    options = ["--min-objects", data["min_objects"]]
    for key in ("glob", "labels"):
        if data[key] is not None:
            options += [f"--{key}", data[key]]
    if data["classes"] != "all":
        options += ["--classes", *data["classes"]]
    if data["policy"]:
        options += ["--policy", *map("=".join, data["policy"].items())]
    options += image_size_option(wildcards)
    if lists := split_lists(wildcards):
        options += ["--lists", *lists]
    return options


def image_size_option(wildcards):
    """Return --image-size and its value, or nothing if the config leaves it out."""
    size = config["experiments"][wildcards.experiment]["model"]["image_size"]
    return [] if size is None else ["--image-size", size]


def split_options(wildcards):
    """Return the options of mmdet_split that the config may leave out."""
    splits = config["experiments"][wildcards.experiment]["splits"]
    options = []
    for key in ("group_pattern", "group_file"):
        if splits[key] is not None:
            options += [f"--{key.replace('_', '-')}", splits[key]]
    if splits["group_file"] is not None:
        options += ["--group-column", splits["group_column"]]
    if splits["folds"] is not None:
        options += ["--folds", splits["folds"], "--fold", splits["fold"]]
    return options


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
    for key in ("image_size", "learning_rate", "frozen_stages"):
        if model[key] is not None:
            options += [f"--{key.replace('_', '-')}", model[key]]
    if model["options"]:
        options += ["--cfg-options", *model["options"]]
    return options


def training_options(wildcards):
    """Return the options of mmdet_train, without those that the config leaves out."""
    model = config["experiments"][wildcards.experiment]["model"]
    options = []
    for key in ("precision", "patience", "save_minutes", "max_hours", "load_from"):
        if model[key] is not None:
            options += [f"--{key.replace('_', '-')}", model[key]]
    return options + (["--launcher", "slurm"] if model["nodes"] > 1 else [])


def launch_on_nodes(wildcards, threads, resources):
    """Return what stands before a command that runs once on each node of the job."""
    if resources.nodes == 1:
        return ""
    # Slurm's steps do not take over the threads of their job, and would wait for each
    # other when one cannot start.
    return (
        f"{resources.mpi} --nodes={resources.nodes} --ntasks={resources.tasks} "
        f"--cpus-per-task={threads} --kill-on-bad-exit "
    )


def images_to_predict(wildcards):
    """Return the folder to predict: the user's, or that of the data set."""
    folder = config["experiments"][wildcards.experiment]["predict"]["images"]
    return folder or f"<results>/{wildcards.experiment}/dataset/images"


def list_to_predict(wildcards):
    """Return the list of the test split, or nothing for the user's own folder."""
    if config["experiments"][wildcards.experiment]["predict"]["images"]:
        return []
    return f"<results>/{wildcards.experiment}/splits/test.txt"


def thresholds_to_use(wildcards):
    """Return the thresholds file where the score is auto, or nothing."""
    score = config["experiments"][wildcards.experiment]["predict"]["score"]
    file = f"<results>/{wildcards.experiment}/evaluation/thresholds.json"
    return file if score == "auto" else []


def score_options(wildcards, input):
    """Return --score and, where it is auto, --thresholds."""
    score = config["experiments"][wildcards.experiment]["predict"]["score"]
    thresholds = ["--thresholds", input.thresholds] if input.thresholds else []
    return ["--score", score, *thresholds]


def shards_of(experiment):
    """Return the numbers of the shards, once the images are listed."""
    lists = checkpoints.list_images.get(experiment=experiment).output[0]
    return sorted(int(path.stem) for path in Path(lists).glob("*.txt"))


def shard_files(name):
    """Return the files of this name of all shards, when the job is known."""

    def files(wildcards):
        return [
            f"<results>/{wildcards.experiment}/predictions/shard-{shard}/{name}"
            for shard in shards_of(wildcards.experiment)
        ]

    return files


def round_trip_port(wildcards):
    """Return a port for the experiment's own Redis server."""
    return 16380 + list(config["experiments"]).index(wildcards.experiment)


def stage_files(wildcards):
    """Return what each stage of each experiment makes.

    The last files alone would not do: when an earlier stage fails, the results of the
    run before are still there, and Snakemake would take them for finished.
    """
    files = (
        *("dataset/annotations.json", "splits/test.json", "card/card.html"),
        *("model/base.py", "model/config.py", "model/checkpoint.pth"),
        *("evaluation/metrics.json", "evaluation/gallery.html"),
        "predictions/overview.png",
        *("predictions/images.csv", "predictions/objects.csv", "summary.txt"),
        "predictions/manifest.csv",
    )
    targets = []
    for name, experiment in config["experiments"].items():
        targets += [f"<results>/{name}/{file}" for file in files]
        if has_validation(name):
            targets.append(f"<results>/{name}/evaluation/thresholds.json")
        targets += [
            f"<results>/{name}/predictions/shard-{shard}/images.csv"
            for shard in shards_of(name)
        ]
    return targets
