import copy
import difflib
import itertools
import json
import re

from snakemake.exceptions import WorkflowError

# Experiments that are made from one by changing keys of it, and which of all experiments
# have the same data. Plain Python, which runs without Snakemake too.

NAME = re.compile(r"[A-Za-z0-9._-]+")


def expand_campaigns(config, keys):
    """Put the experiments of all campaigns among the experiments, in place.

    ``keys`` are those that a list of values may change, such as model.seed. Returns the
    campaign of each experiment that has one. What is left of the section is nothing.
    """
    experiments = config.setdefault("experiments", {})
    written = dict(experiments)
    campaign_of = {}
    for campaign, content in config.pop("campaigns", {}).items():
        base = find_base(campaign, content["base"], written)
        for name, changes in members(campaign, content, keys):
            if name in experiments:
                other = campaign_of.get(name)
                whose = f"campaigns.{other}" if other else "experiments"
                refuse(campaign, f"the name {name} is in {whose} too; rename one")
            experiments[name] = merge(base, changes)
            campaign_of[name] = campaign
    return campaign_of


def find_base(campaign, base, experiments):
    """Return the experiment that a campaign starts from: a named one, or its own."""
    if not isinstance(base, str):
        return base
    if base not in experiments:
        refuse(
            f"{campaign}.base",
            f"there is no experiment {base}; {hint(base, experiments)}",
        )
    return experiments[base]


def members(campaign, content, keys):
    """Yield name and changes of each experiment, in the order of the config."""
    axes = [
        choices(f"{campaign}.grid", axis, values, keys)
        for axis, values in content.get("grid", {}).items()
    ]
    for combination in itertools.product(*axes) if axes else ():
        names = [name for name, _ in combination]
        yield "-".join([campaign, *names]), combine(f"{campaign}.grid", combination)
    for name, changes in content.get("variants", {}).items():
        yield f"{campaign}-{name}", changes


def choices(place, axis, values, keys):
    """Return the names and changes of an axis: named choices, or values of a key."""
    if isinstance(values, dict):
        return list(values.items())
    if axis not in keys:
        refuse(place, f"unknown key {axis}; {hint(axis, keys)}")
    section, key = axis.split(".")
    return [
        (f"{key}{word(f'{place}.{axis}', value)}", {section: {key: value}})
        for value in values
    ]


def word(place, value):
    """Return a value as the end of a name: 0, or -light."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    text = value if isinstance(value, str) else json.dumps(value)
    if not NAME.fullmatch(text):
        refuse(place, f"{text} cannot be part of a name; give the choices names")
    return f"-{text}"


def combine(place, combination):
    """Return the changes of all axes together; no key may be changed by two."""
    together, changed_by = {}, {}
    for name, changes in combination:
        for key in leaves(changes):
            if key in changed_by:
                both = f"{changed_by[key]} and {name}"
                refuse(place, f"{both} both change {key}; leave it to one axis")
            changed_by[key] = name
        together = merge(together, changes)
    return together


def leaves(changes, place=""):
    """Yield the keys that hold a value, with dots between the levels."""
    for key, value in changes.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{place}{key}.")
        else:
            yield f"{place}{key}"


def merge(base, changes):
    """Return a copy of the base with the changes, level by level."""
    merged = copy.deepcopy(base)
    for key, value in changes.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = merge(merged[key], value) if both else copy.deepcopy(value)
    return merged


def hint(name, known):
    """Return the nearest known name as a question, or all of them."""
    near = [key for key in known if key.endswith(f".{name}")]
    near = near or difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}"


def refuse(place, what):
    """Stop with one line that names a place in the campaigns."""
    raise WorkflowError(f"config, at campaigns.{place}: {what}")


def find_converted(experiments):
    """Return, for each experiment, the first one whose annotations convert alike.

    What counts is all that the conversion gets to see: the data, the size of the images
    in the network, and lists of the splits.
    """
    first, converted = {}, {}
    for name, experiment in experiments.items():
        lists = [
            experiment["splits"][split]
            for split in ("train", "val", "test")
            if isinstance(experiment["splits"][split], str)
        ]
        seen = [experiment["data"], experiment["model"]["image_size"], lists]
        converted[name] = first.setdefault(json.dumps(seen, sort_keys=True), name)
    return converted


def names_pattern(names):
    """Return a regular expression of exactly these names, or of none."""
    return "|".join(map(re.escape, sorted(names))) or "(?!)"
