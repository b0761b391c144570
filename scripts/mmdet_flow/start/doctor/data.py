"""The data that a config names: whether it is there, and what is annotated in it."""

import os
from functools import partial
from pathlib import Path

from mmdet_flow.dataset.annotations import Source
from mmdet_flow.dataset.image_index import ImageIndex
from mmdet_flow.dataset.readers import FORMATS
from mmdet_flow.errors import DataError
from mmdet_flow.start.doctor.check import Check, Note
from mmdet_flow.start.doctor.config import data_sections, experiments
from mmdet_flow.start.survey import check_counts, survey
from mmdet_flow.words import counted
from mmdet_flow.workflow.config import EXAMPLE

LIMIT = 5000
"""Annotated images after which counting ends."""

EXPERIMENT_GB = 1.0
"""Two states, the best and the published weights of a training, and predictions."""


def checks(config: dict) -> list[Check]:
    """Return the checks of each data section."""
    found = []
    for place, data in data_sections(config):
        found.append(Check("folders", partial(folders, place, data)))
        if local(data) and data["format"] in FORMATS:
            found.append(Check("annotations", partial(count, place, data), slow=True))
    return found


def local(data: dict) -> bool:
    """Whether the folders of a data section are there, on this machine."""
    return all(Path(str(data[key])).exists() for key in ("annotations", "images"))


def folders(place: str, data: dict) -> str:
    """Look whether the folders of a data section are there and can be read."""
    for key in ("annotations", "images"):
        folder = str(data[key])
        if "://" in folder:
            return Note(
                f"{place}: {folder} is on remote storage, and was not looked at"
            )
        if folder == EXAMPLE and not Path(folder).exists():
            return f"{place}: the workflow draws {EXAMPLE}"
        if not Path(folder).exists():
            raise DataError(f"{place}.{key}: there is no {folder}; correct the path")
        if not os.access(folder, os.R_OK | (os.X_OK if Path(folder).is_dir() else 0)):
            raise DataError(f"{place}.{key}: {folder} cannot be read; permit it")
    return f"{place}: {data['annotations']} and {data['images']}"


def count(place: str, data: dict) -> str:
    """Count images, annotations and objects of a data section, up to a limit."""
    index = ImageIndex(Path(data["images"]))
    labels = Path(data["labels"]) if data.get("labels") else None
    source = Source(
        Path(data["annotations"]), Path(data["images"]), data.get("glob"), labels
    )
    found = survey(data["format"], source, index, LIMIT)
    said = (
        f"{place}: {counted(len(index.paths), 'image')}, {len(found.images)} annotated "
        f"with {counted(len(found.objects), 'object')} of "
        f"{counted(len(found.classes), 'class')}"
    )
    if not found.images:
        reason = check_counts(found.problems) or f"no annotations in {data['format']}"
        raise DataError(f"{said}: {reason}; correct format, folders or glob")
    if len(found.images) + len(found.problems) >= LIMIT:
        said += f"; counted up to {LIMIT}"
    if found.problems:
        return Note(
            f"{said}; {check_counts(found.problems)}: mmdet-flow data check lists them"
        )
    return said


def needed_gb(config: dict) -> float:
    """Return the GB that results may take: copies of the images, and each training."""
    images = {str(data["images"]) for _, data in data_sections(config)}
    paths = {
        path
        for folder in images
        if Path(folder).is_dir()
        for path in ImageIndex(Path(folder)).paths
    }
    bytes_of_images = sum(path.stat().st_size for path in paths)
    return bytes_of_images / 1e9 + EXPERIMENT_GB * max(1, experiments(config))
