"""Find the splits for training, validation and test that the data come with."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import TypeVar

from mmdet_flow.dataset.annotations import AnnotatedImage
from mmdet_flow.dataset.check import in_order
from mmdet_flow.dataset.findings import Ledger, Policy
from mmdet_flow.dataset.image_checks import with_unique_names
from mmdet_flow.dataset.image_index import OTHER_IMAGE_SUFFIXES, ImageIndex
from mmdet_flow.layout import SPLITS
from mmdet_flow.start.init.stated import Stated, split_called, stated_by_files
from mmdet_flow.start.survey import common_place
from mmdet_flow.words import counted

HELD_OUT = 7
"""Each so manieth training image validates where the data have no such split."""

Whatever = TypeVar("Whatever")

FEW_FILES = 10
"""Annotation files for many images are told apart by name; others belong to images."""


@dataclass(frozen=True)
class Splits:
    """The image names of each split.

    Attributes:
        names: as the images will be called in the data set.
        how: where the splits come from, for the user.
        files: the list files that say the same, or none if they are to be written.
        empty: how many of the images have no annotation, and are named all the same.
    """

    names: Mapping[str, Sequence[str]]
    how: str
    files: Mapping[str, Path] = field(default_factory=dict)
    empty: int = 0

    @property
    def sizes(self) -> str:
        """Return the number of images in each split, as text."""
        return _sizes(self.names)


def find_splits(
    folder: Path,
    images: Sequence[AnnotatedImage],
    index: ImageIndex,
    lost: Set[Path] = frozenset(),
) -> tuple[Splits | None, list[str]]:
    """Return the splits by data.yaml, list files, or the names of folders, or None.

    With them comes what has to be told: what is left aside, and why. What has no
    validation split gets one of its training images; what has no test split is tested
    on its validation split. ``lost`` are images whose annotation cannot be read.
    """
    annotated = {one.image for one in images}
    notes: list[str] = []
    chosen = None
    for one in chain(stated_by_files(folder, index), _by_folders(images)):
        stated, own_notes = _looked_at(one, annotated, lost)
        fault = _fault(stated)
        if chosen is None and not fault:
            chosen = stated
            notes[:0] = own_notes
        elif fault:
            notes.append(f"{one.how}: {fault}; not used")
        elif one.files and _sets(stated) != _sets(chosen):
            notes.append(f"{one.how}: {_sizes(stated.images)}; left aside")
    if chosen is None:
        return None, notes
    if others := annotated.difference(*chosen.images.values()):
        notes.append(f"{counted(len(others), 'annotated image')} in no split: not used")
    if not chosen.images.get("test"):
        notes.append(
            "there is no test split: val is the test, too, which flatters the model; "
            "list other images in splits.test if you can"
        )
    return _named(chosen, images, index, lost), notes


def _looked_at(
    stated: Stated, annotated: set[Path], lost: Set[Path]
) -> tuple[Stated, list[str]]:
    """Return splits without what cannot be used of them, and what has to be told."""
    images = {
        split: [*dict.fromkeys(stated.images[split])]
        for split in SPLITS
        if split in stated.images
    }
    notes = []
    if stated.missing:
        notes.append(
            f"{stated.how}: names {len(stated.missing)} that are not there, such as "
            f"{stated.missing[0]}"
        )
    if images.get("test") and set(images["test"]) == set(images.get("val", ())):
        del images["test"]
    for split, paths in list(images.items()):
        if paths and annotated.isdisjoint(paths):
            there = counted(len(paths), "image")
            notes.append(f"no annotation for the {there} of {split}")
            del images[split]
    empty = set(chain.from_iterable(images.values())) - annotated - lost
    if len(empty) > len(annotated):
        what = ", more than have one: left aside; with no-annotation: repair they are"
        images = {
            split: [path for path in paths if path in annotated]
            for split, paths in images.items()
        }
    else:
        what = ": taken as"
    if empty:
        notes.append(
            f"{counted(len(empty), 'image')} of the splits without an annotation"
            f"{what} images without objects"
        )
    return replace(stated, images=images), notes


def _fault(stated: Stated) -> str:
    """Return why these are no splits, or nothing.

    There are training images and others, and no image is in two splits.
    """
    sizes = {split: len(set(one)) for split, one in stated.images.items() if one}
    counts = Counter(chain.from_iterable(set(one) for one in stated.images.values()))
    twice = sum(count > 1 for count in counts.values())
    there = sum(sizes.values())
    if len(stated.missing) > there:
        return (
            f"{len(stated.missing)} of {len(stated.missing) + there} names are not "
            f"there, such as {stated.missing[0]}"
        )
    if len(sizes) < 2:
        return f"{next(iter(sizes))} is the only split" if sizes else "holds no image"
    if "train" not in sizes:
        return "there is nothing to train with"
    # Of a missing validation a training image takes the place, and one has to be left.
    if sizes["train"] < (1 if "val" in sizes else 2):
        return "a single image cannot train and validate"
    if twice:
        return f"{counted(twice, 'image')} in two of {', '.join(sizes)}"
    return ""


def _sets(stated: Stated) -> dict[str, set[Path]]:
    return {split: set(images) for split, images in stated.images.items()}


def _sizes(parts: Mapping[str, Sequence]) -> str:
    return ", ".join(f"{name} {len(one)}" for name, one in parts.items())


def _named(
    stated: Stated,
    images: Sequence[AnnotatedImage],
    index: ImageIndex,
    lost: Set[Path],
) -> Splits:
    """Return the splits by the names that the images will have in the data set."""
    annotated = {one.image for one in images}
    others = set().union(*stated.images.values()) - annotated
    called = _names(images, index if others else None)
    names = {
        split: [called.get(path, path.name) for path in dict.fromkeys(paths)]
        for split, paths in stated.images.items()
        if paths
    }
    known = chain.from_iterable(names.values())
    exact = {name for one in known for name in (one, Path(one).stem)}
    files = with_test(stated.files)
    whole = with_test(names).keys() == set(SPLITS) == files.keys()
    if not (whole and not stated.missing and exact.issuperset(stated.lines)):
        files = {}
    # Where one is missing, what the data say is shown beside what is made of it.
    how = stated.how if len(names) == len(SPLITS) else f"{stated.how} ({_sizes(names)})"
    return Splits(_completed(names), how, files, len(others - lost))


def _names(
    images: Iterable[AnnotatedImage], index: ImageIndex | None
) -> dict[Path, str]:
    """Return what the conversion will call the images, also those of an index.

    TIFF and WebP become PNG.
    """
    named = in_order(images)
    annotated = {one.image for one in named}
    paths = index.paths if index else ()
    named += [
        AnnotatedImage(one, one, None, ()) for one in paths if one not in annotated
    ]
    repairing = Ledger(Policy({"duplicate-name": "repair"}))
    return {
        one.source.image: f"{Path(one.name).stem}.png"
        if one.source.image.suffix.lower() in OTHER_IMAGE_SUFFIXES
        else one.name
        for one in with_unique_names(named, repairing)
    }


def _by_folders(images: Sequence[AnnotatedImage]) -> Iterator[Stated]:
    """Look for train, val and test in the folders of images and annotations.

    Of annotation files for many images the names count too: instances_train2017.json;
    and so do the subsets that annotations state.
    """
    photos = common_place(one.image for one in images)
    files = {one.annotation for one in images}
    annotations = common_place(files)
    found: dict[str, list[Path]] = {}
    for one in images:
        parts = list(one.image.relative_to(photos).parent.parts)
        parts += one.annotation.relative_to(annotations).parent.parts
        if len(files) <= FEW_FILES:
            parts.append(one.annotation.stem)
        parts.append(one.subset)
        if split := next(filter(None, map(split_called, parts)), None):
            found.setdefault(split, []).append(one.image)
    if len(found) > 1:
        yield Stated(found, "what folders or files are called")


def with_test(splits: Mapping[str, Whatever]) -> dict[str, Whatever]:
    """Return splits of which val is the test, too, if there is no other."""
    instead = {"test": splits["val"]} if "val" in splits else {}
    return {**instead, **splits}


def _completed(names: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Return three splits, each by name; training images validate where none do."""
    full = with_test({split: sorted(one) for split, one in names.items()})
    if "val" not in full:
        full["val"] = full["train"][::HELD_OUT]
        full["train"] = [name for name in full["train"] if name not in set(full["val"])]
    return {split: full[split] for split in SPLITS}
