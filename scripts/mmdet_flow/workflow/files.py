"""The files of an experiment, by stage, as inputs of rules.

Functions take the config and the name of an experiment. Paths begin with ``<results>``,
which Snakemake replaces. An empty list is an input that is none.
"""

from collections.abc import Iterable

from mmdet_flow import layout
from mmdet_flow.workflow import options
from mmdet_flow.workflow.campaigns import Campaigns
from mmdet_flow.workflow.config import has_tiles, has_validation, published_weights

TRAINING_SPLITS = ("train", "val", "trainval")
"""Those that a model sees in training, as a whole or as tiles."""

TEST_LIST = layout.fill(layout.SPLIT_LIST, split="test")

MADE = (
    *(layout.ANNOTATIONS, layout.fill(layout.SPLIT, split="test")),
    *(layout.DATA_CARD_PAGE, layout.BASE_CONFIG, layout.CONFIG, layout.CHECKPOINT),
    *(layout.DEPLOYED, layout.MODEL_CARD, layout.PACKAGE),
    *(layout.METRICS, layout.GALLERY),
    *(layout.PREDICTED_IMAGES, layout.OBJECTS, layout.MANIFEST, layout.OVERVIEW),
    layout.SUMMARY,
)
"""What shows that a stage was done; nothing of it is of a shard."""

READ = (
    *(layout.CLASSES, layout.REPORT, layout.FINDINGS, layout.PIXELS),
    *(layout.fill(layout.SPLIT, split=name) for name in TRAINING_SPLITS),
    *(layout.fill(layout.SPLIT_LIST, split=name) for name in layout.SPLITS),
    *(layout.DATA_CARD, layout.DATA_CARD_PLOTS, layout.SAMPLES, layout.CURVES),
    *(layout.SCORE_CURVES, layout.SCORE_CURVES_PLOT),
    *(layout.CONFUSION, layout.CONFUSION_PLOT),
    *(layout.ERRORS, layout.ERRORS_PLOT),
    *(layout.CALIBRATION, layout.CALIBRATION_PLOT),
    *(layout.METRICS_TABLE, layout.IMAGE_RESULTS, layout.GALLERY_EXCERPT),
    *(layout.LABEL_ERRORS, layout.DETECTIONS),
    *(layout.LISTS, layout.TRAINING_BENCHMARK),
)
"""What record, pages and tracker read beside."""

READ_OF_SHARD = (
    layout.SHARD_IMAGES,
    layout.PREDICTION_SPEED,
    layout.PREDICTION_BENCHMARK,
)
"""What they read of a shard; its OPEX would be too much to fetch."""

LAST = (layout.SUMMARY, layout.RECORD, layout.fill(layout.PAGE, page="model_card"))
"""What is made last of an experiment, before its failures are judged."""

COMPARED = (
    *(layout.METRICS, layout.DETECTIONS, layout.CHECKPOINT),
    *(layout.fill(layout.SPLIT, split=name) for name in layout.SPLITS),
)
"""What a comparison reads of an experiment, beside its images and its tiles."""

TILED = (
    *(layout.fill(layout.TILE_SPLIT, split=name) for name in TRAINING_SPLITS),
    *(layout.TILE_PIXELS, layout.TILE_REPORT, layout.TILE_FINDINGS),
)
"""What an experiment with tiles has beside their images."""


def of_experiment(name: str, places: Iterable[layout.Place]) -> list[str]:
    """Return the paths of files of an experiment."""
    files = (layout.fill(place, experiment=name) for place in places)
    return [f"<results>/{name}/{file}" for file in files]


def of_shards(
    name: str, places: Iterable[str | layout.Place], shards: Iterable[int]
) -> list[str]:
    """Return the paths of files of the shards of an experiment."""
    return [
        f"<results>/{name}/{layout.fill(place, shard=shard)}"
        for shard in shards
        for place in places
    ]


def made(config: dict, name: str) -> list[str]:
    """Return what the stages of an experiment make, shards aside."""
    return [*of_experiment(name, MADE), *thresholds_if_any(config, name)]


def recorded(config: dict, name: str, shards: Iterable[int]) -> list[str]:
    """Return all that the record, the pages and the tracker read of an experiment.

    Files of folders: on remote storage nothing is in a folder but what is an input.
    """
    read = of_experiment(name, READ)
    if has_tiles(config["experiments"][name]):
        read += of_experiment(name, TILED)
    return [*made(config, name), *read, *of_shards(name, READ_OF_SHARD, shards)]


def compared(config: dict, name: str) -> list[str]:
    """Return what a comparison reads of an experiment, beside its images."""
    return [*of_experiment(name, COMPARED), *tile_report(config, name)]


def first_weights(config: dict, name: str) -> list[str]:
    """Return the file of weights that a training starts from, if any.

    The model of another experiment, or what is published of the base config.
    """
    experiment = config["experiments"][name]
    if before := experiment["model"]["start_from"]:
        return of_experiment(before, (layout.CHECKPOINT,))
    published = published_weights(experiment)
    return [f"<results>/weights/{published.name}"] if published else []


def base_of_weights(config: dict, weights: str) -> str:
    """Return the base config whose published weights have this name."""
    return next(
        experiment["model"]["base"]
        for experiment in config["experiments"].values()
        if (published := published_weights(experiment)) and published.name == weights
    )


