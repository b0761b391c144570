"""Running wai.annotations, in its own environment, on files that it understands.

Images and classes are staged as numbers: wai.annotations trips over brackets and hash
signs in file names, commas in class names, and classes named like its own plugins.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from mmdet_flow import cli
from mmdet_flow.dataset.annotations import AnnotatedImage, AnnotationFormat
from mmdet_flow.errors import DataError, FlowError
from mmdet_flow.files import link_or_copy, read_json

BATCH = 1000
"""Images a process: enough to hide its start, few enough to share among threads."""

Converted = tuple[int, dict]
"""An object as wai.annotations gives it: index of its class, COCO annotation."""


def convert_to_coco(
    annotation_format: AnnotationFormat,
    images: Sequence[AnnotatedImage],
    classes: Sequence[str],
    scratch: Path,
    threads: int,
) -> Iterator[list[Converted]]:
    """Yield the objects of each image, in order, as wai.annotations converts them.

    ``scratch`` is a folder for the staged files, on the disk of the images if links
    are to be made instead of copies.
    """
    size = min(BATCH, -(-len(images) // threads)) or 1
    batches = [images[start : start + size] for start in range(0, len(images), size)]
    with ThreadPoolExecutor(threads) as pool:
        jobs = [
            pool.submit(
                _convert_batch,
                annotation_format,
                batch,
                classes,
                scratch / str(number),
            )
            for number, batch in enumerate(batches)
        ]
        for job in cli.progress(jobs, len(jobs), "batches converted"):
            yield from job.result()


def _convert_batch(
    annotation_format: AnnotationFormat,
    images: Sequence[AnnotatedImage],
    classes: Sequence[str],
    folder: Path,
) -> list[list[Converted]]:
    folder.mkdir()
    staged = []
    labels = {name: str(index) for index, name in enumerate(classes)}
    for number, one in enumerate(images):
        path = folder / f"{number:06d}{one.image.suffix.lower()}"
        link_or_copy(one.image, path)
        objects = tuple(replace(item, label=labels[item.label]) for item in one.objects)
        staged.append(replace(one, image=path, objects=objects))
    files = annotation_format.write(staged, folder)
    (folder / "list.txt").write_text("".join(f"./{path.name}\n" for path in files))
    content = _run(annotation_format.command, folder)
    shutil.rmtree(folder)
    return _by_image(content, staged)


def _run(command: Sequence[str], folder: Path) -> dict:
    """Run wai.annotations on the list in a folder; return its COCO content."""
    target = folder / "coco" / "annotations.json"
    target.parent.mkdir()
    arguments = [
        *(find_wai_annotations(), "convert", *command, "-I", str(folder / "list.txt")),
        *("to-coco-od", "-o", str(target), "--annotations-only"),
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


def _by_image(content: dict, staged: Sequence[AnnotatedImage]) -> list[list[Converted]]:
    names = {item["id"]: int(item["name"]) for item in content["categories"]}
    files = {item["id"]: item["file_name"] for item in content["images"]}
    objects: dict[str, list[Converted]] = {one.image.name: [] for one in staged}
    for item in content["annotations"]:
        found = names[item["category_id"]], item
        objects[files[item["image_id"]]].append(found)
    return list(objects.values())
