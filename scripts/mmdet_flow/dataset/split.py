"""The splits of a data set: stratified by class, with groups that stay together."""

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np

from mmdet_flow import cli, layout
from mmdet_flow.dataset.coco import LEFT_OUT, CocoFile
from mmdet_flow.dataset.fields import (
    Malformed,
    mapping,
    member,
    named,
    sequence,
    text,
)
from mmdet_flow.dataset.image_index import NameIndex, read_list
from mmdet_flow.errors import DataError, UsageError, did_you_mean
from mmdet_flow.files import (
    only_writer,
    read_json,
    read_text,
    write_if_changed,
)
from mmdet_flow.words import counted

Groups = Mapping[str, str]
"""The group of each image name; images that it does not name are alone."""


def split(
    coco: CocoFile,
    output: Path,
    wanted: dict[str, str],
    seed: int,
    groups: Groups | None = None,
    fold: tuple[int, int] | None = None,
    train_fraction: float = 1,
) -> None:
    """Write ``train``, ``val`` and ``test`` as JSON and text, and ``trainval.json``.

    ``wanted`` gives a fraction (as "0.7") or a list file for each split. ``fold`` is
    (k, n): train and val are divided anew into n equal parts, and part k becomes val.
    Of train, only ``train_fraction`` is kept; ``train.json`` names what it leaves out.
    One list may be val and test; ``trainval`` is without the test images.

    Raises UsageError for a fraction or fold that is none, or fractions mixed with
    lists; DataError for a list that cannot be read, names no image of the data set,
    or one of another list, and for a split that stays empty.
    """
    if not 0 < train_fraction <= 1:
        raise UsageError(
            f"train fraction {train_fraction:g}: give a number above 0, 1 at most"
        )
    parts = _parts(coco, wanted, seed, groups or {})
    if fold:
        _require_apart(parts)
        pool = coco.subset(parts["train"] + parts["val"])
        parts = _fold(pool, *fold, seed, groups or {}) | {"test": parts["test"]}
    apart = ("train", "val") if parts["val"] == parts["test"] else tuple(parts)
    _tell_torn({name: parts[name] for name in apart}, groups or {})
    for name, names in parts.items():
        if not names:
            raise DataError(
                f"split {name}: is empty; {counted(len(coco.images), 'image')} in all "
                "may be too few for this fraction, or its list is empty"
            )
    every, left_out = parts["train"], []
    if train_fraction != 1:
        pool = coco.subset(every)
        parts["train"] = first_images(pool, train_fraction, seed, groups or {})
        left_out = sorted(set(every) - set(parts["train"]))
    if not parts["train"]:
        raise DataError(
            f"train fraction {train_fraction:g}: leaves none of the {len(every)} "
            "training images, where those that stay together count as one; take a "
            "larger one"
        )
    tested = set(parts["test"])
    both = [name for name in parts["train"] + parts["val"] if name not in tested]
    with only_writer(output):
        for name, names in parts.items():
            listed = layout.fill(layout.SPLIT_LIST, split=name).name
            write_if_changed(output / listed, "\n".join(names) + "\n")
        for name, names in {**parts, "trainval": both}.items():
            file = layout.fill(layout.SPLIT, split=name).name
            part = coco.subset(names)
            if name == "train" and left_out:
                part = replace(part, info=part.info | {LEFT_OUT: left_out})
            part.write(output / file)
    counts = ", ".join(f"{name} {len(names)}" for name, names in parts.items())
    rest = f"; {len(left_out)} of train left out" if left_out else ""
    cli.log.info("%s%s", counts, rest)


def _parts(
    coco: CocoFile, wanted: dict[str, str], seed: int, groups: Groups
) -> dict[str, list[str]]:
    fractions = {name: _fraction(text) for name, text in wanted.items()}
    if all(fraction is not None for fraction in fractions.values()):
        return split_by_fraction(coco, fractions, seed, groups)
    if any(fraction is not None for fraction in fractions.values()):
        raise UsageError("splits: give fractions for all splits, or list files for all")
    known = [image["file_name"] for image in coco.images]
    parts = {name: read_split(known, Path(text)) for name, text in wanted.items()}
    if wanted["val"] == wanted["test"]:
        cli.log.warning(
            "val and test are the same images: the test flatters a model that was "
            "chosen by them, and trainval is train alone"
        )
        _require_apart({name: parts[name] for name in ("train", "val")})
    else:
        _require_apart(parts)
    return parts


