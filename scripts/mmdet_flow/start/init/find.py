"""Find out in which format the annotations of a folder are, and where."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from mmdet_flow.dataset.annotations import Problem, Source
from mmdet_flow.dataset.image_index import ImageIndex
from mmdet_flow.dataset.readers import FORMATS
from mmdet_flow.dataset.readers.yolo_classes import label_files, read_names
from mmdet_flow.errors import DataError, UsageError
from mmdet_flow.start.init.strangers import strangers
from mmdet_flow.start.survey import Survey, check_counts, common_place, survey
from mmdet_flow.words import counted

NAMING = {".json", ".xml", ".csv", ".report"}
"""Suffixes that annotations have; a text may be anything."""


def find(
    folder: Path, images: Path, only: str | None = None, labels: Path | None = None
) -> Survey:
    """Read a folder in each format, or in one; return what the one that fits finds.

    Its source names the deepest folders that hold the annotations and the images.
    Raises UsageError where several formats fit, DataError where none does.
    """
    if not folder.exists():
        raise DataError(f"{folder}: there is no such folder; check the path")
    if labels and not labels.is_file():
        raise DataError(f"--labels {labels}: there is no such file; check the path")
    index = ImageIndex(images)
    if not index.paths:
        raise DataError(f"{images}: holds no images; name their folder with --images")
    source = Source(folder, images, labels=labels)
    surveys, refusals = _surveys([only] if only else list(FORMATS), source, index)
    found = [one for one in surveys if one.objects]
    if len(found) > 1:
        formats = " and ".join(
            f"{one.format} ({counted(len(one.images), 'image')}, "
            f"{counted(len(one.objects), 'object')})"
            for one in found
        )
        raise UsageError(f"{folder}: holds {formats}; choose one with --format")
    if not found:
        reasons = refusals or _nothing(folder, index, surveys)
        raise DataError(f"{folder}: {'; '.join(reasons)}")
    if found[0].format == "yolo" and not labels:
        _require_one_list(found[0], folder)
    return _narrowed(found[0])


def _surveys(
    names: list[str], source: Source, index: ImageIndex
) -> tuple[list[Survey], list[str]]:
    """Return what each reader finds, and why others could not begin.

    A file may only be called like the class names of YOLO.
    """
    surveys, refusals = [], []
    for name in names:
        try:
            chosen = source.labels or _find_labels(name, source.annotations)
            surveys.append(survey(name, replace(source, labels=chosen), index))
        except DataError as error:
            refusals.append(f"as {name}: {error}")
    return surveys, refusals


def _find_labels(name: str, folder: Path) -> Path | None:
    """Return the file of class names of a format, wherever it lies below a folder."""
    of_format = FORMATS[name].label_files
    return next(iter(of_format(folder.rglob("*"))), None) if of_format else None


def _require_one_list(found: Survey, folder: Path) -> None:
    """UsageError if several files of a folder name the classes otherwise."""
    named = found.source.labels
    others = label_files(folder.rglob("*")) if named else []
    for other in others:
        if read_names(other) != read_names(named):
            raise UsageError(
                f"{named} and {other} name other classes; choose one with --labels"
            )


def _nothing(folder: Path, index: ImageIndex, surveys: list[Survey]) -> Iterator[str]:
    """Say what is there instead of annotations that fit."""
    files = [one for one in folder.rglob("*") if one.is_file()]
    others = sorted(set(files).difference(index.paths))
    known = list(strangers(others))
    yield from known
    nearest = max(surveys, key=_lost_objects)
    is_near = _lost_objects(nearest) or (len(surveys) == 1 and nearest.problems)
    if is_near:
        first = max(nearest.problems, key=_is_lost)
        place = f", {first.place}" if first.place else ""
        yield (
            f"nothing fits as {nearest.format}: {check_counts(nearest.problems)}, such "
            f"as {first.file.name}{place}: {first.what}"
        )
        yield "name the folder of the images with --images, or the format with --format"
    if known or is_near:
        return
    counts = Counter(path.suffix or path.name for path in others)
    what = ", ".join(f"{count} {suffix}" for suffix, count in counts.most_common(4))
    formats = ", ".join(one.format for one in surveys)
    yield (
        f"{counted(len(index.paths), 'image')} and {what or 'no other file'}, but no "
        f"object in {formats}"
    )
    yield "name the folder of the annotations, and that of the images with --images"


def _lost_objects(one: Survey) -> int:
    return sum(map(_is_lost, one.problems))


def _is_lost(problem: Problem) -> int:
    """Return how many objects a problem is of."""
    return len(problem.objects) + (problem.check == "invalid-object")


def _narrowed(found: Survey) -> Survey:
    """Read the deepest folders alone, which are without what does not belong there.

    Files of which objects cannot be used do belong there, and so do their images.
    """
    lost = [one for one in found.problems if one.objects or one.images]
    annotations = common_place(
        [*(one.annotation for one in found.images), *(one.file for one in lost)]
    )
    images = common_place(
        [
            *(one.image for one in found.images),
            *(path for one in lost for path in one.images),
        ]
    )
    source = Source(
        annotations,
        images if images.is_dir() else images.parent,
        labels=found.source.labels if FORMATS[found.format].label_files else None,
    )
    narrowed = survey(found.format, source, ImageIndex(source.images))
    if narrowed.problems:
        narrowed = _without_strangers(narrowed)
    return replace(narrowed, left_aside=tuple(_left_aside(found, narrowed)))


def _left_aside(found: Survey, narrowed: Survey) -> Iterator[str]:
    """Yield what else is there: other formats, and files like the annotations."""
    read = {one.annotation for one in narrowed.images}
    read |= {problem.file for problem in narrowed.problems}
    there = found.source.annotations
    files = {path for path in there.rglob("*") if path.is_file()}
    belongs = re.compile(FORMATS[found.format].beside)
    others = [path for path in sorted(files - read) if not belongs.match(path.name)]
    yield from strangers(others)
    reasons = {one.file: one.what for one in found.problems if one.file not in read}
    alike = {path.suffix for path in read} & NAMING
    reasons |= {
        path: "" for path in others if path.suffix in alike and path not in reasons
    }
    if reasons:
        first = min(reasons)
        what = f": {reasons[first]}" if reasons[first] else ""
        are = "file is" if len(reasons) == 1 else "files are"
        yield f"{len(reasons)} other {are} left aside, such as {first.name}{what}"


def _without_strangers(found: Survey) -> Survey:
    """Read only files in folders of one name, if that loses none and helps.

    YOLO has README.txt and lists above train/labels and valid/labels, for instance.
    """
    files = {one.annotation for one in found.images}
    patterns = {f"{path.parent.name}/*{path.suffix}" for path in files}
    if len(patterns) > 1:
        return found
    source = replace(found.source, pattern=patterns.pop())
    chosen = survey(found.format, source, ImageIndex(source.images))
    helps = len(chosen.problems) < len(found.problems)
    same_images = len(chosen.images) == len(found.images)
    is_whole = same_images and _lost_objects(chosen) == _lost_objects(found)
    return chosen if helps and is_whole else found
