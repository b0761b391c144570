import contextlib
import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import jsonschema
import yaml
from snakemake.exceptions import WorkflowError
from snakemake.utils import validate


include: "campaigns.smk"


# The commands of this very environment come first, however snakemake was started.
os.environ.update(
    PATH=os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
)

EXAMPLE = "data/example"
DATA_FOLDERS = ("annotations", "images")
ROOT = Path(workflow.current_basedir) / ".."
SCHEMA = ROOT / "schemas" / "config.schema.yaml"
DEFAULT_PRESET = "small-boxes"


def explain_config_error(config, campaign_of={}):
    """Stop with one line for the first thing that is wrong in the config.

    ``campaign_of`` names the campaign of each experiment that was made by one.
    """
    validator = jsonschema.Draft202012Validator(yaml.safe_load(SCHEMA.read_text()))
    problem = jsonschema.exceptions.best_match(validator.iter_errors(config))
    if problem is None:
        return
    place = ".".join(map(str, problem.absolute_path)) or "the top level"
    if made_by := campaign_of.get(next(iter(list(problem.absolute_path)[1:]), None)):
        place = f"campaigns.{made_by}, as {place}"
    what = problem.message
    if problem.validator == "additionalProperties":
        known = list(problem.schema.get("properties", ()))
        key = next(key for key in problem.instance if key not in known)
        what = f"unknown key {key}; {hint(str(key), known)}"
    elif problem.validator == "anyOf":
        keys = (key for one in problem.validator_value for key in one["required"])
        what = f"{' or '.join(map(repr, keys))} is a required property"
    raise WorkflowError(f"config, at {place}: {what}")


def apply_presets(config):
    """Fill in what the config leaves out of each model with what its preset says."""
    for experiment in config["experiments"].values():
        model = experiment.setdefault("model", {})
        preset = ROOT / "presets" / f"{model.get('preset', DEFAULT_PRESET)}.yaml"
        for key, value in yaml.safe_load(preset.read_text()).items():
            model.setdefault(key, value)


def stored(path):
    """Return a path of the config as an input that Snakemake fetches if it is a URL."""
    return storage(path) if "://" in path else path


def where_it_is(path):
    """Return a path of the config or of results as it is on remote storage, if used."""
    settings = workflow.storage_settings
    if not settings.default_storage_provider or "://" in path:
        return path
    return f"{settings.default_storage_prefix.rstrip('/')}/{os.path.normpath(path)}"


def folder_exists(folder):
    """Whether a folder of the config is there, on this machine or on remote storage."""
    folder = where_it_is(folder)
    if "://" not in folder:
        return Path(folder).exists()
    try:
        return storage(folder).flags["storage_object"].exists()
    except Exception as error:  # each kind of storage has its own
        raise WorkflowError(f"{folder} cannot be reached: {error}")


def require_folders(config):
    """Stop with one line for the first folder of data that is not there.

    Snakemake itself would take what was made from it for finished.
    """
    for name, experiment in config["experiments"].items():
        folders = {f"data.{key}": experiment["data"][key] for key in DATA_FOLDERS}
        folders["predict.images"] = experiment["predict"]["images"]
        for key, folder in folders.items():
            if folder and folder != EXAMPLE and not folder_exists(folder):
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


def served_experiment(config):
    """Return the name of the experiment whose model `snakemake serve` takes."""
    name = config["serve"]["experiment"]
    if name and name not in config["experiments"]:
        known = hint(name, list(config["experiments"]))
        raise WorkflowError(
            f"config, at serve.experiment: there is no experiment {name}; {known}"
        )
    return name or next(iter(config["experiments"]))


def has_validation(experiment):
    """Whether there are images that neither training nor test see."""
    return config["experiments"][experiment]["model"]["train_on"] == "train"


