"""The conversion of a checked data set to one COCO file, compared object by object."""

import filecmp
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from mmdet_flow import cli, layout
from mmdet_flow.dataset.annotations import (
    AnnotatedImage,
    AnnotatedObject,
    AnnotationFormat,
    Source,
    area_of_points,
    in_steps,
)
from mmdet_flow.dataset.check import (
    Checked,
    CheckedImage,
    Rules,
    check,
)
from mmdet_flow.dataset.classes import classes_sha256
from mmdet_flow.dataset.coco import CocoFile, outlines
from mmdet_flow.dataset.findings import Finding, groups_of
from mmdet_flow.dataset.hashes import hash_images, write_hashes
from mmdet_flow.dataset.pixels import save_as_png
from mmdet_flow.dataset.readers import FORMATS
from mmdet_flow.dataset.report import ALL, log_findings, report_of, write_report
from mmdet_flow.dataset.wai import Converted, convert_to_coco
from mmdet_flow.errors import FIRST_OF, DataError
from mmdet_flow.files import (
    keep_apart,
    link_or_copy,
    only_writer,
    scratch_folder,
    write_if_changed,
)
from mmdet_flow.words import counted

FILES = tuple(
    place.name
    for place in (
        *(layout.ANNOTATIONS, layout.CLASSES, layout.PIXELS),
        *(layout.REPORT, layout.FINDINGS),
    )
)
"""What a converted data set has beside its images."""


def convert(
    format_name: str,
    source: Source,
    output: Path,
    rules: Rules | None = None,
    threads: int = 1,
) -> None:
    """Write ``annotations.json``, ``images/``, ``classes.txt`` and ``report.json``.

    ``images.csv`` has the SHA-256 of each image.

    Raises DataError when the check finds errors, or when the conversion differs from
    what was read; what was written before then stays. Raises UsageError for an output
    that overlaps with what is read, DataError while another process writes there.
    """
    keep_apart(output, source.annotations, source.images)
    keep_apart(output / "images", source.images)
    annotation_format = FORMATS[format_name]
    checked = checked_or_error(annotation_format, source, rules or Rules(), threads)
    with only_writer(output):
        require_own(output)
        with scratch_folder(output / ".mmdet_convert.part") as staging:
            files = _image_files(checked.images, staging)
            coco = _convert(checked, annotation_format.is_coco, staging, threads)
            link_images(files, output)
        # First: by it the next run knows the others, should this one be killed.
        coco.write(output / layout.ANNOTATIONS.name)
        hashes = hash_images(sorted(files), output / "images", threads)
        write_hashes(hashes, output / layout.PIXELS.name)
        classes = "\n".join(checked.classes) + "\n"
        write_if_changed(output / layout.CLASSES.name, classes)
        report = report_of(checked)
        write_report(report, output / layout.REPORT.name)
    counts = ", ".join(f"{name} {n}" for name, n in report["objects_by_class"].items())
    cli.log.info(
        "%s, %s: %s",
        counted(len(coco.images), "image"),
        counted(len(coco.annotations), "object"),
        counts,
    )


def checked_or_error(
    annotation_format: AnnotationFormat, source: Source, rules: Rules, threads: int
) -> Checked:
    """Return a data set that passed its check; DataError if that finds errors."""
    checked = check(annotation_format, source, rules, threads)
    stop_on_errors(checked)
    return checked


def stop_on_errors(*checked: Checked) -> None:
    """Log the findings of checks; DataError if there are errors, or no image.

    What several checks of the same files found is logged once.
    """
    counts: Counter[Finding] = Counter()
    for one in checked:
        counts |= Counter(one.ledger.findings)
    found = list(counts.elements())
    log_findings(found, errors=ALL)
    if errors := [one for one in found if one.action == "error"]:
        first, count = groups_of(errors)[0][0], len(errors)
        more = FIRST_OF.format(count) if count > 1 else ""
        raise DataError(f"{first}{more}")
    if not all(one.images for one in checked):
        raise DataError("no image is left to convert; see the findings above")


def _convert(checked: Checked, is_coco: bool, scratch: Path, threads: int) -> CocoFile:
    images = [one.source for one in checked.images]
    if is_coco:
        return _assemble(checked, _pass_through(images, checked.classes))
    return _assemble(
        checked, convert_to_coco(images, checked.classes, scratch, threads)
    )


def _image_files(images: Sequence[CheckedImage], scratch: Path) -> dict[str, Path]:
    """Return the file of each image by its name, made as PNG where that is needed."""
    files = {}
    for one in images:
        path = one.source.image
        if one.png:
            path = scratch / one.name
            save_as_png(one.source.image, path, one.png)
        files[one.name] = path
    return files


