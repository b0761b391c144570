"""A short training of a preset on drawn images, which tells how fast a machine is."""

import contextlib
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from mmdet_flow import cli, layout
from mmdet_flow.errors import ModelError
from mmdet_flow.files import read_json, write_json
from mmdet_flow.workflow.presets import apply_presets

BATCHES = 10
"""Of an epoch: five to warm up, and five to measure."""

VALIDATED = 8
"""Images of the validation."""

SIZE = (320, 240)
SIDES = (160, 320)
"""To what the images of the first epoch and those of the second are fitted."""

OBJECTS, BOX = 10, 48
"""In each image, and the pixels of their sides."""

LONGEST = 600
"""Seconds after which a machine is too busy to be measured."""


@dataclass(frozen=True)
class Trial:
    """What a short training took.

    Attributes:
        seconds: for two sizes, the pixels of an image and the seconds of one.
        validated: seconds of an image in a validation, of the larger size.
        start: seconds of the command without its iterations.
        others: what part of the CPUs others used meanwhile.
    """

    QUIET: ClassVar[float] = 0.1
    """Part of the CPUs that others may use where a speed is worth to be kept."""

    seconds: tuple[tuple[int, float], tuple[int, float]]
    validated: float
    start: float
    others: float


def try_preset(preset: str, threads: int) -> Trial:
    """Train for two epochs, of small and of larger images; ModelError if that fails."""
    model = {"preset": preset}
    apply_presets({"model": model})
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        _draw(folder / "learned.json", BATCHES * model["batch_size"])
        _draw(folder / "validated.json", VALIDATED)
        _run(["patch", model["base"], *_recipe(folder, model)])
        begin, busy = time.monotonic(), _busy_seconds()
        own = _seconds_of_children()
        config, work = folder / "fitted.py", folder / "work"
        options = [f"--precision={model['precision']}", f"--threads={threads}"]
        _run(["train", config, f"--work-dir={work}", *options])
        wall = time.monotonic() - begin
        others = _busy_seconds() - busy - (_seconds_of_children() - own)
        estimate = read_json(work / layout.ESTIMATE.name)
    batch = model["batch_size"]
    steps = [stage["seconds"] for stage in estimate["stages"]]
    validation = estimate["validation"]
    ratio = min(SIZE) / max(SIZE)
    pixels = [round(side * side * ratio) for side in SIDES]
    return Trial(
        seconds=tuple(zip(pixels, (each / batch for each in steps), strict=True)),
        validated=validation / VALIDATED,
        start=max(0.0, wall - validation - BATCHES * sum(steps)),
        others=max(0.0, others) / wall / cli.available_threads(),
    )


def _recipe(folder: Path, model: dict) -> list[str]:
    """Return the options of a training with images of both sizes, one an epoch."""
    return [
        f"--train={folder / 'learned.json'}",
        *(f"--{name}={folder / 'validated.json'}" for name in ("val", "test")),
        f"--images={folder}",
        f"--output={folder / 'fitted.py'}",
        *("--epochs=2", "--val-interval=2", f"--augment={model['augment']}"),
        f"--batch-size={model['batch_size']}",
        f"--image-size={max(SIDES)}",
        f"--optimizer={model['optimizer']}",
        f"--grow-from={min(SIDES) / max(SIDES)}",
    ]


def _run(words: list) -> None:
    program = Path(sys.executable).parent / "mmdet-flow"
    command = [str(program), "model", *map(str, words)]
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST)
    except subprocess.TimeoutExpired:
        raise ModelError(f"it takes longer than {LONGEST} seconds") from None
    if run.returncode:
        last = (run.stderr.strip().splitlines() or [""])[-1]
        raise ModelError(f"mmdet-flow model {words[0]}: {last}")


def _draw(annotations: Path, count: int) -> None:
    """Write images of clouds with boxes before them, and their annotations beside."""
    from PIL import Image

    dice = np.random.default_rng(0)
    width, height = SIZE
    images, objects = [], []
    for number in range(1, count + 1):
        clouds = dice.integers(0, 256, (12, 16, 3), np.uint8)
        pixels = np.array(Image.fromarray(clouds).resize(SIZE))
        for x, y in dice.integers(0, (width - BOX, height - BOX), (OBJECTS, 2)):
            pixels[y : y + BOX, x : x + BOX] = dice.integers(0, 256, 3)
            objects.append(_object(len(objects) + 1, number, int(x), int(y)))
        name = f"{annotations.stem}{number}.jpg"
        Image.fromarray(pixels).save(annotations.with_name(name))
        size = {"width": width, "height": height}
        images.append({"id": number, "file_name": name, **size})
    content = {"images": images, "annotations": objects}
    write_json(annotations, content | {"categories": [{"id": 1, "name": "box"}]})


def _object(number: int, image: int, x: int, y: int) -> dict:
    """Return a box with its outline, as COCO has it."""
    right, lower = x + BOX, y + BOX
    return {
        "id": number,
        "image_id": image,
        "category_id": 1,
        "bbox": [x, y, BOX, BOX],
        "area": BOX * BOX,
        "iscrowd": 0,
        "segmentation": [[x, y, right, y, right, lower, x, lower]],
    }


def _busy_seconds() -> float:
    """Return the seconds for which the CPUs of this process were ever busy, in all.

    0 where that is not told.
    """
    ticks = 0
    names = {f"cpu{number}" for number in os.sched_getaffinity(0)}
    with contextlib.suppress(OSError, ValueError), open("/proc/stat") as lines:
        for name, *words in map(str.split, lines):
            if name in names:
                times = list(map(int, words[:8]))
                ticks += sum(times) - times[3] - times[4]  # idle, and idle for a disk
    return ticks / os.sysconf("SC_CLK_TCK")


def _seconds_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
