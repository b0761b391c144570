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

# The package of this very checkout, wherever Snakemake runs; of it only what needs no
# more than Snakemake has.
sys.path.insert(0, str((ROOT / "scripts").resolve()))

from mmdet_flow.errors import FlowError
from mmdet_flow.workflow import digest, options
from mmdet_flow.workflow.names import require_names, require_paths


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


def in_one_line(check, content):
    """Run a check of the config, and stop with its line if it fails."""
    try:
        check(content)
    except FlowError as error:
        raise WorkflowError(str(error))


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


def is_compared(path):
    """Whether changes of a path of the config are found by digest, not by its time.

    What is on remote storage is left to Snakemake.
    """
    return "://" not in path and not workflow.storage_settings.default_storage_provider


def unless_compared(path):
    """Return a path whose time counts where changes are not found by digest."""
    return ancient(path) if is_compared(path) else path


def of_experiment(function):
    """Return a function that is asked with the config of a job's experiment."""
    return lambda wildcards: function(config["experiments"][wildcards.experiment])


def digest_of(function):
    """Return a function for params: what ``function`` returns for a job, or nothing.

    Snakemake compares it with that of the last run. It does so in the main process
    alone, so jobs on other nodes need not look.
    """
    return lambda wildcards: function(wildcards) if workflow.is_main_process else ""


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
in_one_line(require_names, config["experiments"])
explain_config_error(config, CAMPAIGN_OF)
apply_presets(config)
validate(config, str(SCHEMA))
in_one_line(require_paths, config["experiments"])
in_one_line(options.require_options, config)
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
        path = config["experiments"][wildcards.experiment]["data"][key]
        return unless_compared(stored(path))

    return folder


def made_places():
    """Return the folders that the workflow fills, wherever the data are."""
    return [workflow.pathvars.items[name] for name in ("results", "logs")]


@digest_of
def data_digest(wildcards):
    """Return what tells the data of two conversions apart."""
    experiment = config["experiments"][wildcards.experiment]
    data, found = experiment["data"], []
    for key, look in (
        ("annotations", digest.of_annotations),
        ("images", digest.of_images),
    ):
        if is_compared(data[key]):
            found.append(look(Path(data[key]), made_places()))
    labels = [Path(data["labels"])] if data["labels"] else []
    return [*found, digest.of_files(*labels, *options.split_lists(experiment))]


@digest_of
def group_digest(wildcards):
    """Return what tells the groups of two divisions apart."""
    return digest.of_files(
        config["experiments"][wildcards.experiment]["splits"]["group_file"]
    )


@digest_of
def base_digest(wildcards):
    """Return what tells two config files apart; nothing for one of the model zoo."""
    base = Path(config["experiments"][wildcards.experiment]["model"]["base"])
    return digest.of_config(base) if base.is_file() else ""


@digest_of
def weights_digest(wildcards):
    """Return what tells the files of first weights apart."""
    return digest.of_files(
        config["experiments"][wildcards.experiment]["model"]["load_from"]
    )


@digest_of
def names_digest(wildcards):
    """Return what tells two folders of the user to predict apart, as lists."""
    folder = config["experiments"][wildcards.experiment]["predict"]["images"]
    return digest.of_names(Path(folder)) if folder and is_compared(folder) else ""


@digest_of
def shard_digest(wildcards):
    """Return what tells the images of a shard apart, and files that options name."""
    predict = config["experiments"][wildcards.experiment]["predict"]
    found = digest.of_files(*options.files_among(options.words_of(predict["options"])))
    results = Path(workflow.pathvars.items["results"]) / wildcards.experiment
    folder = predict["images"] or str(results / "dataset" / "images")
    if not is_compared(folder):
        return found
    listed = results / "predictions" / "lists" / f"{wildcards.shard}.txt"
    if not listed.is_file():
        return found  # not listed yet; Snakemake asks again before the job
    return [found, digest.of_listed(Path(folder), listed)]


def lists_of_splits(wildcards):
    """Return the list files as inputs; the commands read them where the config says."""
    experiment = config["experiments"][wildcards.experiment]
    return [local(path) for path in options.split_lists(experiment)]


def images_to_predict(wildcards):
    """Return the folder to predict: the user's, or that of the data set."""
    folder = config["experiments"][wildcards.experiment]["predict"]["images"]
    if folder:
        return unless_compared(stored(folder))
    return f"<results>/{wildcards.experiment}/dataset/images"


def lists_to_predict(wildcards):
    """Return the lists of the images; a shard looks at its own list alone."""
    return unless_compared(f"<results>/{wildcards.experiment}/predictions/lists")


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


def score_option(wildcards):
    """Return --score; without the file of thresholds, so that a change is seen."""
    score = config["experiments"][wildcards.experiment]["predict"]["score"]
    return f"--score={score}"


def thresholds_option(wildcards, input):
    """Return --thresholds where the score is auto, or nothing."""
    return [f"--thresholds={input.thresholds}"] if input.thresholds else []


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
    return [f"--license={input.license}"] if input.license else []


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
    return [f"--campaign={campaign}"] if campaign else []


def tracker_option(wildcards):
    """Return --uri and that of the tracker, or nothing.

    With results on remote storage the file of the tracker stays on this machine, where
    it would be with results on this machine.
    """
    uri = config["track"]["uri"]
    remote = workflow.storage_settings.default_storage_provider
    if remote and not uri and not os.environ.get("MLFLOW_TRACKING_URI"):
        uri = f"sqlite:///{workflow.pathvars.items['results']}/tracking/mlflow.db"
    return [f"--uri={uri}"] if uri else []


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
        "dataset/images.csv",
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


def last_files(wildcards=None):
    """Return what is made last of each experiment, before its failures are judged.

    Of all of them: a job that fails would keep those of the others waiting.
    """
    files = [
        f"<results>/{name}/{file}"
        for name in config["experiments"]
        for file in ("summary.txt", "run.json", "pages/model_card.html")
    ]
    if config["track"]["enabled"]:
        files += [f"<results>/tracking/{name}.json" for name in config["experiments"]]
    if len(config["experiments"]) > 1:
        files.append("<results>/leaderboard.csv")
    return files


def stage_files(wildcards):
    """Return what each stage of each experiment makes, shards aside.

    The last files alone would not do: when an earlier stage fails, the results of the
    run before are still there, and Snakemake would take them for finished.
    """
    made = [file for name in config["experiments"] for file in made_files(name)]
    judged = [f"<results>/{name}/failures.txt" for name in config["experiments"]]
    return [*made, *last_files(), *judged]


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
