"""Words of the command lines, from the config.

A rule has them in one list, so that each is quoted as one word, and that two values
which are exchanged are a change. ``--option=value`` is a single word, whatever the
value begins with. Functions take the config of one experiment.
"""

import shlex
from collections.abc import Iterable
from pathlib import Path

from mmdet_flow.errors import UsageError

OF_THE_RULE = frozenset(
    (
        *("--checkpoint", "--prediction_in", "--prediction_out", "--image_list"),
        *("--objects_csv", "--images_csv", "--manifest", "--speed", "--keep_input"),
        *("--delete_input", "--continuous"),
    )
)
"""Options of mmdet_predict that decide where the workflow finds what was made."""


def given(section: dict, keys: Iterable[str], dash: str = "-") -> list[str]:
    """Return an option for each key that has a value; no is a value, nothing is not."""
    return [
        f"--{key.replace('_', dash)}={section[key]}"
        for key in keys
        if section[key] is not None
    ]


def conversion(experiment: dict) -> list[str]:
    """Return the options of mmdet_convert."""
    data = experiment["data"]
    words = given(data, ("format", "min_objects", "glob", "labels"))
    if data["classes"] != "all":
        words += [f"--classes={name}" for name in data["classes"]]
    words += [f"--policy={kind}={action}" for kind, action in data["policy"].items()]
    words += image_size(experiment)
    return [*words, *(f"--lists={path}" for path in split_lists(experiment))]


def image_size(experiment: dict) -> list[str]:
    """Return --image-size, or nothing if the config leaves it out."""
    return given(experiment["model"], ("image_size",))


def split_lists(experiment: dict) -> list[str]:
    """Return the list files among the splits; the others are shares."""
    parts = (experiment["splits"][name] for name in ("train", "val", "test"))
    return [part for part in parts if isinstance(part, str)]


def division(experiment: dict) -> list[str]:
    """Return the options of mmdet_split."""
    splits = experiment["splits"]
    words = given(splits, ("train", "val", "test", "seed"))
    words += given(splits, ("group_pattern", "group_file"))
    if splits["group_file"] is not None:
        words += given(splits, ("group_column",))
    if splits["folds"] is not None:
        words += given(splits, ("folds", "fold"))
    return words


def patch(experiment: dict) -> list[str]:
    """Return the options of mmdet_patch."""
    model = experiment["model"]
    words = given(
        model,
        ("epochs", "batch_size", "augment", "val_interval", "keep_checkpoints", "seed"),
    )
    words.append(f"--processes={model['nodes']}")
    words += ["--pretrained"] if model["pretrained"] else []
    words += given(model, ("image_size", "learning_rate", "frozen_stages"))
    return words + [f"--cfg-options={option}" for option in model["options"]]


def training(experiment: dict) -> list[str]:
    """Return the options of mmdet_train."""
    model = experiment["model"]
    keys = ("precision", "patience", "save_minutes", "max_hours", "load_from")
    return given(model, keys) + (["--launcher=slurm"] if model["nodes"] > 1 else [])


def thresholds(experiment: dict) -> list[str]:
    """Return the options of mmdet_thresholds."""
    section = experiment["evaluate"]
    words = given(section, ("recall", "precision"))
    return [f"--use={section['threshold']}", *words]


def prediction(experiment: dict) -> list[str]:
    """Return the options of mmdet_predict, those of the user last."""
    predict = experiment["predict"]
    words = [f"--score={predict['score']}", f"--prediction_format={predict['format']}"]
    return words + words_of(predict["options"])


def words_of(options: str | list[str]) -> list[str]:
    """Return options as words: a text is divided as a shell does, a list is words."""
    return list(options) if isinstance(options, list) else shlex.split(options)


def require_options(config: dict) -> None:
    """Raise UsageError for options that cannot be read, or are not the user's."""
    for name, experiment in config["experiments"].items():
        place = f"config, at experiments.{name}.predict.options"
        for word in _read(place, experiment["predict"]["options"]):
            option = word.split("=")[0]
            if option == "--max_failures":
                raise UsageError(f"{place}: {option} has a key, predict.max_failures")
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
