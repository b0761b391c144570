"""Convert annotations of any kind to one COCO file, with nothing lost.

Every annotation and every picture is checked first; wai.annotations converts them;
and the result is compared, object by object, with what was read. What is wrong is
listed with how to mend it, and nothing is written then.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import asdict
from pathlib import Path

from mmdet_flow import cli
from mmdet_flow.dataset.annotations import AnnotationFormat, Finding
from mmdet_flow.dataset.check import CheckedImage, check
from mmdet_flow.dataset.coco import CocoFile
from mmdet_flow.dataset.opex import OPEX
from mmdet_flow.dataset.voc import VOC
from mmdet_flow.errors import DataError, FlowError
from mmdet_flow.files import link_or_copy, read_json, write_if_changed, write_json

FORMATS: dict[str, AnnotationFormat] = {"opex": OPEX, "voc": VOC}


def convert(
    format_name: str,
    annotations: Path,
    images: Path,
    output: Path,
    classes: list[str] | None = None,
    threads: int = 1,
) -> None:
    """Write ``annotations.json``, ``images/``, ``classes.txt`` and ``report.json``.

    ``classes`` gives the class list in its order; None takes all, by name. Raises
    DataError when anything would be lost; what was written before then stays.
    """
    annotation_format = FORMATS[format_name]
    checked, findings = check(annotation_format, annotations, images, classes, threads)
    _stop_on_errors(findings)
    if classes is None:
        classes = sorted({item.label for one in checked for item in one.source.objects})
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".staging-", dir=output) as staging:
        converted = _run_wai(annotation_format, checked, Path(staging))
    coco = _assemble(checked, converted, classes)
    _link_images(checked, output / "images")
    coco.write(output / "annotations.json")
    write_if_changed(output / "classes.txt", "\n".join(classes) + "\n")
    write_json(output / "report.json", _report(coco, findings))
    cli.log.info(
        "%d images, %d objects: %s",
        len(coco.images),
        len(coco.annotations),
        ", ".join(f"{name} {count}" for name, count in _class_counts(coco).items()),
    )


def _stop_on_errors(findings: list[Finding]) -> None:
    for finding in findings:
        report = cli.log.error if finding.severity == "error" else cli.log.warning
        report("%s", finding)
    errors = [finding for finding in findings if finding.severity == "error"]
    if errors:
        more = f" (and {len(errors) - 1} more, listed above)" if len(errors) > 1 else ""
        raise DataError(f"{errors[0]}{more}")


def _run_wai(
    annotation_format: AnnotationFormat, checked: list[CheckedImage], staging: Path
) -> dict:
    """Convert with wai.annotations in its own environment; return its COCO content."""
    sources = []
    for one in checked:
        link_or_copy(one.source.image, staging / one.source.image.name)
        sources.append(annotation_format.stage(one.source, staging))
    # Relative names resolve against the list's folder; ./ keeps a leading # a name.
    list_file = staging / "list.txt"
    list_file.write_text("".join(f"./{path.name}\n" for path in sources))
    target = staging / "coco" / "annotations.json"
    target.parent.mkdir()
    command = [
        find_wai_annotations(),
        *("convert", annotation_format.reader, "-I", str(list_file)),
        *("to-coco-od", "-o", str(target), "--annotations-only"),
    ]
    environment = os.environ | {
        # It reads macros from, and makes a folder in, the user's configuration.
        "XDG_CONFIG_HOME": str(staging),
        "PYTHONHASHSEED": "0",
        "PYTHONUTF8": "1",
        "PYTHONWARNINGS": "ignore",
        "WAIANN_LOG_LEVEL": "30",
    }
    run = subprocess.run(command, env=environment, capture_output=True, text=True)
    complaint = re.search(r"^(WARNING|ERROR|CRITICAL) .*", run.stderr, re.MULTILINE)
    if run.returncode or complaint or not target.is_file():
        lines = (run.stdout + run.stderr).strip().splitlines()
        reason = complaint.group() if complaint else (lines or ["no output"])[-1]
        raise DataError(
            f"wai.annotations ({annotation_format.reader}) could not convert: {reason}"
        )
    return read_json(target)


def find_wai_annotations() -> str:
    """Return the wai-annotations command: of this installation, or on the PATH."""
    own = Path(sys.executable).parent / "wai-annotations"
    found = str(own) if own.is_file() else shutil.which("wai-annotations")
    if not found:
        raise FlowError("wai-annotations is not installed; run `make setup`")
    return found


def _assemble(
    checked: list[CheckedImage], converted: dict, classes: list[str]
) -> CocoFile:
    """Compare the conversion with what was read, and add what it left out.

    wai.annotations drops images without objects; ids are given anew, in the order
    of the image names and of the class list.
    """
    names = {item["id"]: item["name"] for item in converted["categories"]}
    files = {item["id"]: item["file_name"] for item in converted["images"]}
    objects: dict[str, list[dict]] = {}
    for item in converted["annotations"]:
        objects.setdefault(files[item["image_id"]], []).append(item)
    coco = CocoFile(
        Path("annotations.json"),
        images=[],
        annotations=[],
        categories=[
            {"id": number, "name": name, "supercategory": ""}
            for number, name in enumerate(classes, 1)
        ],
    )
    for image_id, one in enumerate(checked, 1):
        name = one.source.image.name
        found = objects.pop(name, [])
        _compare(one, [(names[item["category_id"]], item) for item in found])
        width, height = one.size
        coco.images.append(
            {"id": image_id, "file_name": name, "width": width, "height": height}
        )
        for item in found:
            category = classes.index(names[item["category_id"]]) + 1
            coco.annotations.append(
                item
                | {
                    "id": len(coco.annotations) + 1,
                    "image_id": image_id,
                    "category_id": category,
                }
            )
    if objects:
        raise DataError(f"wai.annotations made up images: {', '.join(sorted(objects))}")
    return coco


def _compare(one: CheckedImage, found: list[tuple[str, dict]]) -> None:
    """Refuse a conversion that lost, moved or renamed an object."""
    expected = [(item.label, item.bbox, item.polygon) for item in one.source.objects]
    actual = [
        (
            label,
            tuple(map(float, item["bbox"])),
            tuple(float(value) for part in item["segmentation"] for value in part),
        )
        for label, item in found
    ]
    if expected != actual:
        lost = Counter(expected) - Counter(actual)
        example = next(iter(lost), "their order")
        raise DataError(
            f"{one.source.annotation.name}: {len(expected)} objects were read and "
            f"{len(actual)} converted, differing in {example}; please report this file"
        )


def _link_images(checked: list[CheckedImage], folder: Path) -> None:
    """Fill the image folder with links to exactly the converted images."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = {one.source.image.name: one.source.image for one in checked}
    for path in folder.iterdir():
        source = wanted.get(path.name)
        if source is None or not path.samefile(source):
            path.unlink()
    for name, source in wanted.items():
        if not (folder / name).exists():
            link_or_copy(source, folder / name)


