"""Predictions as annotations of a tool, to be corrected there."""

import os
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from itertools import chain, compress
from pathlib import Path

from mmdet_flow import cli, layout
from mmdet_flow.dataset.annotations import EDGES, bbox_of_points
from mmdet_flow.dataset.classes import classes_sha256, listed
from mmdet_flow.dataset.fields import named
from mmdet_flow.dataset.hashes import hash_table
from mmdet_flow.dataset.predictions import (
    PredictedImage,
    PredictedObject,
    predictions_below,
    read_predictions,
)
from mmdet_flow.detections import reaches
from mmdet_flow.errors import DataError, UsageError
from mmdet_flow.files import (
    json_text,
    keep_apart,
    link_or_copy,
    new_file,
    only_writer,
    read_text,
    sha256_of,
    write_if_changed,
)
from mmdet_flow.inference.scores import Scores
from mmdet_flow.labelling.round import HASHES, PREDICTIONS
from mmdet_flow.labelling.shapes import corners, in_one, shaped
from mmdet_flow.labelling.writers import WRITERS
from mmdet_flow.labelling.writers.coco import coco_of
from mmdet_flow.labelling.writers.writer import AnnotationWriter, Task, Written
from mmdet_flow.words import counted

ALL = Scores(0.0)
"""The threshold that every object reaches."""


@dataclass(frozen=True)
class Export:
    """What is exported of predictions, and how.

    Attributes:
        format: one of ``WRITERS``.
        scores: the thresholds; objects without a score reach any.
        shapes: one of ``SHAPES``.
        classes: the class list, or None for that of the experiment that predictions or
            thresholds are of, or else of what was predicted.
        edges, address: as ``Task`` has them.
        copy: whether images are copied even where a link can be made.
        image_list: names the images that are exported, or None for all.
    """

    format: str
    scores: Scores = ALL
    shapes: str = "auto"
    classes: Sequence[str] | None = None
    edges: str = EDGES[0]
    address: str = ""
    copy: bool = False
    image_list: Path | None = None


def export(predictions: Path, images: Path | None, output: Path, how: Export) -> None:
    """Write the annotations with their images into a folder of the format's name.

    Beside it, ``predictions.json`` and ``images.csv`` say what was exported, of which
    images. Nothing that was there is changed: where a file would be, and is another
    one, as after corrections, DataError says so, and nothing is written. UsageError for
    what the format does not have.
    """
    writer = WRITERS[how.format]
    _require_possible(writer, how)
    keep_apart(output, predictions_below(predictions), *filter(None, [images]))
    found = [
        replace(one, objects=_kept(one, how.scores))
        for one in read_predictions(predictions, images, how.image_list)
    ]
    classes = _class_list(predictions, found, how)
    _require_scores_of(how.scores, classes, found)
    task = Task(classes, how.edges, how.address)
    texts = partial(_texts, _drawn(found, how.shapes, writer), found, task, how)
    targets = {output / how.format / writer.images / one.name: one for one in found}
    with only_writer(output):
        _require_free(targets, texts(), output)
        for path, one in cli.progress(targets.items(), len(targets), "images"):
            _put_image(one.image, path, how.copy)
        for name, text in texts():
            write_if_changed(output / name, text)
    objects = Counter(item.label for one in found for item in one.objects)
    counts = ", ".join(f"{name} {objects[name]}" for name in classes)
    totals = counted(len(found), "image"), counted(objects.total(), "object")
    cli.log.info("%s, %s: %s", *totals, counts)


def _require_possible(writer: AnnotationWriter, how: Export) -> None:
    if how.shapes == "outlines" and not writer.outlines:
        raise UsageError(f"{how.format} holds boxes alone; choose --shapes boxes")
    if how.edges != EDGES[0] and not writer.corners:
        raise UsageError(f"--edges: {how.format} has one rule for all; leave it out")
    if how.address and how.format != "label-studio":
        raise UsageError("--address: is for label-studio; leave it out")


def _kept(one: PredictedImage, thresholds: Scores) -> tuple:
    """Return the objects that reach the threshold of their class, or have no score."""
    scores = [1 if item.score is None else item.score for item in one.objects]
    limits = [thresholds.of(item.label) for item in one.objects]
    return tuple(compress(one.objects, reaches(scores, limits)))


def _require_scores_of(
    scores: Scores, classes: Sequence[str], images: Sequence[PredictedImage]
) -> None:
    """DataError if a thresholds file is for another model than the one that predicted.

    UsageError if the classes are not known as the model has them.
    """
    if not scores.is_for(classes):
        raise UsageError(
            f"--classes: name those of {scores.path}, {listed(sorted(scores.value))}, "
            "in the order of the model"
        )
    for model in sorted({one.meta.get("model_sha256") for one in images} - {None}):
        scores.for_classes(classes, model)


