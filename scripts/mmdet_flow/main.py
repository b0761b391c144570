"""The command ``mmdet-flow``, and the four that the reference image had.

A command is a module in ``commands/``, at the place that its words say: ``mmdet-flow
data check`` is ``commands/data/check.py``. Each has

* ``build_parser(prog)``, which returns the parser of its options;
* ``run(options)``, which does what they ask for, and raises what ``cli.run`` tells.

Only the module of the command that is asked for is imported.
"""

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from functools import partial
from types import ModuleType

from mmdet_flow import __version__, cli
from mmdet_flow.errors import UsageError, did_you_mean

PROG = "mmdet-flow"

COMMANDS: dict[str, str | dict[str, str]] = {
    "new": "make a project folder with the workflow",
    "start": {
        "init": "write a config for a folder of annotated images",
        "doctor": "check environment, config, data and machine",
        "example": "draw the embedded example",
    },
    "run": "make all that config.yaml asks for, and show it",
    "watch": "show experiments on a page that follows them",
    "data": {
        "check": "list all that is wrong with annotations and images",
        "convert": "check annotations and convert them to COCO",
        "split": "divide a data set, stratified by class, or by lists",
        "tile": "cut large images into tiles to train on",
        "card": "describe a data set: counts, sizes, positions, samples",
        "difference": "say what was corrected between two data sets",
    },
    "model": {
        "config": "export a model-zoo config, expanded",
        "patch": "fit a config to a data set and a machine",
        "train": "train, resume after an interruption, publish",
        "verify": "repeat the start of a training and compare",
        "deploy": "make the form of a model that predicts without torch",
        "families": "try the detector families of the zoo here",
    },
    "weights": {
        "list": "list weights to start from: kept, or published",
        "get": "fetch published weights, from mirrors first",
        "add": "keep a file of weights",
    },
    "evaluate": {
        "metrics": "measure a model with COCO metrics, and where it fails",
        "thresholds": "choose the score threshold of each class",
        "gallery": "show the worst images on one page",
        "tiles": "measure a model on whole images and on their tiles",
        "precision": "find the fastest precision that loses no accuracy",
        "draw": "draw predictions on their images",
    },
    "predict": "predict for the images of a folder",
    "serve": "answer images over Redis with OPEX",
    "redis": {
        "load": "send images to the service and measure the answers",
        "replay": "list requests that were given up, or send them again",
    },
    "label": {
        "choose": "rank images by what a model would learn from them",
        "export": "turn predictions into annotations of a tool",
        "serve": "predict for Label Studio while somebody labels",
        "join": "join corrected annotations with the data of before",
    },
    "handover": {
        "card": "write the model card",
        "package": "pack a model into one file, with hashes",
    },
    "compare": {
        "annotators": "say how far those who label the same agree",
        "curve": "say what more labelled images would give",
        "experiments": "say how two experiments differ, and which is better",
        "leaderboard": "rank experiments, with mean and spread over seeds",
        "rounds": "say how good each round of labelling made the model",
    },
    "track": "export runs to an MLflow tracker",
    "step": {
        "reuse": "reuse the data set that another experiment converted",
        "shard": "divide a folder into lists, one for each prediction job",
        "gather": "join the tables of all shards, or count failures",
        "pages": "write pages of an experiment for the report",
        "summary": "say what an experiment made and where it is",
        "record": "write down what a run was made from, how, and what it made",
    },
}
"""The groups with their commands, and commands by themselves, in words."""

REFERENCE = {
    "mmdet_config": ("model", "config"),
    "mmdet_train": ("model", "train"),
    "mmdet_predict": ("predict",),
    "mmdet_predict_redis": ("serve",),
}
"""The commands of the reference image, which are on the PATH under their names, too."""

INTERNAL = "step"
"""The group of what only the workflow calls."""

PATHS = [
    path
    for name, found in COMMANDS.items()
    for path in (
        [(name,)] if isinstance(found, str) else [(name, one) for one in found]
    )
]
"""The words of each command."""

HEAD = f"""\
usage: {PROG} COMMAND [OPTIONS]
Train and run MMDetection models on CPU. To begin, {PROG} start init FOLDER
writes config.yaml for your annotated images, and {PROG} run does the rest.

Each step is a command, too; {PROG} COMMAND --help tells its options:"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``mmdet-flow`` with these words, or with those of the command line."""
    if "_ARGCOMPLETE" in os.environ:
        _complete()
    words = list(sys.argv[1:] if argv is None else argv)
    path = resolve(words)
    rest = words[len(path) :]
    if path in PATHS:
        return _run(path, " ".join((PROG, *path)), rest)
    return cli.run(lambda _: _tell(path, rest), cli.PLAIN)


