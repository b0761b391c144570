"""Names and paths of the config that the workflow cannot use, refused in one line."""

import re
from collections.abc import Collection, Iterator
from pathlib import Path

from mmdet_flow.errors import UsageError

RESERVED = frozenset(
    (
        *("tracking", "leaderboard", "rounds", "curves", "weights", "report"),
        *("logs", "matrix", "coverage", "checkpoint"),
    )
)
"""What is beside the experiments in results/, or beside a model in its folder."""

FILE_SUFFIXES = frozenset(
    (
        *(".csv", ".db", ".html", ".json", ".log", ".png", ".pth", ".py", ".tsv"),
        *(".txt", ".yaml", ".zip"),
    )
)

LONGEST = 120
"""Of a name; with what is put around it, file systems take 255 bytes."""

TAKEN_BY_SNAKEMAKE = re.compile(r"[{}]|<[a-z][a-z0-9_]*>")
"""What Snakemake replaces inside of a path."""

DATA_PATHS = ("annotations", "images", "license")


def require_names(names: Collection) -> None:
    """Raise UsageError for the first experiment that cannot have its name."""
    seen: dict[str, str] = {}
    for name in names:
        if reason := _fault(name) or _twin(name, seen):
            raise UsageError(f"config, at experiments: {name!r}: {reason}")
        seen[name.lower()] = name


def in_natural_order(name: str) -> tuple[list[tuple[int, str]], str]:
    """Return a key that sorts names as people do: numbers in them by their value."""
    parts = re.split(r"([0-9]+)", name)
    return [(int(one), "") if one.isdecimal() else (0, one) for one in parts], name


def _fault(name) -> str:
    if not isinstance(name, str):
        return f"a name must be text; write it in quotes, as '{name}'"
    if "\n" in name:
        return "a name is one line; take the line break away"
    if len(name) > LONGEST:
        return f"a name has {LONGEST} characters at most; shorten it"
    if name.lower().split(".")[0] in RESERVED:
        return "results/ has files of that name already; choose another"
    if Path(name.lower()).suffix in FILE_SUFFIXES:
        return f"a folder should not end like a file, in {Path(name).suffix}; rename it"
    return ""


def _twin(name: str, seen: dict[str, str]) -> str:
    other = seen.get(name.lower())
    return f"differs from {other} by case alone; rename one" if other else ""


def require_paths(experiments: dict) -> None:
    """Raise UsageError for the first text that no path or command line can hold."""
    for name, experiment in experiments.items():
        for key, path in _paths(experiment):
            if isinstance(path, str) and (found := TAKEN_BY_SNAKEMAKE.search(path)):
                raise UsageError(
                    f"config, at experiments.{name}.{key}: Snakemake would replace "
                    f"{found[0]} in {path!r}; rename it, or link to it by another name"
                )
        for key, text in _texts(experiment):
            if "\0" in text:
                raise UsageError(
                    f"config, at experiments.{name}.{key}: there is a NUL character; "
                    "take it away"
                )


def _paths(experiment: dict) -> Iterator[tuple[str, object]]:
    for key in DATA_PATHS:
        yield f"data.{key}", experiment["data"].get(key)
    for key in ("train", "val", "test"):
        yield f"splits.{key}", experiment["splits"].get(key)
    yield "predict.images", experiment["predict"].get("images")


def _texts(node, place: str = "") -> Iterator[tuple[str, str]]:
    """Yield each text below a section, with its place."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield place.removeprefix("."), str(key)
            yield from _texts(value, f"{place}.{key}")
    elif isinstance(node, list):
        for value in node:
            yield from _texts(value, place)
    elif isinstance(node, str):
        yield place.removeprefix("."), node
