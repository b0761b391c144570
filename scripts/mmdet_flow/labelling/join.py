"""Corrected annotations, joined with the data of before."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from mmdet_flow import cli, layout
from mmdet_flow.dataset.classes import classes_sha256
from mmdet_flow.dataset.coco import CocoFile
from mmdet_flow.dataset.coco_object import as_coco
from mmdet_flow.dataset.convert import link_images, require_own
from mmdet_flow.dataset.difference import (
    IOU,
    TOLERANCE,
    Difference,
    changes_of,
    report_of,
    summary,
    write_difference,
)
from mmdet_flow.dataset.hashes import write_hashes
from mmdet_flow.dataset.labelled import LabelledImage, LabelledSet
from mmdet_flow.dataset.pixels import save_as_png
from mmdet_flow.errors import DataError
from mmdet_flow.files import (
    keep_apart,
    only_writer,
    scratch_folder,
    sha256_of,
    write_if_changed,
)
from mmdet_flow.labelling.base import Base
from mmdet_flow.labelling.corrected import (
    Accepted,
    Corrected,
    Sorted,
    class_list,
    read_corrected,
    sort_out,
    tell,
)
from mmdet_flow.labelling.label_errors import tick_off
from mmdet_flow.labelling.round import PREDICTIONS, read_round
from mmdet_flow.words import counted

CORRECTIONS = "corrections"
PENDING = "pending.txt"
VAL = 0.15


def join(
    before: Base,
    corrected: Corrected,
    round_folder: Path | None,
    output: Path,
    val: float = VAL,
    label_errors: Path | None = None,
    threads: int = 1,
) -> None:
    """Write the data of before with what was corrected, as a converted data set.

    An image is the same if its content is, and keeps its name and its split. New ones
    go into train, or into val by a share of ``val`` that their content decides. Beside
    the data set are ``splits/``, the corrections, and the list of what stays predicted.

    Raises DataError, and writes nothing, where the check finds errors, where a class is
    new, or where it is not clear which image or annotation is meant.
    """
    source = corrected.source
    keep_apart(output, before.folder, source.annotations, source.images)
    keep_apart(output, *filter(None, [round_folder, source.labels, label_errors]))
    classes = class_list(before.data.classes, corrected.classes)
    predicted = read_round(round_folder) if round_folder else LabelledSet([], [])
    now = read_corrected(corrected, classes, threads)
    found = sort_out(now.images, before, predicted.images, corrected)
    tell(found, predicted.images)
    difference = _difference_of(found)
    joined, splits = _joined(before, found.accepted, val)
    with only_writer(output):
        require_own(output)
        hashes = _link_images(joined, output)
        # First: by it the next run knows the others, should this one be killed.
        _coco_of(joined, classes).write(output / layout.ANNOTATIONS.name)
        write_hashes(hashes.items(), output / layout.PIXELS.name)
        _write_names(classes, splits, output)
        _write_account(found, difference, before, round_folder, output)
        _tick_off(label_errors or before.label_errors, found.accepted, output)
    print(summary(difference))
    counts = ", ".join(f"{name} {len(names)}" for name, names in splits.items())
    cli.log.info("%s: %s", counted(len(joined), "image"), counts)


def _difference_of(found: Sorted) -> Difference:
    """Return what was corrected, of what was predicted or stood there before."""
    changes = [
        change
        for one in found.accepted
        for change in changes_of(one.image, one.before, IOU, TOLERANCE)
    ]
    return Difference(changes, [one.image for one in found.accepted], [], [])


def _joined(
    before: Base, accepted: Sequence[Accepted], val: float
) -> tuple[list[LabelledImage], dict[str, list[str]]]:
    """Return all images by name, and the names of each split."""
    joined = {one.name: one for one in before.data.images}
    splits = {name: list(names) for name, names in before.splits.items()}
    stems = {Path(name).stem for name in joined}
    for one in accepted:
        for known in one.known:
            joined[known.name] = replace(known, objects=one.image.objects)
        if one.known:
            continue
        name = _free_name(_called(one), stems)
        joined[name] = replace(one.image, name=name)
        share = val if before.has_val_of_its_own else 0.0
        split = "val" if _place_of(one.image) < share else "train"
        splits.setdefault(split, []).append(name)
    return [joined[name] for name in sorted(joined)], {
        name: sorted(names) for name, names in splits.items()
    }


def _called(one: Accepted) -> str:
    """Return the name of a new image: that of the round, whatever a tool made of it."""
    stem = Path((one.predicted or one.image).name).stem
    return stem + Path(one.image.name).suffix


def _place_of(image: LabelledImage) -> float:
    """Return a number from 0 to 1 that an image has by its content, for ever."""
    return int(image.sha256[:8], 16) / 16**8


def _free_name(name: str, stems: set[str]) -> str:
    """Return the name of a new image, numbered where its stem is taken; note it."""
    stem, suffix = Path(name).stem, Path(name).suffix
    tries = (stem, *(f"{stem}-{number}" for number in range(1, len(stems) + 2)))
    own = next(one for one in tries if one not in stems)
    stems.add(own)
    return own + suffix


def _coco_of(images: Sequence[LabelledImage], classes: Sequence[str]) -> CocoFile:
    """Return images with their objects as COCO; what was not touched keeps its keys."""
    ids = {name: number for number, name in enumerate(classes, 1)}
    categories = [
        {"id": number, "name": name, "supercategory": ""}
        for name, number in ids.items()
    ]
    info = {"classes_sha256": classes_sha256(classes)}
    coco = CocoFile(Path(layout.ANNOTATIONS.name), [], [], categories, info)
    for image_id, one in enumerate(images, 1):
        size = {"width": one.size[0], "height": one.size[1]}
        own = {"id": image_id, "file_name": one.name}
        coco.images.append((one.coco or {}) | own | size)
        for item in one.objects:
            numbers = {"id": len(coco.annotations) + 1, "image_id": image_id}
            numbers["category_id"] = ids[item.label]
            values = item.coco if item.coco is not None else as_coco(item)
            coco.annotations.append(values | numbers)
    return coco


def _link_images(images: Sequence[LabelledImage], output: Path) -> dict[str, str]:
    """Link the images, or make a PNG where data convert would; return the hashes."""
    files, hashes = {}, {}
    with scratch_folder(output / ".mmdet_join.part") as scratch:
        for one in images:
            files[one.name], hashes[one.name] = one.file, one.sha256
            if one.png:
                files[one.name] = scratch / one.name
                save_as_png(one.file, files[one.name], one.png)
                hashes[one.name] = sha256_of(files[one.name])
            elif not one.file.is_file():
                raise DataError(f"{one.file}: is not there; convert the data again")
        link_images(files, output)
    return hashes


def _write_names(
    classes: Sequence[str],
    splits: Mapping[str, Sequence[str]],
    output: Path,
) -> None:
    write_if_changed(output / layout.CLASSES.name, _lines(classes))
    for name, names in splits.items():
        write_if_changed(
            output / layout.fill(layout.SPLIT_LIST, split=name), _lines(names)
        )


def _lines(names: Iterable[str]) -> str:
    return "".join(f"{name}\n" for name in names)


def _write_account(
    found: Sorted,
    difference: Difference,
    before: Base,
    round_folder: Path | None,
    output: Path,
) -> None:
    """Write what was corrected, from what, and what is still to be looked at."""
    files = {"before_sha256": before.folder / layout.ANNOTATIONS.name}
    if round_folder:
        files["predictions_sha256"] = round_folder / PREDICTIONS
    report = report_of(difference, IOU, TOLERANCE)
    report |= {name: sha256_of(path) for name, path in files.items()}
    report["drawn_from_nothing"] = difference.counts["after"]
    for name in ("missing", "untouched", "tested"):
        report["images"][name] = [one.name for one in getattr(found, name)]
    write_difference(difference, report, output, CORRECTIONS)
    pending = [one.name for one in (*found.missing, *found.untouched)]
    write_if_changed(output / PENDING, _lines(sorted(pending)))


def _tick_off(path: Path | None, accepted: Sequence[Accepted], output: Path) -> None:
    if path is None:
        return
    looked_at = {
        known.name: one.image.objects for one in accepted for known in one.known
    }
    counts = tick_off(path, looked_at, output / layout.LABEL_ERRORS.name)
    said = ", ".join(f"{count} {status}" for status, count in sorted(counts.items()))
    cli.log.info("label errors: %s", said or "none")
