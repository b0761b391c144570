"""Words of the command lines, from the config.

A rule has them in one list, so that each is quoted as one word, and that two values
which are exchanged are a change. ``--option=value`` is a single word, whatever the
value begins with. Functions take the config of one experiment.
"""

import shlex
from collections.abc import Iterable
from itertools import zip_longest
from pathlib import Path

from mmdet_flow.errors import UsageError
from mmdet_flow.workflow import schema

OF_THE_RULE = frozenset(
    (
        *("--checkpoint", "--prediction_in", "--prediction_out", "--image_list"),
        *("--objects_csv", "--images_csv", "--manifest", "--speed", "--keep_input"),
        *("--delete_input", "--continuous"),
    )
)
"""Options of mmdet_predict that decide where the workflow finds what was made."""

HAVE_KEYS = {
    "--max_failures": "predict.max_failures",
    "--score": "predict.score, which the evaluation takes, too",
    "--thresholds": "predict.score: auto",
}
"""Options of mmdet_predict that keys of the config say, by these keys."""


def option(key: str, value: object, dash: str = "-") -> list[str]:
    """Return a key of the config as an option of a command.

    Nothing for null and false; ``--key`` for true; one option for each item of a list,
    and for each of a mapping, as ``--key=name=value``.
    """
    name = f"--{key.replace('_', dash)}"
    if value is None or value is False:
        return []
    if value is True:
        return [name]
    if isinstance(value, dict):
        return [f"{name}={item}={one}" for item, one in value.items()]
    if isinstance(value, list):
        return [f"{name}={item}" for item in value]
    return [f"{name}={value}"]


def of_rule(rule: str, sections: dict, dash: str = "-") -> list[str]:
    """Return the options that the command of a rule has of these sections.

    The schema says of each key which rules those are, as ``option_of``. ``dash`` stands
    for the underscores of a key; commands of the reference image keep them. A section
    that is null has no options.
    """
    return [
        word
        for section, key in schema.options_of(rule)
        if sections.get(section) is not None
        for word in option(
            schema.option_name(section, key), sections[section][key], dash
        )
    ]


def conversion(experiment: dict) -> list[str]:
    """Return the options of convert_annotations: list files show it the splits."""
    data = experiment["data"]
    classes = None if data["classes"] == "all" else data["classes"]
    words = of_rule("convert_annotations", {"data": data | {"classes": classes}})
    return words + option("lists", split_lists(experiment))


def split_lists(experiment: dict) -> list[str]:
    """Return the list files among the splits, each once; the others are fractions."""
    parts = (experiment["splits"][name] for name in ("train", "val", "test"))
    return list(dict.fromkeys(part for part in parts if isinstance(part, str)))


def splitting(experiment: dict) -> list[str]:
    """Return the options of split_dataset, without those that nothing asks for."""
    splits = dict(experiment["splits"])
    if splits["group_file"] is None:
        splits["group_column"] = None
    if splits["folds"] is None:
        splits["fold"] = None
    if splits["train_fraction"] == 1:
        splits["train_fraction"] = None
    return of_rule("split_dataset", {"splits": splits})


def patch(experiment: dict) -> list[str]:
    """Return the options of patch_config; one process trains on each node."""
    nodes = option("processes", experiment["model"]["nodes"])
    return of_rule("patch_config", experiment) + nodes


def training(experiment: dict) -> list[str]:
    """Return the options of train_model; on several nodes Slurm starts processes."""
    several = experiment["model"]["nodes"] > 1
    launcher = option("launcher", "slurm" if several else None)
    return of_rule("train_model", experiment) + launcher


def serving(experiment: dict, own: str | list[str] = "") -> list[str]:
    """Return the options of serve before its ``own``, whose score takes precedence."""
    words = of_rule("serve", experiment, dash="_")
    if names_score(own):
        return [word for word in words if not word.startswith("--score=")]
    return words


def round_trip(experiment: dict) -> list[str]:
    """Return the options of answer_round_trip, the same command."""
    return of_rule("answer_round_trip", experiment, dash="_")


def prediction(experiment: dict) -> list[str]:
    """Return the options of predict_images, those that the user writes last."""
    words = of_rule("predict_images", experiment, dash="_")
    return words + words_of(experiment["predict"]["options"])


def drawing(experiment: dict) -> list[str]:
    """Return the options of draw_predictions: what was predicted can be drawn."""
    words = words_of(experiment["predict"]["options"])
    return option("max_pixels", _value_of("--max_pixels", words))


def _value_of(name: str, words: list[str]) -> str | None:
    """Return the value that counts, the last one, of an option among words."""
    found = None
    for word, following in zip_longest(words, words[1:]):
        key, sign, value = word.partition("=")
        if key == name:
            found = value if sign else following
    return found


def words_of(options: str | list[str]) -> list[str]:
    """Return options as words: a text is divided as a shell does, a list is words."""
    return list(options) if isinstance(options, list) else shlex.split(options)


def names_score(options: str | list[str]) -> bool:
    """Whether options have a score of their own; ValueError if they are no words."""
    return any(word.split("=")[0] == "--score" for word in words_of(options))


def require_options(config: dict) -> None:
    """Raise UsageError for options that cannot be read, or are not the user's."""
    for name, experiment in config["experiments"].items():
        place = f"config, at experiments.{name}.predict.options"
        for word in _read(place, experiment["predict"]["options"]):
            option = word.split("=")[0]
            if option in HAVE_KEYS:
                raise UsageError(f"{place}: {option} has a key, {HAVE_KEYS[option]}")
            if option in OF_THE_RULE:
                raise UsageError(
                    f"{place}: {option} is set by the workflow; take it out, or call "
                    "mmdet_predict by itself"
                )
    _read("config, at serve.options", config["serve"]["options"])


def _read(place: str, options: str | list[str]) -> list[str]:
    try:
        return words_of(options)
    except ValueError as error:
        raise UsageError(f"{place}: {error}; close the quotes") from None


def files_among(words: Iterable[str]) -> list[Path]:
    """Return the files that options name, by themselves or behind a sign."""
    values = (part for word in words for part in (word, word.partition("=")[2]))
    found = (Path(value) for value in values if value and len(value) < 4096)
    return [path for path in found if _is_file(path)]


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False
