"""Find out in which format the annotations of a folder are, and where."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from mmdet_flow.dataset.annotations import Source
from mmdet_flow.dataset.image_index import ImageIndex
from mmdet_flow.dataset.readers import FORMATS
from mmdet_flow.dataset.readers.yolo_classes import label_files, read_names
from mmdet_flow.errors import DataError, UsageError
from mmdet_flow.start.survey import Survey, check_counts, common_place, survey

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
    source = Source(folder, images, labels=labels or _find_labels(folder))
    surveys = _surveys([only] if only else list(FORMATS), source, index)
    found = [one for one in surveys if one.objects]
    if len(found) > 1:
        formats = " and ".join(
            f"{one.format} ({len(one.images)} images)" for one in found
        )
        raise UsageError(f"{folder}: holds {formats}; choose one with --format")
    if not found:
        raise DataError(f"{folder}: {_nothing(folder, index, surveys)}")
    if found[0].format == "yolo" and not labels:
        _require_one_list(found[0], folder)
    return _narrowed(found[0])


def _surveys(names: list[str], source: Source, index: ImageIndex) -> list[Survey]:
    surveys = []
    for name in names:
        try:
            surveys.append(survey(name, source, index))
        except DataError:
            # A file that only is called like the class names of YOLO.
            if len(names) == 1:
                raise
    return surveys


def _find_labels(folder: Path) -> Path | None:
    """Return the file of class names of YOLO, wherever it lies below a folder."""
    return next(iter(label_files(folder.rglob("*"))), None)


def _require_one_list(found: Survey, folder: Path) -> None:
    """UsageError if several files of a folder name the classes otherwise."""
    named = found.source.labels
    others = label_files(folder.rglob("*")) if named else []
    for other in others:
        if read_names(other) != read_names(named):
            raise UsageError(
                f"{named} and {other} name other classes; choose one with --labels"
            )


def _nothing(folder: Path, index: ImageIndex, surveys: list[Survey]) -> str:
    """Say what is there instead of annotations."""
    nearest = max(surveys, key=_lost_objects)
    if _lost_objects(nearest) or (len(surveys) == 1 and nearest.problems):
        first = nearest.problems[0]
        return (
            f"nothing fits as {nearest.format}: {check_counts(nearest.problems)}, such "
            f"as {first.file.name}: {first.what}; name the folder of the images with "
            "--images, or the format with --format"
        )
    others = Counter(
        path.suffix or path.name
        for path in folder.rglob("*")
        if path.is_file() and path not in index.paths
    )
    files = ", ".join(f"{count} {suffix}" for suffix, count in others.most_common(4))
    formats = ", ".join(one.format for one in surveys)
    return (
        f"{len(index.paths)} images and {files or 'no other file'}, but no object in "
        f"{formats}; name the folder of the annotations, and that of the images with "
        "--images"
    )


def _lost_objects(one: Survey) -> int:
    return sum(len(problem.objects) for problem in one.problems)


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
        labels=found.source.labels if found.format == "yolo" else None,
    )
    narrowed = survey(found.format, source, ImageIndex(source.images))
    if narrowed.problems:
        narrowed = _without_strangers(narrowed)
    return replace(narrowed, left_aside=tuple(_left_aside(found, narrowed)))


def _left_aside(found: Survey, narrowed: Survey) -> Iterator[str]:
    """Yield what has the suffix of the annotations and is none, as far as is seen."""
    read = {one.annotation for one in narrowed.images}
    read |= {problem.file for problem in narrowed.problems}
    reasons = {one.file: one.what for one in found.problems if one.file not in read}
    for suffix in sorted({path.suffix for path in read} & NAMING):
        there = found.source.annotations.rglob(f"*{suffix}")
        reasons |= {path: "" for path in there if path not in {*read, *reasons}}
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
    is_whole = len(chosen.images) == len(found.images) and _lost_objects(
        chosen
    ) == _lost_objects(found)
    return chosen if helps and is_whole else found