def _class_list(
    predictions: Path, images: Sequence[PredictedImage], how: Export
) -> list[str]:
    """Return the class list: as given, of the experiment, or what was predicted.

    A model says by a hash which list it has.
    """
    given, scores = how.classes, how.scores
    labels = sorted({item.label for one in images for item in one.objects})
    hashes = {one.meta.get("classes_sha256") for one in images} - {None}
    file = predictions / layout.CLASSES
    if given is None and file.is_file():
        known = read_text(file).splitlines()
        if hashes - {classes_sha256(known)}:
            raise DataError(
                f"{file}: is not the class list of the model that predicted; name the "
                "classes with --classes"
            )
    else:
        wanted = hashes or {scores.classes_sha256}
        known = list(
            given or _list_around((predictions, scores.path), wanted) or labels
        )
        if given is None and hashes - {classes_sha256(known)}:
            cli.log.warning(
                "the model has other classes than the %d that it found, %s, or another "
                "order; to have all of them in the tool, name them with --classes",
                *(len(known), listed(known)),
            )
    for name in labels:
        if name not in known:
            raise UsageError(
                f"{named(name)} was predicted, and is none of the classes "
                f"{listed(known)}; name all with --classes"
            )
        if not name or not name.isprintable():
            raise DataError(
                f"class {name!r}: is no name that can be printed; rename it"
            )
    return known


def _list_around(places: Iterable[Path | None], wanted: set[str]) -> list[str] | None:
    """Return the class list of an experiment that holds one of these places.

    Only if it is the one that is wanted, by its hash.
    """
    for place in filter(None, places):
        for folder in place.absolute().parents[: len(layout.SHARD_OPEX.parts)]:
            if (file := folder / layout.CLASSES).is_file():
                known = read_text(file).splitlines()
                if {classes_sha256(known)} == wanted:
                    return known
    return None


def _drawn(
    images: Sequence[PredictedImage], shapes: str, writer: AnnotationWriter
) -> list[PredictedImage]:
    """Return images whose objects have the outlines that the format is to show."""
    return [
        replace(one, objects=tuple(drawn(item, shapes, writer) for item in one.objects))
        for one in images
    ]


def drawn(
    item: PredictedObject, shapes: str, writer: AnnotationWriter
) -> PredictedObject:
    """Return an object with the outlines that a format is to show, or none.

    ``shapes`` is one of ``SHAPES``.
    """
    item = shaped(item, shapes if writer.outlines else "boxes", writer.whole)
    if writer.needs_outlines and not item.polygons:
        item = replace(item, polygons=(corners(item.bbox, writer.whole),))
    item = item if writer.parts else in_one(item)
    if writer.both or not item.polygons:
        return item
    points = tuple(chain.from_iterable(item.polygons))
    return replace(item, bbox=bbox_of_points(points))


def _texts(
    shown: Sequence[PredictedImage],
    found: Sequence[PredictedImage],
    task: Task,
    how: Export,
) -> Iterator[Written]:
    """Yield the files of the format, and those of the round, the last ones."""
    for name, text in WRITERS[how.format].write(shown, task):
        yield f"{how.format}/{name}", text
    yield HASHES, hash_table((one.name, one.sha256) for one in found)
    about = {
        key: found[0].meta[key]
        for key in ("model", "model_sha256")
        if key in found[0].meta
    }
    coco = coco_of(shown, task.classes, about | {"score": how.scores.value})
    yield PREDICTIONS, json_text(coco.content)


def _require_free(
    images: Mapping[Path, PredictedImage], texts: Iterable[Written], output: Path
) -> None:
    """DataError where something else is in the place of a file."""
    for path, one in images.items():
        if os.path.lexists(path) and not _is(path, one.sha256):
            raise _occupied(path)
    for name, text in texts:
        content = text.encode(errors="backslashreplace")
        path = output / name
        if os.path.lexists(path) and not _is(path, sha256(content).hexdigest()):
            raise _occupied(path)


def _is(path: Path, digest: str) -> bool:
    return path.is_file() and sha256_of(path) == digest


def _occupied(path: Path) -> DataError:
    return DataError(
        f"{path}: is there with other content, as after corrections, and stays; export "
        "into another folder"
    )


def _put_image(source: Path, target: Path, copy: bool) -> None:
    """Link or copy an image, unless it is there."""
    if target.is_file():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    if not copy:
        link_or_copy(source, target)
        return
    with new_file(target) as temporary:
        shutil.copyfile(source, temporary)