def tested(config: dict, names: Iterable[str]) -> list[str]:
    """Return what comparisons of rounds and learning curves read of experiments."""
    return [
        file
        for name in names
        for file in (*compared(config, name), *of_experiment(name, (layout.PIXELS,)))
    ]


def of_campaigns(campaigns: Campaigns) -> list[str]:
    """Return what says how good the models of a campaign are, one after the other."""
    stems = [f"rounds/{campaign}" for campaign in campaigns.rounds]
    stems += [f"curves/{campaign}" for campaign in campaigns.curves]
    return [f"<results>/{stem}.{end}" for stem in stems for end in ("csv", "png")]


def last(config: dict, compared: Iterable[str] = ()) -> list[str]:
    """Return what is made last, before failures are judged.

    Of all experiments: a job that fails would keep those of the others waiting.
    ``compared`` is what is made of campaigns.
    """
    names = list(config["experiments"])
    files = [file for name in names for file in of_experiment(name, LAST)]
    if config["track"]["enabled"]:
        files += [f"<results>/tracking/{name}.json" for name in names]
    files += compared
    return [*files, "<results>/leaderboard.csv"] if len(names) > 1 else files


def of_stages(config: dict, compared: Iterable[str] = ()) -> list[str]:
    """Return what each stage of each experiment makes, shards aside.

    The last files alone would not do: when an earlier stage fails, the results of the
    run before are still there, and Snakemake would take them for finished.
    """
    names = config["experiments"]
    stages = [file for name in names for file in made(config, name)]
    judged = [f"<results>/{name}/{layout.FAILURES}" for name in names]
    return [*stages, *last(config, compared), *judged]


def trained_on(config: dict, name: str) -> list[str]:
    """Return the annotations that an experiment trains on: of tiles, if it has them."""
    return training_files(
        config, name, config["experiments"][name]["model"]["train_on"]
    )


def validated_on(config: dict, name: str) -> list[str]:
    """Return the annotations that an experiment is validated on, or nothing."""
    there = has_validation(config["experiments"][name])
    return training_files(config, name, *(("val",) if there else ()))


def training_files(config: dict, name: str, *splits: str) -> list[str]:
    """Return the annotations of splits as a training sees them: of tiles, or not."""
    tiles = has_tiles(config["experiments"][name])
    place = layout.TILE_SPLIT if tiles else layout.SPLIT
    return of_experiment(name, (layout.fill(place, split=split) for split in splits))


def training_splits(config: dict, name: str) -> list[str]:
    """Return all annotations that a training may see."""
    return training_files(config, name, *TRAINING_SPLITS)


def training_images(config: dict, name: str) -> str:
    """Return the folder of the images that a training sees: tiles, or images."""
    return _of_tiles_or_not(config, name, layout.TILE_IMAGES, layout.IMAGES)


def training_pixels(config: dict, name: str) -> str:
    """Return the table of the hashes of these images."""
    return _of_tiles_or_not(config, name, layout.TILE_PIXELS, layout.PIXELS)


def counted(config: dict, name: str) -> str:
    """Return where the images of a training can be counted: a list, or the tiles."""
    listed = layout.fill(layout.SPLIT_LIST, split="train")
    return _of_tiles_or_not(config, name, layout.TILE_IMAGES, listed)


def _of_tiles_or_not(
    config: dict, name: str, tiles: layout.Place, whole: layout.Place
) -> str:
    """Return the path of one file or the other of an experiment."""
    return of_experiment(
        name, (tiles if has_tiles(config["experiments"][name]) else whole,)
    )[0]


def test_images(config: dict, name: str) -> list[str]:
    """Return the folder of the test images where they are not with the others."""
    tiles = has_tiles(config["experiments"][name])
    return of_experiment(name, (layout.IMAGES,) if tiles else ())


def tile_report(config: dict, name: str) -> list[str]:
    """Return the account of the tiles of an experiment, or nothing without them."""
    tiles = has_tiles(config["experiments"][name])
    return of_experiment(name, (layout.TILE_REPORT,) if tiles else ())


def compared_on(config: dict, name: str) -> list[str]:
    """Return the annotations that two forms of a model are compared on.

    Both see the same images: where none validate, those of the training will do.
    """
    return validated_on(config, name) or trained_on(config, name)


def thresholds_if_any(config: dict, name: str) -> list[str]:
    """Return the thresholds file of a training with validation, or nothing."""
    there = has_validation(config["experiments"][name])
    return of_experiment(name, (layout.THRESHOLDS,) if there else ())


def thresholds_to_use(config: dict, name: str) -> list[str]:
    """Return the thresholds file where the score is auto, or nothing."""
    used = config["experiments"][name]["predict"]["score"] == "auto"
    return of_experiment(name, (layout.THRESHOLDS,) if used else ())


def thresholds_to_serve(config: dict, name: str) -> list[str]:
    """Return the thresholds file of the service, unless its options have a score."""
    own = options.names_score(config["serve"]["options"])
    return [] if own else thresholds_to_use(config, name)


def list_to_predict(config: dict, name: str) -> list[str]:
    """Return the list of the test split, or nothing for the user's own folder."""
    own = config["experiments"][name]["predict"]["images"]
    return of_experiment(name, () if own else (TEST_LIST,))
