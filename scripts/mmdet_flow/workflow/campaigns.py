"""Experiments that are made from one, by changing keys of it."""

import copy
import difflib
import itertools
import json
import math
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import NoReturn

from mmdet_flow.errors import LONGEST_NAME, UsageError
from mmdet_flow.workflow.rounds import rounds_of

NAME = re.compile(r"[A-Za-z0-9._-]+")

MOST = 10_000
"""Experiments of a campaign; a dry run of so many takes minutes."""


@dataclass(frozen=True)
class Campaigns:
    """Which experiments belong together.

    Attributes:
        of: the campaign of each experiment that has one.
        rounds: of each campaign with rounds of labelling, the number of the round of
            each experiment; 0 is the base.
        curves: the experiments of each campaign that learn from different fractions of
            the training images, which makes a learning curve.
    """

    of: dict[str, str] = field(default_factory=dict)
    rounds: dict[str, dict[str, int]] = field(default_factory=dict)
    curves: dict[str, list[str]] = field(default_factory=dict)

    def round_of(self, experiment: str) -> int | None:
        """Return which round an experiment is, None if it is none."""
        return self.rounds.get(self.of.get(experiment, ""), {}).get(experiment)


def expand_campaigns(config: dict, keys: Collection[str]) -> Campaigns:
    """Put the experiments of all campaigns among the experiments, in place.

    ``keys`` are those that a list of values may change, such as model.seed. What is
    left of the section is nothing.
    """
    experiments = config.setdefault("experiments", {})
    written = dict(experiments)
    made = Campaigns()
    for campaign, content in config.pop("campaigns", {}).items():
        base = _find_base(campaign, content["base"], written)
        for name, experiment in _members(campaign, content, base, keys):
            if name in experiments:
                other = made.of.get(name)
                whose = f"campaigns.{other}" if other else "experiments"
                _refuse(campaign, f"the name {name} is in {whose} too; rename one")
            experiments[name] = experiment
            made.of[name] = campaign
        if "rounds" in content:
            names = [name for name, _ in rounds_of(campaign, content, base)]
            first = {content["base"]: 0} if isinstance(content["base"], str) else {}
            made.rounds[campaign] = first | {n: at for at, n in enumerate(names, 1)}
    for campaign, numbers in made.rounds.items():
        for name in numbers:  # a base, too: it is round 0
            made.of.setdefault(name, campaign)
    return made


def find_curves(campaigns: Campaigns, experiments: dict) -> dict[str, list[str]]:
    """Return the experiments of each campaign that is a learning curve.

    ``experiments`` have all their keys. Rounds of labelling have a table of their own.
    """
    members: dict[str, list[str]] = {}
    for name, campaign in campaigns.of.items():
        if campaigns.round_of(name) is None:
            members.setdefault(campaign, []).append(name)
    return {
        campaign: own
        for campaign, own in members.items()
        if len({experiments[name]["splits"]["train_fraction"] for name in own}) > 1
    }


def _find_base(campaign: str, base: str | dict, experiments: dict) -> dict:
    """Return the experiment that a campaign starts from: a named one, or its own."""
    if not isinstance(base, str):
        return base
    if base not in experiments:
        _refuse(
            f"{campaign}.base",
            f"there is no experiment {base}; {hint(base, experiments)}",
        )
    return experiments[base]


def _members(
    campaign: str, content: dict, base: dict, keys: Collection[str]
) -> Iterator[tuple[str, dict]]:
    """Yield each experiment with its name, in the order of the config."""
    for name, changes in _changes(campaign, content, keys):
        yield name, _merge(base, changes)
    yield from copy.deepcopy(list(rounds_of(campaign, content, base)))


def _changes(
    campaign: str, content: dict, keys: Collection[str]
) -> Iterator[tuple[str, dict]]:
    """Yield name and changes of what a grid makes, and of variants."""
    axes = [
        _choices(f"{campaign}.grid", axis, values, keys)
        for axis, values in content.get("grid", {}).items()
    ]
    if (count := math.prod(map(len, axes))) > MOST:
        _refuse(f"{campaign}.grid", f"{count} combinations, over {MOST}; take fewer")
    for combination in itertools.product(*axes) if axes else ():
        names = [name for name, _ in combination]
        yield "-".join([campaign, *names]), _combine(f"{campaign}.grid", combination)
    for name, changes in content.get("variants", {}).items():
        yield f"{campaign}-{name}", changes


def _choices(
    place: str, axis: str, values: list | dict, keys: Collection[str]
) -> list[tuple[str, dict]]:
    """Return the names and changes of an axis: named choices, or values of a key."""
    if isinstance(values, dict):
        return list(values.items())
    if axis not in keys:
        _refuse(place, f"unknown key {axis}; {hint(axis, keys)}")
    section, key = axis.split(".")
    return [
        (f"{key}{_word(f'{place}.{axis}', value)}", {section: {key: value}})
        for value in values
    ]


def _word(place: str, value: object) -> str:
    """Return a value as the end of a name: 0, or -light."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    text = value if isinstance(value, str) else json.dumps(value)
    if not NAME.fullmatch(text):
        _refuse(place, f"{text} cannot be part of a name; give the choices names")
    return f"-{text}"


def _combine(place: str, combination: tuple[tuple[str, dict], ...]) -> dict:
    """Return the changes of all axes together; no key may be changed by two."""
    together, changed_by = {}, {}
    for name, changes in combination:
        for key in _leaves(changes):
            if key in changed_by:
                both = f"{changed_by[key]} and {name}"
                _refuse(place, f"{both} both change {key}; leave it to one axis")
            changed_by[key] = name
        together = _merge(together, changes)
    return together


def _leaves(changes: dict, place: str = "") -> Iterator[str]:
    """Yield the keys that hold a value, with dots between the levels."""
    for key, value in changes.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{place}{key}.")
        else:
            yield f"{place}{key}"


def _merge(base: dict, changes: dict) -> dict:
    """Return a copy of the base with the changes, level by level."""
    merged = copy.deepcopy(base)
    for key, value in changes.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _merge(merged[key], value) if both else copy.deepcopy(value)
    return merged


def hint(name: str, known: Collection[str]) -> str:
    """Return the nearest known name as a question, or all of them."""
    near = [key for key in known if key.endswith(f".{name}")]
    if not near and len(name) <= LONGEST_NAME:
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}"


def _refuse(place: str, what: str) -> NoReturn:
    """Stop with one line that names a place in the campaigns."""
    raise UsageError(f"config, at campaigns.{place}: {what}")
