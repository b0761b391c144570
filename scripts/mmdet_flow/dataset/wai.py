"""Running wai.annotations, in its own environment, on files that it understands.

All formats are handed to it in one: ROI CSV, the fastest of those that have both boxes
and outlines. It computes with whole numbers, knows one outline an object, and trips
over names of files and classes. So a coordinate is a number of steps of a pixel, each
part of an outline is a row of its own, a class is its number, and the image, of which
only the size is looked at, is a single pixel. Rows come back in their order.
"""

import csv
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

from mmdet_flow import cli
from mmdet_flow.dataset.annotations import (
    STEPS,
    AnnotatedImage,
    AnnotatedObject,
    Outline,
)
from mmdet_flow.dataset.rle import area_of_rle
from mmdet_flow.errors import DataError, FlowError
from mmdet_flow.files import read_json

BATCH = 1000
"""Images a process: enough to hide its start, few enough to share among threads."""

LEAST = 100
"""Images that take less time than the start of another process would."""

READER, WRITER = "from-roi-od", "to-coco-od"
"""Its plugins that are used."""

ROWS = "objects-rois.csv"
IMAGE = "image.bmp"
BITMAP = b"BM:\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\1\0\0\0\1\0\0\0\1\0\x18" + bytes(29)
"""A single black pixel."""

CORNERS = ("x0", "y0", "x1", "y1")
OUTLINE = ("poly_x", "poly_y", "poly_xn", "poly_yn")
COLUMNS = (
    *("file", *CORNERS, *(f"{name}n" for name in CORNERS)),
    *("label", "label_str", "score"),
)

Converted = tuple[int, dict]
"""An object as wai.annotations gives it: index of its class, COCO annotation."""


def convert_to_coco(
    images: Sequence[AnnotatedImage],
    classes: Sequence[str],
    scratch: Path,
    threads: int,
) -> Iterator[list[Converted]]:
    """Yield the objects of each image, in order, as wai.annotations converts them.

    ``scratch`` is a folder for the staged files. Masks, which wai.annotations does not
    know, are put in where the box of their object arrives.
    """
    size = min(BATCH, max(LEAST, -(-len(images) // threads)))
    batches = [images[start : start + size] for start in range(0, len(images), size)]
    with ThreadPoolExecutor(threads) as pool:
        jobs = [
            pool.submit(_convert_batch, batch, classes, scratch / str(number))
            for number, batch in enumerate(batches)
        ]
        for job in cli.progress(jobs, len(jobs), "batches converted"):
            yield from job.result()


def _convert_batch(
    images: Sequence[AnnotatedImage], classes: Sequence[str], folder: Path
) -> list[list[Converted]]:
    objects = [item for one in images for item in one.objects]
    if not objects:
        return [[] for _ in images]
    folder.mkdir()
    _write_rows(objects, classes, folder / ROWS)
    content = _run(folder)
    shutil.rmtree(folder)
    joined = _joined(content, objects)
    return [list(islice(joined, len(one.objects))) for one in images]


def _write_rows(
    objects: Sequence[AnnotatedObject], classes: Sequence[str], path: Path
) -> None:
    """Write each part of an outline, or the box alone, as a row beside the image."""
    path.with_name(IMAGE).write_bytes(BITMAP)
    numbers = {name: number for number, name in enumerate(classes)}
    # Empty columns would cost as much as the boxes.
    outlined = any(item.polygons for item in objects)
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(COLUMNS + OUTLINE if outlined else COLUMNS)
        for item in objects:
            x, y, width, height = item.bbox
            left, top, right, bottom = map(_steps, (x, y, x + width, y + height))
            # The last pixel belongs to the box. Columns with n at their end, and the
            # score, have to be there, and nothing reads them.
            corners = left, top, right - 1, bottom - 1
            start = IMAGE, *corners, 0, 0, 0, 0, 0, numbers[item.label], 0
            for part in item.polygons or ((),):
                writer.writerow((*start, *_columns(part)) if outlined else start)


def _steps(value: float) -> int:
    return round(value * STEPS)


def _columns(outline: Outline) -> tuple[str, str, str, str]:
    xs = ",".join(str(_steps(value)) for value in outline[::2])
    ys = ",".join(str(_steps(value)) for value in outline[1::2])
    zeros = ",".join("0" * (len(outline) // 2))
    return xs, ys, zeros, zeros


def _run(folder: Path) -> dict:
    """Run wai.annotations on the rows in a folder; return its COCO content."""
    target = folder / "annotations.json"
    (folder / "list.txt").write_text(f"./{ROWS}\n")
    arguments = [
        *(find_wai_annotations(), "convert"),
        *(READER, "-I", str(folder / "list.txt")),
        *(WRITER, "-o", str(target), "--annotations-only"),
    ]
    environment = os.environ | {
        "XDG_CONFIG_HOME": str(folder),
        "PYTHONHASHSEED": "0",
        "PYTHONUTF8": "1",
        "PYTHONWARNINGS": "ignore",
        "WAIANN_LOG_LEVEL": "30",
    }
    run = subprocess.run(arguments, env=environment, capture_output=True, text=True)
    # It writes its tracebacks to stdout, and goes on after what it only warns of.
    said = f"{run.stdout}\n{run.stderr}".strip().splitlines()
    complaints = [line for line in said if re.match("(WARNING|ERROR|CRITICAL) ", line)]
    if run.returncode or complaints or not target.is_file():
        reason = complaints[0] if complaints else (said or ["no message"])[-1]
        raise DataError(f"wai.annotations failed: {reason}; please report this")
    return read_json(target)


def find_wai_annotations() -> str:
    """Return the wai-annotations command: of this installation, or on the PATH."""
    beside = Path(sys.executable).with_name("wai-annotations")
    found = str(beside) if beside.exists() else shutil.which("wai-annotations")
    if not found:
        raise FlowError("wai-annotations is not installed; run make setup")
    return found


def _joined(content: dict, objects: Sequence[AnnotatedObject]) -> Iterator[Converted]:
    """Yield the objects, each put together from its rows."""
    names = {item["id"]: int(item["name"]) for item in content["categories"]}
    counts = [len(item.polygons) or 1 for item in objects]
    if sum(counts) != len(content["annotations"]):
        raise DataError(
            f"wai.annotations made {len(content['annotations'])} objects of "
            f"{sum(counts)}; please report this"
        )
    rows = iter(content["annotations"])
    for item, count in zip(objects, counts, strict=True):
        parts = list(islice(rows, count))
        yield names[parts[0]["category_id"]], _in_pixels(parts, item)


def _in_pixels(parts: Sequence[dict], item: AnnotatedObject) -> dict:
    """Return an object of one box with the outlines of all parts, or with its mask."""
    outlines = [
        [value / STEPS for value in outline]
        for part in parts
        for outline in part["segmentation"]
    ]
    area = sum(part["area"] for part in parts) / STEPS**2
    return parts[0] | {
        "segmentation": item.mask or outlines,
        "area": area_of_rle(item.mask) if item.mask else area,
        "iscrowd": int(item.crowd),
        "bbox": [value / STEPS for value in parts[0]["bbox"]],
    }
