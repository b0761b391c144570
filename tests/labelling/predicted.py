"""Predictions of a small data set, as a model would have written them."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from mmdet_flow.dataset.classes import classes_sha256
from mmdet_flow.formats.objects import PixelObject, rectangle
from mmdet_flow.formats.opex import to_opex
from tests.dataset.voc_data import make_picture

CLASSES = ["red cell", "no", "white & <other>"]
"""In an order that is not that of their names."""

META = {"model": "cells.pth", "model_sha256": "ab" * 32}
SIZE = 64, 48


def boxed(label: str, score: float | None, *bbox: int) -> PixelObject:
    """Return an object that is a box alone: left, top, right, bottom, inclusive."""
    left, top, right, bottom = bbox
    area = (right - left + 1) * (bottom - top + 1)
    outline = rectangle(bbox)
    return PixelObject(CLASSES.index(label), label, score, bbox, outline, [], area)


def outlined(label: str, score: float, *parts: Sequence[Sequence[int]]) -> PixelObject:
    """Return an object with outlines through the middles of pixels."""
    xs, ys = zip(*(point for part in parts for point in part), strict=True)
    bbox = min(xs), min(ys), max(xs), max(ys)
    number, (first, *others) = CLASSES.index(label), [list(map(list, p)) for p in parts]
    return PixelObject(number, label, score, bbox, first, others, 1)


BOXES = {
    "a.jpg": [
        boxed("red cell", 0.9, 0, 0, 9, 19),
        boxed("no", 0.25, 63, 47, 63, 47),
        boxed("red cell", 0.125, 10, 10, 30, 33),
    ],
    "a.v1 [2].png": [boxed("white & <other>", 0.5, 7, 8, 40, 47)],
    "empty.jpg": [],
}
"""At the edges, of a single pixel, in an image without objects, and with odd names."""

OUTLINES = {
    "a.jpg": [
        outlined("red cell", 0.9, [(5, 5), (14, 5), (14, 20), (9, 12), (5, 20)]),
        outlined(
            "no",
            0.5,
            [(20, 5), (40, 5), (40, 25), (20, 25)],
            [(50, 30), (60, 35), (50, 40)],
        ),
        boxed("no", 0.25, 1, 40, 8, 47),
    ],
    "empty.jpg": [],
}
"""One outline, two, and a box that has none."""


def write_predictions(
    folder: Path,
    objects: dict[str, Iterable[PixelObject]],
    meta: dict[str, str] | None = None,
    seed: int = 0,
) -> Path:
    """Write images with their OPEX beside them, as prediction leaves them."""
    folder.mkdir(parents=True, exist_ok=True)
    about = META | {"classes_sha256": classes_sha256(CLASSES)} | (meta or {})
    size = {"width": str(SIZE[0]), "height": str(SIZE[1])}
    for number, (name, items) in enumerate(objects.items(), seed):
        path = folder / name
        new = path.with_name(f"new{path.suffix}")  # names of odd signs are no OpenCV's
        make_picture(new, number, SIZE)
        os.replace(new, path)
        text = to_opex(name, list(items), about | size, "20260101_000000.000000")
        path.with_suffix(".json").write_text(text + "\n")
    return folder