def _tell_torn(parts: dict[str, list[str]], groups: Groups) -> None:
    """Warn of groups that lists divide: what is learned of one image shows in another.

    The lists stay as they are; who wrote them may know better. Folds of theirs keep
    the groups of train and val together.
    """
    first: dict[str, tuple[str, str]] = {}
    torn: dict[str, str] = {}
    for split, names in parts.items():
        for name in names:
            if (group := groups.get(name)) is None:
                continue
            there, other = first.setdefault(group, (split, name))
            if there != split:
                torn.setdefault(group, f"{other} in {there} and {name} in {split}")
    if torn:
        cli.log.warning(
            "%s in more than one split, such as %s: figures flatter a model that "
            "learned from images of the same group; list each group in one split",
            counted(len(torn), "group"),
            next(iter(torn.values())),
        )


def _fold(
    pool: CocoFile, index: int, count: int, seed: int, groups: Groups
) -> dict[str, list[str]]:
    """Return train and val of one fold; the folds of a seed are the same each time."""
    if not 0 <= index < count or count < 2:
        raise UsageError(f"fold {index} of {count}: count from 0, of at least 2 folds")
    fractions = {str(number): 1 / count for number in range(count)}
    folds = split_by_fraction(pool, fractions, seed, groups)
    val = folds.pop(str(index))
    return {"train": sorted(chain.from_iterable(folds.values())), "val": val}


def split_by_fraction(
    coco: CocoFile, fractions: dict[str, float], seed: int, groups: Groups | None = None
) -> dict[str, list[str]]:
    """Return the image names of each split, stratified by class.

    Iterative stratification after Sechidis et al., "On the Stratification of
    Multi-Label Data" (2011): the rarest class is dealt first, each image to the split
    that still lacks most of that class. A group is dealt like one image of its weight.
    """
    rng = np.random.default_rng(seed)
    names = list(fractions)
    fraction = np.array([fractions[name] for name in names])
    fraction = fraction / fraction.sum()
    units = _units(coco, groups or {})
    weight, has_class = _weigh(coco, units)
    lacking = fraction[:, None] * has_class.sum(0)
    room = fraction * weight.sum()
    remaining = rng.permutation(len(units))
    # Large groups first: later ones are small enough to even out what is lacking.
    remaining = remaining[np.argsort(-weight[remaining], kind="stable")]
    chosen: dict[str, list[list[str]]] = {name: [] for name in names}
    while len(remaining):
        counts = (has_class[remaining] > 0).sum(0)
        rarest = int(np.argmin(np.where(counts > 0, counts, np.inf)))
        has_rarest = has_class[remaining, rarest] > 0
        batch = remaining[has_rarest] if counts.any() else remaining
        for unit in batch:
            # Most needed by class, then by room; the first split wins a tie.
            order = np.lexsort((-room, -lacking[:, rarest] if counts.any() else -room))
            target = int(order[0])
            lacking[target] -= has_class[unit]
            room[target] -= weight[unit]
            chosen[names[target]].append(units[unit])
        remaining = remaining[~np.isin(remaining, batch)]
    _fill_empty(chosen)
    return {name: sorted(chain.from_iterable(own)) for name, own in chosen.items()}


def first_images(
    coco: CocoFile, fraction: float, seed: int, groups: Groups | None = None
) -> list[str]:
    """Return the names of a fraction of the images: of a larger one, part of it.

    The images have one order for a seed, and the first so many are taken. It is that of
    halves, which `split_by_fraction` makes and halves again, so that as many images as
    you like from the start have their share of each class, within an image or so. A
    group is taken as a whole, where half of it or more is wanted.
    """
    wanted = round(fraction * len(coco.images))
    taken: list[str] = []
    while len(units := _units(coco, groups or {})) > 1:
        halves = split_by_fraction(coco, {"1": 0.5, "2": 0.5}, seed, groups)
        if fits := len(halves["1"]) <= wanted - len(taken):
            taken += halves["1"]
        coco = coco.subset(halves["2" if fits else "1"])
    if units and 2 * (wanted - len(taken)) >= len(units[0]):
        taken += units[0]
    return sorted(taken)


def _units(coco: CocoFile, groups: Groups) -> list[list[str]]:
    """Return the image names that have to stay together, in the order of the file."""
    units: dict[str, list[str]] = {}
    for image in coco.images:
        name = image["file_name"]
        # No group is named like a file: a slash is in no image name.
        key = f"group/{groups[name]}" if name in groups else name
        units.setdefault(key, []).append(name)
    return list(units.values())


def _weigh(
    coco: CocoFile, units: Sequence[Sequence[str]]
) -> tuple[np.ndarray, np.ndarray]:
    """Return images a unit (n,), and images with each class a unit (n, classes)."""
    rows = {image["file_name"]: row for row, image in enumerate(coco.images)}
    per_image = _class_matrix(coco)
    weight = np.array([len(unit) for unit in units])
    has_class = np.array(
        [per_image[[rows[name] for name in unit]].sum(0) for unit in units]
    )
    return weight, has_class.reshape(len(units), -1)