def _class_counts(coco: CocoFile) -> dict[str, int]:
    counts = Counter(item["category_id"] for item in coco.annotations)
    return {item["name"]: counts[item["id"]] for item in coco.categories}


def _report(coco: CocoFile, findings: list[Finding]) -> dict:
    return {
        "images": len(coco.images),
        "images_without_objects": sum(
            not objects for objects in coco.objects_by_image().values()
        ),
        "objects": len(coco.annotations),
        "objects_by_class": _class_counts(coco),
        "findings": [asdict(finding) for finding in findings],
    }


def build_parser() -> argparse.ArgumentParser:
    parser = cli.new_parser("mmdet_convert", __doc__)
    parser.add_argument("--format", choices=sorted(FORMATS), required=True)
    parser.add_argument("--annotations", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--images", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--output", type=Path, required=True, metavar="FOLDER")
    parser.add_argument(
        "--classes",
        nargs="+",
        metavar="NAME",
        help="class list in its order (default: all classes, by name)",
    )
    cli.add_threads_option(parser)
    return parser


def main(argv: list[str] | None = None) -> int:
    args = build_parser().parse_args(argv)
    return cli.run(
        lambda: convert(
            args.format,
            args.annotations,
            args.images,
            args.output,
            args.classes,
            args.threads or cli.available_threads(),
        ),
        args,
    )