def _tell(group: Sequence[str], words: Sequence[str]) -> None:
    """Print what there is in a group, or in all; UsageError for what there is not."""
    if not words or words[0] in ("-h", "--help"):
        print(overview(group))
    elif words[0] == "--version":
        print(f"{PROG} {__version__}")
    else:
        raise UsageError(_unknown(group, words[0]))


def _reference(name: str) -> int:
    """Run a command under the name that it has in the reference image."""
    path = REFERENCE[name]
    if "_ARGCOMPLETE" in os.environ:
        _complete(path)
    return _run(path, name, sys.argv[1:])


mmdet_config = partial(_reference, "mmdet_config")
mmdet_train = partial(_reference, "mmdet_train")
mmdet_predict = partial(_reference, "mmdet_predict")
mmdet_predict_redis = partial(_reference, "mmdet_predict_redis")


def _run(path: Sequence[str], prog: str, argv: Sequence[str]) -> int:
    try:
        command = command_at(path)
        parser = command.build_parser(prog)
    except ModuleNotFoundError as error:
        return cli.run(partial(_raise, error), cli.PLAIN)
    return cli.run(command.run, parser.parse_args(argv))


def _raise(error: Exception, _: object) -> None:
    """Raise what went wrong before there were options, where it becomes a line."""
    raise error


def command_at(path: Sequence[str]) -> ModuleType:
    """Import the module of a command."""
    return importlib.import_module(".".join(("mmdet_flow.commands", *path)))


def resolve(words: Sequence[str]) -> tuple[str, ...]:
    """Return the words that name a command, or only a group, or nothing."""
    if tuple(words[:2]) in PATHS:
        return tuple(words[:2])
    return tuple(words[:1]) if words and words[0] in COMMANDS else ()


def overview(group: Sequence[str] = ()) -> str:
    """Return the commands of a group, or all, a line each."""
    if group:
        head = f"usage: {PROG} {group[0]} COMMAND [OPTIONS]\n"
        lines = [_line(path) for path in PATHS if path[0] == group[0]]
        return "\n".join((head, *lines))
    lines = [_line(path) for path in PATHS if path[0] != INTERNAL]
    names = ", ".join(COMMANDS[INTERNAL])
    return "\n".join((HEAD, *lines, _row(f"{INTERNAL} ...", names)))


def _line(path: Sequence[str]) -> str:
    found = COMMANDS[path[0]]
    return _row(" ".join(path), found if isinstance(found, str) else found[path[1]])


def _row(name: str, what: str) -> str:
    return f"  {name:21}{what}"


def _unknown(group: Sequence[str], word: str) -> str:
    """Say that there is no such command, and which is the nearest that there is."""
    known = COMMANDS[group[0]] if group else COMMANDS
    elsewhere = [" ".join(path) for path in PATHS if path[-1] == word]
    hint = f"; did you mean {elsewhere[0]}?" if elsewhere else did_you_mean(word, known)
    prog = " ".join((PROG, *group))
    return f"{prog}: there is no command {word!r}" + (hint or f"; see {prog} --help")


def _complete(path: Sequence[str] = ()) -> None:
    """Offer a shell what may come next, and end; ``path`` is what the program runs.

    argcomplete is told to skip the words of the command, so that it needs the parser
    of that command alone.
    """
    import argcomplete

    skipped = int(os.environ["_ARGCOMPLETE"])
    if path:
        parser = command_at(path).build_parser(PROG)
    else:
        line, point = os.environ["COMP_LINE"], int(os.environ["COMP_POINT"])
        path = resolve(argcomplete.split_line(line, point)[3][skipped:])
        os.environ["_ARGCOMPLETE"] = str(skipped + len(path))
        is_command = path in PATHS
        parser = command_at(path).build_parser(PROG) if is_command else _names(path)
    argcomplete.autocomplete(parser)


def _names(group: Sequence[str]) -> argparse.ArgumentParser:
    """Return a parser that takes the names in a group, or those of the groups."""
    parser = argparse.ArgumentParser(PROG)
    names = parser.add_subparsers()
    for name, what in (COMMANDS[group[0]] if group else COMMANDS).items():
        names.add_parser(name, help=what if isinstance(what, str) else ", ".join(what))
    return parser
