"""The data of before: what is labelled already, and which split each image is in."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from mmdet_flow import cli, layout
from mmdet_flow.dataset.coco import CocoFile
from mmdet_flow.dataset.labelled import LabelledSet, is_converted, read_converted
from mmdet_flow.dataset.split import read_split
from mmdet_flow.errors import DataError
from mmdet_flow.words import counted


@dataclass(frozen=True)
class Base:
    """A converted data set with its splits.

    Attributes:
        folder: that of the data set.
        splits: the names of the images of each split that there is.
        label_errors: the table of errors in its annotations, if there is one.
    """

    folder: Path
    data: LabelledSet
    splits: dict[str, list[str]]
    label_errors: Path | None

    def is_tested(self, names: Iterable[str]) -> bool:
        """Whether one of the images is in the test split."""
        return not set(self.splits.get("test", ())).isdisjoint(names)

    @property
    def has_val_of_its_own(self) -> bool:
        """Whether there is a split val, and no image of it is tested as well."""
        return "val" in self.splits and not self.is_tested(self.splits["val"])


def read_base(place: Path, splits: Path | None = None) -> Base:
    """Read the data of before: of an experiment, or what an earlier join made.

    ``splits`` is the folder of the lists where it is not there. Raises DataError for
    what is neither, or has no lists.
    """
    experiment = place / layout.ANNOTATIONS
    folder = experiment.parent if experiment.is_file() else place
    if not folder.is_dir() or not is_converted(folder):
        raise DataError(
            f"{place}: is neither an experiment nor a converted data set; give "
            "results/EXPERIMENT, or what label join made before"
        )
    data = read_converted(folder)
    lists = splits or place / layout.SPLIT.parent
    files = {
        name: lists / layout.fill(layout.SPLIT_LIST, split=name).name
        for name in layout.SPLITS
    }
    known = [one.name for one in data.images]
    found = {
        name: read_split(known, path) for name, path in files.items() if path.is_file()
    }
    if "train" not in found:
        raise DataError(
            f"{files['train']}: is not there; give its folder with --splits"
        )
    if back := _left_out(lists, known) - set().union(*found.values()):
        found["train"] = sorted(back.union(found["train"]))
        cli.log.info(
            "%s: %s that splits.train_fraction left out, in train again",
            place,
            counted(len(back), "image"),
        )
    errors = (place / layout.LABEL_ERRORS, place / layout.LABEL_ERRORS.name)
    return Base(folder, data, found, next(filter(Path.is_file, errors), None))


def _left_out(lists: Path, known: Iterable[str]) -> set[str]:
    """Return which of these images a fraction of the training left out, if it did."""
    path = lists / layout.fill(layout.SPLIT, split="train").name
    names = CocoFile.read(path).left_out if path.is_file() else []
    return set(names).intersection(known)
