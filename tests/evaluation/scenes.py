"""Small data sets by hand: annotated and found boxes, image by image."""

import contextlib
import io
from pathlib import Path

import numpy as np

from mmdet_flow.dataset.coco import CocoFile

SIZE = 100
CLASSES = ("leaf", "pebble", "shell")


def truth_of(*images: list[tuple], classes=CLASSES) -> CocoFile:
    """Return a COCO file; an object is (class, x, y, width, height[, iscrowd])."""
    annotations = []
    for number, objects in enumerate(images, 1):
        for name, x, y, width, height, *crowd in objects:
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": classes.index(name) + 1,
                    "bbox": [x, y, width, height],
                    "segmentation": [corners(x, y, width, height)],
                    "area": width * height,
                    "iscrowd": int(bool(crowd)),
                }
            )
    pictures = [
        {"id": n, "file_name": f"{n}.png", "width": SIZE, "height": SIZE}
        for n in range(1, len(images) + 1)
    ]
    categories = [{"id": n, "name": name} for n, name in enumerate(classes, 1)]
    return CocoFile(Path("truth.json"), pictures, annotations, categories)


def corners(x, y, width, height) -> list:
    return [x, y, x + width, y, x + width, y + height, x, y + height]


def found_in(*images: list[tuple], classes=CLASSES) -> list[dict]:
    """Return COCO results; a detection is (class, x, y, width, height, score)."""
    return [
        {
            "image_id": number,
            "category_id": classes.index(name) + 1,
            "bbox": [x, y, width, height],
            "score": score,
        }
        for number, detections in enumerate(images, 1)
        for name, x, y, width, height, score in detections
    ]


def with_masks(results: list[dict]) -> list[dict]:
    """Return results with masks that fill the left three quarters of their boxes."""
    from pycocotools import mask

    rows = []
    for row in results:
        x, y, width, height = row["bbox"]
        polygon = corners(x, y, 0.75 * width, height)
        encoded = mask.frPyObjects([polygon], SIZE, SIZE)[0]
        encoded["counts"] = encoded["counts"].decode()
        rows.append(row | {"segmentation": encoded})
    return rows


def random_scene(seed: int, images: int = 12) -> tuple[CocoFile, list[dict]]:
    """Return objects of all sizes, some crowds, and detections near most of them."""
    rng = np.random.default_rng(seed)
    annotated, found = [], []
    for _ in range(images):
        objects, detections = [], []
        for _ in range(rng.integers(0, 7)):
            x, y, width, height = rng.uniform((0, 0, 5, 5), (40, 40, 60, 60)).round(2)
            name = str(rng.choice(CLASSES))
            crowd = (True,) if rng.random() < 0.1 else ()
            objects.append((name, x, y, width, height, *crowd))
            for _ in range(rng.integers(0, 4)):
                moved = np.array([x, y, width, height]) * rng.uniform(0.7, 1.3, 4)
                named = name if rng.random() < 0.7 else str(rng.choice(CLASSES))
                score = float(np.float32(rng.random()))
                detections.append((named, *moved.round(3).tolist(), score))
        annotated.append(objects)
        found.append(detections)
    return truth_of(*annotated), found_in(*found)


def stats_of(evaluation) -> list[float]:
    """Return the twelve figures as pycocotools itself sums up an evaluation."""
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation.summarize()
    return evaluation.stats