def experiment_keys():
    """Return the keys of an experiment with their sections, such as model.seed."""
    sections = yaml.safe_load(SCHEMA.read_text())["$defs"]["sections"]["properties"]
    return [
        f"{name}.{key}" for name in sections for key in sections[name]["properties"]
    ]


explain_config_error(config)
CAMPAIGN_OF = expand_campaigns(config, experiment_keys())
explain_config_error(config, CAMPAIGN_OF)
apply_presets(config)
validate(config, str(SCHEMA))
if workflow.is_main_process:
    require_folders(config)
require_validation(config)
CONVERTED = find_converted(config["experiments"])


def option(section, key):
    """Look up a key of the experiment's config when the job is known."""
    return lookup(dpath=f"experiments/{{experiment}}/{section}/{key}", within=config)


wildcard_constraints:
    experiment=r"[A-Za-z0-9][A-Za-z0-9._-]*",
    other=r"[A-Za-z0-9][A-Za-z0-9._-]*",
    shard=r"\d+",


def converted_file(name):
    """Return this file of the experiment that converts the data of another."""
    return lambda wildcards: (
        f"<results>/{CONVERTED[wildcards.experiment]}/dataset/{name}"
    )


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


def data_folder(key):
    """Return the folder of data of this name, when the job is known."""

    def folder(wildcards):
        return stored(config["experiments"][wildcards.experiment]["data"][key])

    return folder


def lists_of_splits(wildcards):
    """Return the list files as inputs; the commands read them where the config says."""
    return [local(path) for path in split_lists(wildcards)]


def images_to_predict(wildcards):
    """Return the folder to predict: the user's, or that of the data set."""
    folder = config["experiments"][wildcards.experiment]["predict"]["images"]
    if folder:
        return stored(folder)
    return f"<results>/{wildcards.experiment}/dataset/images"


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
    # Opening has Snakemake fetch what is on remote storage only; it is a folder.
    with contextlib.suppress(IsADirectoryError), lists.open():
        pass
    return sorted(int(path.stem) for path in Path(lists).glob("*.txt"))


def shard_files(name):
    """Return the files of this name of all shards, when the job is known."""

    def files(wildcards):
        return [
            f"<results>/{wildcards.experiment}/predictions/shard-{shard}/{name}"
            for shard in shards_of(wildcards.experiment)
        ]

    return files


def thresholds_if_any(wildcards):
    """Return the thresholds file of a training with validation, or nothing."""
    file = f"<results>/{wildcards.experiment}/evaluation/thresholds.json"
    return file if has_validation(wildcards.experiment) else []


def license_option(wildcards, input):
    """Return --license and the file that the config names, or nothing."""
    return ["--license", input.license] if input.license else []


def license_if_any(wildcards):
    """Return the file with the terms of the data, here or by URL, or nothing."""
    path = config["experiments"][wildcards.experiment]["data"]["license"]
    if not path:
        return []
    return stored(path) if "://" in path else local(path)


def round_trip_port(wildcards):
    """Return a port for the experiment's own Redis server."""
    return 16380 + list(config["experiments"]).index(wildcards.experiment)


def campaign_option(wildcards):
    """Return --campaign and the name, or nothing."""
    campaign = CAMPAIGN_OF.get(wildcards.experiment)
    return f"--campaign {campaign}" if campaign else ""


def tracker_option(wildcards):
    """Return --uri and that of the tracker, or nothing.

    With results on remote storage the file of the tracker stays on this machine, where
    it would be with results on this machine.
    """
    uri = config["track"]["uri"]
    remote = workflow.storage_settings.default_storage_provider
    if remote and not uri and not os.environ.get("MLFLOW_TRACKING_URI"):
        uri = f"sqlite:///{workflow.pathvars.items['results']}/tracking/mlflow.db"
    return ["--uri", uri] if uri else []


def place_of_results(wildcards):
    """Return where the results of the experiment are, as a user finds them."""
    return where_it_is(f"{workflow.pathvars.items['results']}/{wildcards.experiment}")


