"""The files of an experiment, by stage, as inputs of rules.

Functions take the config and the name of an experiment. Paths begin with ``<results>``,
which Snakemake replaces. An empty list is an input that is none.
"""

from collections.abc import Iterable

from mmdet_flow.workflow.config import has_validation

THRESHOLDS = "evaluation/thresholds.json"
SHARD_IMAGES = "predictions/shard-{shard}/images.csv"

MADE = (
    *("dataset/annotations.json", "splits/test.json", "card/card.html"),
    *("model/base.py", "model/config.py", "model/checkpoint.pth", "model/card.md"),
    *("model/{experiment}.zip", "evaluation/metrics.json", "evaluation/gallery.html"),
    *("predictions/images.csv", "predictions/objects.csv", "predictions/manifest.csv"),
    *("predictions/overview.png", "summary.txt"),
)
"""What shows that a stage was done; nothing of it is of a shard."""

READ = (
    *("dataset/classes.txt", "dataset/report.json", "dataset/report.csv"),
    "dataset/images.csv",
    *("splits/train.json", "splits/val.json", "splits/trainval.json"),
    *("splits/train.txt", "splits/val.txt", "splits/test.txt"),
    *("card/card.json", "card/card.png", "card/samples.png", "model/curves.png"),
    *("evaluation/curves.csv", "evaluation/curves.png"),
    *("evaluation/confusion.csv", "evaluation/confusion.png"),
    *("evaluation/errors.csv", "evaluation/errors.png"),
    *("evaluation/calibration.csv", "evaluation/calibration.png"),
    *("evaluation/metrics.csv", "evaluation/images.csv", "evaluation/worst.html"),
    *("evaluation/label_errors.csv", "evaluation/detections.json"),
    *("predictions/lists", "benchmarks/train_model.tsv"),
)
"""What record, pages and tracker read beside."""

READ_OF_SHARD = (
    SHARD_IMAGES,
    "benchmarks/predict_images-{shard}.json",
    "benchmarks/predict_images-{shard}.tsv",
)
"""What they read of a shard; its OPEX would be too much to fetch."""

LAST = ("summary.txt", "run.json", "pages/model_card.html")
"""What is made last of an experiment, before its failures are judged."""

COMPARED = (
    *("evaluation/metrics.json", "evaluation/detections.json"),
    *("model/config.py", "model/checkpoint.pth"),
    *("splits/train.json", "splits/val.json", "splits/test.json"),
)
"""What a comparison reads of an experiment, beside its images."""


def of_experiment(name: str, files: Iterable[str]) -> list[str]:
    """Return the paths of files of an experiment."""
    return [f"<results>/{name}/{file.format(experiment=name)}" for file in files]


def of_shards(name: str, files: Iterable[str], shards: Iterable[int]) -> list[str]:
    """Return the paths of files of the shards of an experiment."""
    return [
        f"<results>/{name}/{file.format(shard=shard)}"
        for shard in shards
        for file in files
    ]


def made(config: dict, name: str) -> list[str]:
    """Return what the stages of an experiment make, shards aside."""
    return [*of_experiment(name, MADE), *thresholds_if_any(config, name)]


def recorded(config: dict, name: str, shards: Iterable[int]) -> list[str]:
    """Return all that the record, the pages and the tracker read of an experiment.

    Files of folders: on remote storage nothing is in a folder but what is an input.
    """
    read = of_experiment(name, READ)
    return [*made(config, name), *read, *of_shards(name, READ_OF_SHARD, shards)]


def last(config: dict) -> list[str]:
    """Return what is made last, before failures are judged.

    Of all experiments: a job that fails would keep those of the others waiting.
    """
    names = list(config["experiments"])
    files = [file for name in names for file in of_experiment(name, LAST)]
    if config["track"]["enabled"]:
        files += [f"<results>/tracking/{name}.json" for name in names]
    return [*files, "<results>/leaderboard.csv"] if len(names) > 1 else files


def of_stages(config: dict) -> list[str]:
    """Return what each stage of each experiment makes, shards aside.

    The last files alone would not do: when an earlier stage fails, the results of the
    run before are still there, and Snakemake would take them for finished.
    """
    names = config["experiments"]
    stages = [file for name in names for file in made(config, name)]
    judged = [f"<results>/{name}/failures.txt" for name in names]
    return [*stages, *last(config), *judged]


def trained_on(config: dict, name: str) -> list[str]:
    """Return the annotations that an experiment trains on."""
    split = config["experiments"][name]["model"]["train_on"]
    return of_experiment(name, (f"splits/{split}.json",))


def validated_on(config: dict, name: str) -> list[str]:
    """Return the annotations that an experiment is validated on, or nothing."""
    there = has_validation(config["experiments"][name])
    return of_experiment(name, ("splits/val.json",) if there else ())


def thresholds_if_any(config: dict, name: str) -> list[str]:
    """Return the thresholds file of a training with validation, or nothing."""
    there = has_validation(config["experiments"][name])
    return of_experiment(name, (THRESHOLDS,) if there else ())


def thresholds_to_use(config: dict, name: str) -> list[str]:
    """Return the thresholds file where the score is auto, or nothing."""
    used = config["experiments"][name]["predict"]["score"] == "auto"
    return of_experiment(name, (THRESHOLDS,) if used else ())


def list_to_predict(config: dict, name: str) -> list[str]:
    """Return the list of the test split, or nothing for the user's own folder."""
    own = config["experiments"][name]["predict"]["images"]
    return of_experiment(name, () if own else ("splits/test.txt",))
