"""Splits that files of a data set state: data.yaml, obj.data, and lists of images."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mmdet_flow.dataset.annotations import Problem
from mmdet_flow.dataset.image_index import ImageIndex
from mmdet_flow.errors import DataError
from mmdet_flow.files import read_text, read_yaml

CALLED = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation"),
    "test": ("test", "testing"),
}
"""What data sets call their splits."""

FLAG = re.compile(r"\s+-?[01]$")
"""Of the lists of Pascal VOC for one class: whether an image shows it."""


@dataclass(frozen=True)
class Stated:
    """Splits as the data state them.

    Attributes:
        images: those of each split that are there.
        how: where it is stated, for the user.
        files: the lists that state it, if lists do.
        missing: what is named and not there.
        lines: what the lists hold.
    """

    images: Mapping[str, Sequence[Path]]
    how: str
    files: Mapping[str, Path] = field(default_factory=dict)
    missing: Sequence[str] = ()
    lines: Sequence[str] = ()


def split_called(name: str) -> str | None:
    """Return the split that a name stands for, as val for valid or val2017."""
    words = set(_words(name))
    return next((split for split, called in CALLED.items() if words & {*called}), None)


def _words(name: str) -> list[str]:
    return re.split(r"[^a-z]+", name.lower())


def stated_by_files(folder: Path, index: ImageIndex) -> Iterator[Stated]:
    """Yield what is stated below a folder, the most explicit first.

    That is data.yaml or obj.data, then lists, those of most images first.
    """
    yield from _by_descriptions(folder, index)
    lists = _by_lists(folder, index)
    yield from sorted(lists, key=lambda one: -sum(map(len, one.images.values())))


def _by_lists(folder: Path, index: ImageIndex) -> Iterator[Stated]:
    """Look for train.txt and its like, such as ImageSets/Main of Pascal VOC.

    Lists of one kind belong together: train.txt and val.txt, cat_train.txt and
    cat_val.txt.
    """
    stems = {path.stem for path in index.paths}
    kinds: dict[tuple[int, Path, str], dict[str, Path]] = {}
    for path in filter(Path.is_file, sorted(folder.rglob("*.txt"))):
        if (split := split_called(path.stem)) and path.stem not in stems:
            rest = " ".join(
                one for one in _words(path.stem) if one not in CALLED[split]
            )
            kinds.setdefault((len(rest), path.parent, rest), {})[split] = path
    for (_, place, rest), files in sorted(kinds.items()):
        of_what = f" of {rest}" if rest else ""
        lists = _of_lists(files, f"the lists{of_what} in {place}", index)
        # Other texts may be called so, if there is one alone, or not quite.
        if any(lists.images.values()) or (len(files) > 1 and not rest):
            yield lists


def _of_lists(files: Mapping[str, Path], how: str, index: ImageIndex) -> Stated:
    images: dict[str, list[Path]] = {}
    missing, written = [], []
    for split, path in files.items():
        try:
            lines = [line.strip() for line in read_text(path).splitlines()]
        except DataError as error:
            missing.append(str(error))
            continue
        images[split] = []
        for line in filter(None, lines):
            written.append(line)
            if image := _image_of(line, split, path, index):
                images[split].append(image)
            else:
                missing.append(line)
    return Stated(images, how, files, missing, written)


def _image_of(line: str, split: str, path: Path, index: ImageIndex) -> Path | None:
    """Return the image that a line of a list means, if it is there.

    Of several of one name it is that in a folder that is called like the split.
    """
    for name in dict.fromkeys((line, FLAG.sub("", line))):
        found = index.find(path, name)
        if not isinstance(found, Problem):
            return found
        own = [
            one for one in found.images if split in map(split_called, one.parent.parts)
        ]
        if len(own) == 1:
            return own[0]
    return None


def _by_descriptions(folder: Path, index: ImageIndex) -> Iterator[Stated]:
    for path in sorted(folder.rglob("*")):
        is_one = path.suffix in (".yaml", ".yml", ".data") and path.is_file()
        if is_one and (places := _places(path)):
            yield _of_places(path, places, folder, index)


def _places(path: Path) -> dict[str, list[str]]:
    """Return the folders or lists that a file names for each split, if it does."""
    try:
        if path.suffix == ".data":
            lines = read_text(path).splitlines()
            pairs = (line.partition("=")[::2] for line in lines)
            content = {key.strip(): value.strip() for key, value in pairs}
        else:
            content = read_yaml(path, as_text=True)
    except DataError:
        return {}
    if not isinstance(content, dict) or "train" not in content:
        return {}
    root = content.get("path") or ""
    places = {}
    for key, value in content.items():
        split = split_called(key) if isinstance(key, str) else None
        values = value if isinstance(value, list) else [value]
        texts = [one for one in values if isinstance(one, str) and one]
        if split and texts and key.lower() in CALLED[split]:
            places[split] = [f"{root}/{one}" for one in texts]
    return places


def _of_places(
    path: Path, places: Mapping[str, list[str]], folder: Path, index: ImageIndex
) -> Stated:
    images: dict[str, list[Path]] = {}
    missing: list[str] = []
    known = set(index.paths)
    for split, names in places.items():
        for name in names:
            place = _place_of(name, (path.parent, folder))
            if place is None:
                missing.append(f"{split}: {name.lstrip('/')}")
            elif place.is_dir() or place in known:
                inside = (one for one in index.paths if one.is_relative_to(place))
                images.setdefault(split, []).extend(inside)
            else:
                listed = _of_lists({split: place}, "", index)
                images.setdefault(split, []).extend(listed.images.get(split, ()))
                missing += listed.missing
    return Stated(images, str(path), missing=missing)


def _place_of(name: str, bases: Iterable[Path]) -> Path | None:
    """Return the folder or list that a path means, wherever it once lay.

    The data may have been moved, and some tools write ../train/images for what lies
    beside: folders are taken off its beginning until something is there.
    """
    parts = [one for one in re.split(r"[/\\]", name) if one not in ("", ".", "..")]
    for start in range(len(parts)):
        rest = parts[start:]
        for base in bases:
            place = base.joinpath(*rest)
            says = start == 0 or len(rest) > 1 or any(map(split_called, rest))
            if place.is_file() or (says and place.is_dir()):
                return place
    return None
