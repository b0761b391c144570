"""Find out in which format the annotations of a folder are, and where."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

from mmdet_flow.dataset.annotations import Source
from mmdet_flow.dataset.image_index import ImageIndex
from mmdet_flow.dataset.readers import FORMATS, yolo
from mmdet_flow.errors import DataError, UsageError
from mmdet_flow.start.survey import Survey, check_counts, common_place, survey


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
    found = (path for name in yolo.LABEL_FILES for path in sorted(folder.rglob(name)))
    return next(found, None)


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
    """Read the deepest folders alone, which are without what does not belong there."""
    annotations = common_place(one.annotation for one in found.images)
    images = common_place(one.image for one in found.images)
    source = Source(
        annotations,
        images if images.is_dir() else images.parent,
        labels=found.source.labels if found.format == "yolo" else None,
    )
    narrowed = survey(found.format, source, ImageIndex(source.images))
    return _without_strangers(narrowed) if narrowed.problems else narrowed


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
    return chosen if helps and len(chosen.images) == len(found.images) else found
