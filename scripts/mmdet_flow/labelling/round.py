"""A round of labelling: what a model said of some images, before a person did.

Its folder holds what was exported as COCO, with scores, and the table that says which
image is which. The files for the tool are in a folder beside them, called like the
format, so that no tool takes the one for the other.
"""

from dataclasses import replace
from pathlib import Path

from mmdet_flow import layout
from mmdet_flow.dataset.image_index import ImageIndex
from mmdet_flow.dataset.labelled import LabelledSet, read_converted

PREDICTIONS = "predictions.json"
HASHES = layout.PIXELS.name


def read_round(folder: Path) -> LabelledSet:
    """Return the images of a round with what was predicted; DataError if it is none."""
    found = read_converted(folder / PREDICTIONS)
    files = {path.name: path for path in ImageIndex(folder).paths}
    images = [replace(one, file=files.get(one.name, one.file)) for one in found.images]
    return LabelledSet(images, found.classes)


def round_around(annotations: Path) -> Path | None:
    """Return the round that annotations lie in, if they do."""
    folder = annotations.absolute().parent
    return folder if (folder / PREDICTIONS).is_file() else None
