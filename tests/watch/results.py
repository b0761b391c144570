"""Results folders as runs leave them: of each, what one stage after another makes."""

import json
import os
import time
from pathlib import Path

from mmdet_flow import layout

SUMMARY = (
    "Experiment cells\n  boxes        mAP 0.412, at IoU 0.5 0.734, on 3 test images\n"
)


def put(folder: Path, place, text: str = "x", age: float = 0.0) -> Path:
    """Write a file of an experiment that was last written so many seconds ago."""
    path = folder / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, (time.time() - age,) * 2)
    return path


def begun(folder: Path, age: float = 0.0) -> None:
    """Write what there is while a training runs."""
    for place in (layout.ANNOTATIONS, layout.fill(layout.SPLIT, split="test")):
        put(folder, place)
    put(folder, layout.CONFIG)
    put(folder, "logs/convert_annotations.log", "INFO done\n", age)
    put(folder, "logs/train_model.log", "INFO it goes on\n", age)
    lines = training_lines(60)
    put(folder, layout.TRAINING_LINES, lines, age)
    estimate = {
        "seconds_per_iteration": 2.0,
        "iterations": 80,
        "total": 100,
        "stages": [{"first": 0, "seconds": 2.0}],
    }
    put(folder, layout.ESTIMATE, json.dumps(estimate), age)


def training_lines(iterations: int) -> str:
    """Return the metrics of a training with ten iterations an epoch."""
    rows = []
    for number in range(1, iterations + 1):
        epoch = -(-number // 10)
        row = {"mode": "train", "iter": number, "epoch": epoch, "loss": 4 / number}
        rows.append(row | {"lr": 0.001})
        if number % 20 == 0:
            score = {"bbox_mAP": number / 200}
            rows.append({"mode": "val", "iter": number, "epoch": epoch} | score)
    return "".join(json.dumps(row) + "\n" for row in rows)


def finished(folder: Path, age: float = 1000.0) -> None:
    """Write what there is at the end."""
    begun(folder, age)
    for place in (
        *(layout.CHECKPOINT, layout.DEPLOYED, layout.METRICS, layout.GALLERY),
        *(layout.PREDICTED_IMAGES, layout.OVERVIEW, layout.RECORD),
    ):
        put(folder, place, age=age)
    put(folder, layout.SUMMARY, SUMMARY, age)
