"""Find the division into training, validation and test that the data come with."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mmdet_flow.dataset.annotations import AnnotatedImage
from mmdet_flow.dataset.image_index import OTHER_IMAGE_SUFFIXES
from mmdet_flow.dataset.split import SPLITS
from mmdet_flow.start.survey import common_place

CALLED = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation"),
    "test": ("test", "testing"),
}
"""What data sets call their splits."""

KNOWN = 0.9
"""The fraction of names that have to be images, for a file to be a list of them."""

HELD_OUT = 7
"""Each so manieth training image validates where the data have no such split."""

FEW_FILES = 10
"""Annotation files for many images are told apart by name; others belong to images."""


@dataclass(frozen=True)
class Division:
    """The image names of each split.

    Attributes:
        how: where the division comes from, for the user.
        files: the list files that say the same, or none if they are to be written.
    """

    names: Mapping[str, Sequence[str]]
    how: str
    files: Mapping[str, Path] = field(default_factory=dict)

    @property
    def sizes(self) -> str:
        """Return the number of images in each split, as text."""
        return ", ".join(f"{name} {len(one)}" for name, one in self.names.items())


def find_division(folder: Path, images: Sequence[AnnotatedImage]) -> Division | None:
    """Return the division by list files or by the names of folders, or None.

    What has no validation split gets one of its training images; what has no test split
    is tested on its validation split, and validated on training images.
    """
    if len({one.image.stem for one in images}) < len(images):
        return None  # lists name images, and cannot tell these apart
    return _by_lists(folder, images) or _by_folders(images)


def _by_lists(folder: Path, images: Sequence[AnnotatedImage]) -> Division | None:
    """Look for train.txt and its like, such as ImageSets/Main of Pascal VOC."""
    known = {one.image.stem: _name(one.image) for one in images}
    exact = known.keys() | set(known.values())
    by_folder: dict[Path, dict[str, Path]] = {}
    for path in filter(Path.is_file, sorted(folder.rglob("*.txt"))):
        if (split := _split_called(path.stem)) and path.stem not in known:
            by_folder.setdefault(path.parent, {})[split] = path
    for place, files in by_folder.items():
        lines = {split: _lines(path) for split, path in files.items()}
        names = {
            split: [known[Path(line).stem] for line in one if Path(line).stem in known]
            for split, one in lines.items()
        }
        if not _is_division(names) or any(
            len(names[split]) < KNOWN * len(one) for split, one in lines.items()
        ):
            continue
        as_they_are = all(line in exact for one in lines.values() for line in one)
        complete = as_they_are and names.keys() == set(SPLITS)
        how = f"the lists in {place}"
        return Division(_completed(names), how, files if complete else {})
    return None


def _name(image: Path) -> str:
    """Return the name that an image has in the data set; TIFF and WebP become PNG."""
    is_converted = image.suffix.lower() in OTHER_IMAGE_SUFFIXES
    return f"{image.stem}.png" if is_converted else image.name


def _lines(path: Path) -> list[str]:
    text = path.read_text(encoding="utf-8", errors="replace")
    return [line.strip() for line in text.splitlines() if line.strip()]


def _by_folders(images: Sequence[AnnotatedImage]) -> Division | None:
    """Look for train, val and test in the folders of images and annotations.

    Of annotation files for many images the names count too: instances_train2017.json.
    """
    photos = common_place(one.image for one in images)
    files = {one.annotation for one in images}
    annotations = common_place(files)
    names: dict[str, list[str]] = {}
    for one in images:
        parts = list(one.image.relative_to(photos).parent.parts)
        parts += one.annotation.relative_to(annotations).parent.parts
        if len(files) <= FEW_FILES:
            parts.append(one.annotation.stem)
        split = next(filter(None, map(_split_called, parts)), None)
        if split is None:
            return None
        names.setdefault(split, []).append(_name(one.image))
    if not _is_division(names):
        return None
    return Division(_completed(names), "what folders or files are called")


def _split_called(name: str) -> str | None:
    """Return the split that a name stands for, as val for valid or val2017."""
    words = set(re.split(r"[^a-z]+", name.lower()))
    return next((split for split, called in CALLED.items() if words & {*called}), None)


def _is_division(names: Mapping[str, Sequence[str]]) -> bool:
    """Whether there are training images and others, and no image is in two splits."""
    total = sum(map(len, names.values()))
    # Of a missing split a training image takes the place, and one has to be left.
    fewest = 1 if len(names) == len(SPLITS) else 2
    return (
        len(names) > 1
        and len(names.get("train", ())) >= fewest
        and all(names.values())
        and len(set(_all_of(names))) == total
    )


def _all_of(names: Mapping[str, Sequence[str]]) -> Iterable[str]:
    return (name for one in names.values() for name in one)


def _completed(names: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Return three splits, each by name; training images validate where none do."""
    full = {split: sorted(one) for split, one in names.items()}
    if len(full) < len(SPLITS):
        full.setdefault("test", full.get("val", []))
        full["val"] = full["train"][::HELD_OUT]
        full["train"] = [name for name in full["train"] if name not in set(full["val"])]
    return {split: full[split] for split in SPLITS}