def _pass_through(
    images: Sequence[AnnotatedImage], classes: Sequence[str]
) -> Iterator[list[Converted]]:
    """Yield COCO annotations as they came, but for what a policy repaired."""
    indices = {name: index for index, name in enumerate(classes)}
    for one in images:
        yield [
            (indices[item.label], item.coco | _repaired(item)) for item in one.objects
        ]


def _repaired(item: AnnotatedObject) -> dict:
    """Return what is no longer as it came; the area is that of the outlines or box."""
    coco, repaired = item.coco, {}
    if tuple(map(float, coco["bbox"])) != item.bbox:
        repaired["bbox"] = list(item.bbox)
    if tuple(tuple(map(float, part)) for part in outlines(coco)) != item.polygons:
        repaired["segmentation"] = [list(part) for part in item.polygons]
    if repaired and not item.mask:
        width, height = item.bbox[2:]
        areas = map(area_of_points, item.polygons)
        repaired["area"] = sum(areas) if item.polygons else width * height
    return repaired | {"iscrowd": int(item.crowd)}


def _assemble(checked: Checked, converted: Iterator[list[Converted]]) -> CocoFile:
    """Compare the conversion with what was read, and number everything anew.

    Ids follow the order of the image names and of the class list. Images without
    objects, which wai.annotations leaves out, are there too.
    """
    categories = [
        {"id": number, "name": name, "supercategory": ""}
        for number, name in enumerate(checked.classes, 1)
    ]
    info = {"classes_sha256": classes_sha256(checked.classes)}
    coco = CocoFile(Path(layout.ANNOTATIONS.name), [], [], categories, info)
    for image_id, (one, found) in enumerate(
        zip(checked.images, converted, strict=True), 1
    ):
        _compare(one, found, checked.classes)
        width, height = one.size
        coco.images.append(
            (one.source.coco or {})
            | {"id": image_id, "file_name": one.name, "width": width, "height": height}
        )
        for category, item in found:
            numbers = {
                "id": len(coco.annotations) + 1,
                "image_id": image_id,
                "category_id": category + 1,
            }
            coco.annotations.append(item | numbers)
    return coco


def _compare(one: CheckedImage, found: list[Converted], classes: Sequence[str]) -> None:
    """Refuse a conversion that lost, moved or renamed an object."""
    if any(item.coco is not None for item in one.source.objects):
        return  # passed through
    expected = [
        (item.label, item.bbox, item.polygons)
        for item in map(in_steps, one.source.objects)
    ]
    actual = [
        (
            classes[category],
            tuple(item["bbox"]),
            tuple(map(tuple, outlines(item))),
        )
        for category, item in found
    ]
    if expected != actual:
        lost = Counter(expected) - Counter(actual)
        example = next(iter(lost), "their order")
        raise DataError(
            f"{one.source.annotation.name}: {len(expected)} objects were read and "
            f"{len(actual)} converted, differing in {example}; please report this file"
        )


def require_own(output: Path) -> None:
    """DataError if a folder holds files of others, called as ours would be."""
    if _earlier_images(output) is None:
        for path in (output / name for name in FILES):
            if os.path.lexists(path):
                raise DataError(
                    f"{path}: was not made by mmdet-flow data convert; choose another "
                    "folder, or take it away"
                )


def link_images(files: Mapping[str, Path], output: Path) -> None:
    """Fill the image folder of a data set with links to the converted images.

    Images that were converted into it before are replaced, or removed; files of others
    stay, and a DataError says so where one has the name of an image.
    """
    folder = output / "images"
    folder.mkdir(parents=True, exist_ok=True)
    own = _earlier_images(output) or set()
    present = {path.name: path for path in folder.iterdir()}
    same = {
        name
        for name in present.keys() & files.keys()
        if _holds(present[name], files[name])
    }
    for name in sorted((present.keys() & files.keys()) - same - own):
        raise DataError(
            f"{present[name]}: is another image, which mmdet-flow data convert did "
            "not put there; take it away, or choose another folder"
        )
    for name in (present.keys() & own) - same:
        present[name].unlink()
    for name in files.keys() - same:
        link_or_copy(files[name], folder / name)


def _earlier_images(output: Path) -> set[str] | None:
    """Return the names of images that were converted into a folder before, if any."""
    try:
        coco = CocoFile.read(output / layout.ANNOTATIONS.name)
    except DataError:
        return None
    names = {image.get("file_name") for image in coco.images if isinstance(image, dict)}
    return names if "classes_sha256" in coco.info else None


def _holds(path: Path, source: Path) -> bool:
    """Whether a file is another one, or has its content."""
    return path.is_file() and (
        path.samefile(source) or filecmp.cmp(path, source, shallow=False)
    )