def tries_to_track(wildcards):
    """Return how often the tracker was tried in vain before.

    While it is down that number grows, and Snakemake runs the job again. It would not for
    a function of the output, so this one finds the receipt by itself.
    """
    results = Path(workflow.pathvars.items["results"])
    receipt = results / "tracking" / f"{wildcards.experiment}.json"
    if not receipt.is_file():
        return 0
    content = json.loads(receipt.read_text())
    return content["tries"] + (not content["tracked"])


def made_files(name):
    """Return what the stages of an experiment make, shards aside."""
    files = (
        *("dataset/annotations.json", "splits/test.json", "card/card.html"),
        *("model/base.py", "model/config.py", "model/checkpoint.pth"),
        *("model/card.md", f"model/{name}.zip"),
        *("evaluation/metrics.json", "evaluation/gallery.html"),
        *("predictions/images.csv", "predictions/objects.csv"),
        *("predictions/manifest.csv", "predictions/overview.png", "summary.txt"),
    )
    if has_validation(name):
        files += ("evaluation/thresholds.json",)
    return [f"<results>/{name}/{file}" for file in files]


def recorded_files(wildcards):
    """Return all that the record, the pages and the tracker read of an experiment.

    Files of folders: on remote storage nothing is in a folder but what is an input. Of
    the shards, what is measured and a table; OPEX would be too much to fetch.
    """
    name = wildcards.experiment
    figures = [f"evaluation/{one}" for one in ("curves", "confusion", "errors")]
    figures.append("evaluation/calibration")
    files = (
        *("dataset/classes.txt", "dataset/report.json", "dataset/report.csv"),
        *(f"splits/{split}.json" for split in ("train", "val", "trainval")),
        *(f"splits/{split}.txt" for split in ("train", "val", "test")),
        *("card/card.json", "card/card.png", "card/samples.png", "model/curves.png"),
        *(f"{figure}.{kind}" for figure in figures for kind in ("csv", "png")),
        *("evaluation/metrics.csv", "evaluation/images.csv", "evaluation/worst.html"),
        *("evaluation/label_errors.csv", "evaluation/detections.json"),
        *("predictions/lists", "benchmarks/train_model.tsv"),
    )
    shards = [
        f"<results>/{name}/{file}"
        for shard in shards_of(name)
        for file in (
            f"predictions/shard-{shard}/images.csv",
            f"benchmarks/predict_images-{shard}.json",
            f"benchmarks/predict_images-{shard}.tsv",
        )
    ]
    return [*made_files(name), *(f"<results>/{name}/{file}" for file in files), *shards]


def measured_speeds():
    """Return functions for what was measured of each experiment's jobs."""

    def measured(name):
        folder = f"<results>/{name}/benchmarks"
        return lambda wildcards: [
            f"{folder}/train_model.tsv",
            *(f"{folder}/predict_images-{shard}.json" for shard in shards_of(name)),
        ]

    return [measured(name) for name in config["experiments"]]


def stage_files(wildcards):
    """Return what each stage of each experiment makes, shards aside.

    The last files alone would not do: when an earlier stage fails, the results of the
    run before are still there, and Snakemake would take them for finished.
    """
    targets = []
    for name in config["experiments"]:
        targets += made_files(name)
        targets += [
            f"<results>/{name}/{file}" for file in ("run.json", "pages/model_card.html")
        ]
        if config["track"]["enabled"]:
            targets.append(f"<results>/tracking/{name}.json")
    if len(config["experiments"]) > 1:
        targets.append("<results>/leaderboard.csv")
    return targets


def stage_shards():
    """Return functions for the shards of each experiment.

    One for each: what is not known of one experiment yet keeps no other waiting.
    """

    def shards(name):
        return lambda wildcards: [
            f"<results>/{name}/predictions/shard-{shard}/images.csv"
            for shard in shards_of(name)
        ]

    return [shards(name) for name in config["experiments"]]
