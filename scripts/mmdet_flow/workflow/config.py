"""The config: checked, with its campaigns as experiments, and with defaults."""

from collections.abc import Callable, Mapping
from dataclasses import fields

from mmdet_flow.default_score import DEFAULT_SCORE
from mmdet_flow.errors import ModelError, UsageError
from mmdet_flow.model.weights.index import Published, require_published
from mmdet_flow.tiles import Tiles
from mmdet_flow.workflow import options, schema
from mmdet_flow.workflow.campaigns import (
    Campaigns,
    expand_campaigns,
    find_curves,
    hint,
)
from mmdet_flow.workflow.misfits import explained
from mmdet_flow.workflow.names import require_names, require_paths
from mmdet_flow.workflow.places import Places
from mmdet_flow.workflow.presets import apply_presets

EXAMPLE = "data/example"
"""The folder of the embedded example, which the workflow itself makes."""

FIRST_PORT = 16380
"""Of the Redis servers that the round trips of experiments start."""

DATA_FOLDERS = ("annotations", "images")


class Experiments(dict):
    """The experiments by name; asked for another one, it raises UsageError.

    The rules ask for what a target names, before anything runs.
    """

    def __missing__(self, name: str):
        raise UsageError(
            f"the config has no experiment {name}; {hint(name, list(self))}"
        )


def prepare(config: dict) -> Campaigns:
    """Make a config what the rules ask, in place: experiments with all their keys.

    Returns which experiments belong together. Raises UsageError for the first thing
    that is wrong.
    """
    require_schema(config)
    campaigns = expand_campaigns(config, schema.experiment_keys())
    require_names(config["experiments"])
    if campaigns.of:
        require_schema(config, campaigns.of)
    for experiment in config["experiments"].values():
        apply_presets(experiment)
        choose_score(experiment)
    add_defaults(config)
    campaigns.curves.update(find_curves(campaigns, config["experiments"]))
    require_paths(config["experiments"])
    options.require_options(config)
    require_tiles(config["experiments"])
    require_folds(config["experiments"])
    require_validation(config["experiments"])
    require_first_weights(config["experiments"])
    require_pretrained(config["experiments"])
    served_experiment(config)
    config["experiments"] = Experiments(config["experiments"])
    return campaigns


def require_schema(config: dict, campaign_of: Mapping[str, str] | None = None) -> None:
    """Raise UsageError for what fits the schema least.

    ``campaign_of`` names the campaign of each experiment that was made by one.
    """
    if (problem := schema.misfit(config)) is None:
        return
    path = [str(part) for part in problem.absolute_path]
    place = ".".join(path) or "the top level"
    if path[:1] == ["experiments"] and campaign_of:
        made_by = campaign_of.get("".join(path[1:2]))
        place = f"campaigns.{made_by}, as {place}" if made_by else place
    raise UsageError(f"config, at {place}: {explained(problem)}")


def add_defaults(config: dict) -> None:
    """Put the defaults of the schema where the config leaves something out."""
    schema.fill_in(schema.schema(), config)
    for experiment in config["experiments"].values():
        schema.fill_in({"properties": schema.sections()}, experiment)


def choose_score(experiment: dict) -> None:
    """Give the score of an experiment that has no images to choose scores by."""
    if not has_validation(experiment):
        experiment.setdefault("predict", {}).setdefault("score", DEFAULT_SCORE)


def has_validation(experiment: dict) -> bool:
    """Whether there are images that neither training nor test see."""
    return experiment.get("model", {}).get("train_on", "train") == "train"


def has_tiles(experiment: dict) -> bool:
    """Whether large images are divided into tiles."""
    return experiment["tiles"] is not None


def require_tiles(experiments: dict) -> None:
    """Raise UsageError for tiles that divide no image."""
    for name, experiment in experiments.items():
        if has_tiles(experiment):
            values = {one.name: experiment["tiles"][one.name] for one in fields(Tiles)}
            try:
                Tiles(**values)
            except UsageError as error:
                place = f"config, at experiments.{name}.tiles"
                raise UsageError(f"{place}: {error}") from None


def require_folds(experiments: dict) -> None:
    """Raise UsageError for a fold that there is not."""
    for name, experiment in experiments.items():
        fold, folds = (experiment["splits"][key] for key in ("fold", "folds"))
        if folds is not None and fold >= folds:
            raise UsageError(
                f"config, at experiments.{name}.splits.fold: there is no fold {fold} "
                f"of {folds}; they count from 0 to {folds - 1}"
            )


def require_validation(experiments: dict) -> None:
    """Raise UsageError where scores are to be chosen on images of the training."""
    for name, experiment in experiments.items():
        if experiment["predict"]["score"] == "auto" and not has_validation(experiment):
            raise UsageError(
                f"config, at experiments.{name}.predict.score: auto needs a validation "
                "split, and model.train_on: trainval has none; give a number"
            )


def require_first_weights(experiments: dict) -> None:
    """Raise UsageError for what an experiment cannot start from, such as itself."""
    before = {name: one["model"]["start_from"] for name, one in experiments.items()}
    for name, first in before.items():
        place = f"config, at experiments.{name}.model.start_from"
        if first is None:
            continue
        if first not in experiments:
            known = hint(first, list(experiments))
            raise UsageError(f"{place}: there is no experiment {first}; {known}")
        for other in ("load_from", "pretrained"):
            if experiments[name]["model"][other]:
                fix = f"there is {other}, too; take one of them out"
                raise UsageError(f"{place}: {fix}")
        way = [name]
        while (last := before.get(way[-1])) not in (None, *way):
            way.append(last)
        if last == name:
            way = " from ".join((*way, name))
            raise UsageError(f"{place}: {way} is a circle; start one from nothing")


def require_pretrained(experiments: dict) -> None:
    """Raise UsageError where the weights that an experiment starts from are none."""
    for name, experiment in experiments.items():
        place = f"config, at experiments.{name}.model.pretrained"
        if not experiment["model"]["pretrained"]:
            continue
        if experiment["model"]["load_from"]:
            raise UsageError(f"{place}: there is load_from, too; take one of them out")
        try:
            published_weights(experiment)
        except ModelError as error:
            raise UsageError(f"{place}: {error}") from None


def published_weights(experiment: dict) -> Published | None:
    """Return the published weights that a training starts from, if it does."""
    model = experiment["model"]
    return require_published(model["base"]) if model["pretrained"] else None


def require_folders(config: dict, places: Places, storage: Callable) -> None:
    """Raise UsageError for the first folder of data that is not there.

    Snakemake itself would take what was made from it for finished. ``storage`` is what
    Snakemake has of that name.
    """
    for name, experiment in config["experiments"].items():
        folders = {f"data.{key}": experiment["data"][key] for key in DATA_FOLDERS}
        folders["predict.images"] = experiment["predict"]["images"]
        for key, folder in folders.items():
            if folder in (None, "", EXAMPLE):
                continue
            if not places.exists(folder, storage):
                raise UsageError(
                    f"config, at experiments.{name}.{key}: there is no folder "
                    f"{folder}; correct the path"
                )


def served_experiment(config: dict) -> str:
    """Return the name of the experiment whose model `snakemake serve` takes."""
    name = config["serve"]["experiment"]
    if name and name not in config["experiments"]:
        known = hint(name, list(config["experiments"]))
        raise UsageError(
            f"config, at serve.experiment: there is no experiment {name}; {known}"
        )
    return name or next(iter(config["experiments"]))


def round_trip_port(config: dict, name: str) -> int:
    """Return a port for the experiment's own Redis server."""
    return FIRST_PORT + list(config["experiments"]).index(name)