def _fill_empty(chosen: dict[str, list[list[str]]]) -> None:
    """Give each empty split one unit of the fullest, while there is one to give."""
    for units in chosen.values():
        fullest = max(chosen.values(), key=len)
        if not units and len(fullest) > 1:
            units.append(fullest.pop())


def group_by_pattern(coco: CocoFile, pattern: str) -> dict[str, str]:
    """Return the group of each image name: what the pattern's first group matches.

    Raises UsageError for a pattern that is none, or matches no image name.
    """
    try:
        compiled = re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise UsageError(f"group pattern {pattern!r}: {error}") from None
    found = {}
    for image in coco.images:
        if match := compiled.search(image["file_name"]):
            found[image["file_name"]] = match[1 if compiled.groups else 0]
    if not found:
        raise UsageError(
            f"group pattern {pattern!r}: matches no image name; correct it"
        )
    return found


def group_by_table(coco: CocoFile, path: Path, column: str) -> dict[str, str]:
    """Return the group of each image name: a column of a CSV with a column image.

    Raises DataError for a table that cannot be read or lacks a column, and UsageError
    for one that gives no image a group.
    """
    import pandas as pd

    try:
        content = io.StringIO(read_text(path))
        table = pd.read_csv(content, dtype=str, keep_default_na=False)
        rows = list(zip(table["image"], table[column], strict=True))
    except ValueError as error:
        what = " ".join(str(error).split())
        raise DataError(f"{path}: cannot be read: {what}; fix it") from None
    except KeyError as error:
        raise DataError(
            f"{path}: has no column {error}; it needs image and {column}"
        ) from None
    known = _names(coco)
    found = {
        image: group
        for name, group in rows
        for image in known.find_listed(name)
        if group
    }
    if not found:
        raise UsageError(
            f"group file {path}: gives no image of the data set a {column}; correct it"
        )
    return found


def keep_duplicates_together(groups: Groups, report: Path) -> dict[str, str]:
    """Return the groups, joined where a check found images with the same content."""
    joined = dict(groups)
    for names in _duplicates(report):
        old = {joined[name] for name in names if name in joined}
        new = f"same as {names[0]}"
        joined |= {name: new for name, group in joined.items() if group in old}
        joined |= dict.fromkeys(names, new)
    return joined


def _duplicates(report: Path) -> list[list[str]]:
    try:
        groups = sequence(member(mapping(read_json(report), "it"), "duplicates"), "it")
        return [
            [text(name, "a name") for name in sequence(group, "a group")]
            for group in groups
            if group
        ]
    except Malformed as error:
        raise DataError(
            f"{report}: is not a report of mmdet-flow data convert: {error}; give its "
            "report.json"
        ) from None


def _class_matrix(coco: CocoFile) -> np.ndarray:
    """Return which image (row) has which class (column), as booleans."""
    rows = {image["id"]: row for row, image in enumerate(coco.images)}
    columns = {item["id"]: column for column, item in enumerate(coco.categories)}
    matrix = np.zeros((len(rows), len(columns)), bool)
    for item in coco.annotations:
        matrix[rows[item["image_id"]], columns[item["category_id"]]] = True
    return matrix


def _fraction(text: str) -> float | None:
    try:
        fraction = float(text)
    except ValueError:
        return None
    if not 0 < fraction < 1:
        raise UsageError(f"fraction {text}: give a number between 0 and 1")
    return fraction


def read_split(known: Sequence[str], path: Path) -> list[str]:
    """Return the names of a list of images, of those that are known.

    As ``NameIndex`` finds them. Raises DataError for a line that is none, or several.
    """
    index, names = NameIndex(zip(known, known, strict=True)), set()
    for number, line in enumerate(read_list(path), 1):
        found = index.find_listed(line)
        if line and len(found) != 1:
            what = (
                f"{named(line)} is several images"
                if found
                else f"no image {named(line)}"
            )
            hint = did_you_mean(line, known) or "; correct the list"
            raise DataError(f"{path}, line {number}: {what}{hint}")
        names.update(found)
    return sorted(names)


def _names(coco: CocoFile) -> NameIndex[str]:
    names = [image["file_name"] for image in coco.images]
    return NameIndex(zip(names, names, strict=True))


def _require_apart(parts: dict[str, list[str]]) -> None:
    seen: dict[str, str] = {}
    for split_name, names in parts.items():
        for name in names:
            if name in seen:
                raise DataError(
                    f"{name}: is in the lists of {seen[name]} and of {split_name}; "
                    "remove it from one"
                )
            seen[name] = split_name
