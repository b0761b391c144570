"""Predict for a picture of 20,000 x 20,000 pixels that has 10,000 known objects.

    python benchmarks/large_picture.py --checkpoint FILE [--keep FOLDER]

FILE is a model of the embedded example. The picture is a tiled BigTIFF that is written
cell by cell: a cell is a scene of the example, or its ground alone. mmdet-flow predict
reads it by windows. Told is the memory that this takes at most, and what became of the
objects: found once, more than once, or missed. How often the model finds an object at
all is told by images of the size of a tile, each with one of the objects in its middle.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tifffile

from mmdet_flow.dataset.example import CLASSES, HEIGHT, WIDTH, draw_scene
from mmdet_flow.image_windows import WindowedImage
from mmdet_flow.inference.opening import open_detector
from mmdet_flow.tiles import Tiles, Window
from prediction import machine

TILES = Tiles(336, overlap=0.4)
"""As large as the images of the example are long; two share what an object is long."""

IOU = 0.5
SAMPLE = 1000
"""Objects that are also looked at in an image of their own."""


SEED = 20_000
"""Another than that of the example, whose scenes the model has seen."""


@dataclass(frozen=True)
class Truth:
    """Objects of the picture: boxes (n, 4), left, top, right, bottom; labels (n,)."""

    boxes: np.ndarray
    labels: np.ndarray


def places_of(side: int, objects: int, seed: int) -> tuple[list[int | None], Truth]:
    """Return which scene each cell shows, row by row, None for its ground; the truth.

    Scenes lie wholly in the picture. They are drawn once to know their objects.
    """
    columns, rows = -(-side // WIDTH), -(-side // HEIGHT)
    whole = [
        row * columns + column
        for row in range(side // HEIGHT)
        for column in range(side // WIDTH)
    ]
    np.random.default_rng(seed).shuffle(whole)
    shown: list[int | None] = [None] * (columns * rows)
    boxes, labels = [], []
    for scene, cell in enumerate(whole):
        found = draw_scene(np.random.default_rng([seed, scene]))[1]
        shown[cell] = scene
        row, column = divmod(cell, columns)
        for item in found:
            left, top, right, bottom = item["bbox"].values()
            corners = np.array([left, top, right + 1, bottom + 1])
            boxes.append(corners + np.tile([column * WIDTH, row * HEIGHT], 2))
            labels.append(CLASSES.index(item["label"]))
        if len(boxes) >= objects:
            return shown, Truth(np.array(boxes, float), np.array(labels))
    sys.exit(f"error: {side} x {side} pixels have room for {len(boxes)} objects")


def write_picture(path: Path, side: int, cells: Sequence[int | None], seed: int):
    """Write the picture, a cell at a time."""

    def drawn() -> Iterator[np.ndarray]:
        for cell, scene in enumerate(cells):
            numbers, tries = [seed, scene], None
            if scene is None:
                numbers, tries = [seed, cell, 0], 0
            picture, _ = draw_scene(np.random.default_rng(numbers), tries)
            yield np.ascontiguousarray(picture[..., ::-1])

    tifffile.imwrite(
        path,
        drawn(),
        shape=(side, side, 3),
        dtype=np.uint8,
        photometric="rgb",
        tile=(HEIGHT, WIDTH),
        compression="zlib",
        compressionargs={"level": 1},
        bigtiff=True,
    )


def predict(checkpoint: Path, folder: Path, out: Path, args) -> tuple[float, float]:
    """Predict for the picture; return the seconds, and the most memory in GB."""
    begin = time.monotonic()
    subprocess.run(
        [
            *(Path(sys.executable).parent / "mmdet_predict", "--keep_input"),
            *("--checkpoint", checkpoint, "--prediction_in", folder),
            *("--prediction_out", out, "--coco_results", out / "results.json"),
            *("--score", str(args.score), "--threads", str(args.threads)),
            *("--tile_size", str(TILES.size), "--tile_overlap", str(TILES.overlap)),
        ],
        check=True,
    )
    most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e6 * 1.024
    return time.monotonic() - begin, most


def found_in(path: Path) -> Truth:
    """Return what was predicted, as the truth is."""
    rows = json.loads(path.read_text())
    boxes = np.array([row["bbox"] for row in rows], float).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    return Truth(boxes, np.array([row["category_id"] - 1 for row in rows], int))


def times_found(truth: Truth, found: Truth) -> np.ndarray:
    """Return how often each object (n,) is found, in its class, by IoU of boxes."""
    counts = np.zeros(len(truth.labels), int)
    order = np.argsort(found.boxes[:, 0], kind="stable")
    lefts = found.boxes[order, 0]
    widest = (found.boxes[:, 2] - found.boxes[:, 0]).max(initial=0)
    for number, (box, label) in enumerate(zip(truth.boxes, truth.labels, strict=True)):
        span = np.searchsorted(lefts, (box[0] - widest, box[2]))
        near = order[slice(*span)]
        near = near[found.labels[near] == label]
        counts[number] = (iou(box, found.boxes[near]) >= IOU).sum()
    return counts


def iou(box: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return the intersection over union of a box (4,) with others (n, 4)."""
    sides = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    shared = np.maximum(sides, 0).prod(1)
    areas = (others[:, 2:] - others[:, :2]).prod(1)
    return shared / ((box[2:] - box[:2]).prod() + areas - shared)


def found_alone(
    args, picture: WindowedImage, truth: Truth, which: Sequence[int]
) -> np.ndarray:
    """Return how often each is found in an image of a tile's size around it."""
    detector = open_detector(args.checkpoint, threads=args.threads, score=args.score)
    height, width = picture.shape[:2]
    found = []
    for number in which:
        middle = (truth.boxes[number, :2] + truth.boxes[number, 2:]) / 2
        left, top = (
            int(np.clip(at - TILES.side / 2, 0, most - TILES.side))
            for at, most in zip(middle, (width, height), strict=True)
        )
        (one,) = detector.predict(
            [picture[top : top + TILES.side, left : left + TILES.side]]
        )
        box = truth.boxes[number] - np.tile([left, top], 2)
        same = one.boxes[one.labels == truth.labels[number]]
        found.append((iou(box, same) >= IOU).sum())
    return np.array(found)


def lies_across(truth: Truth, windows: Sequence[Window]) -> np.ndarray:
    """Return which objects (n,) a border of a tile crosses."""
    crossed = np.zeros(len(truth.labels), bool)
    for low in (0, 1):
        for border in {one[side] for one in windows for side in (low, low + 2)}:
            crossed |= (truth.boxes[:, low] < border) & (
                truth.boxes[:, low + 2] > border
            )
    return crossed


def tell(args, picture: Path, truth: Truth, found: Truth) -> None:
    """Print the tables: what became of the objects, and of those seen alone."""
    counts = times_found(truth, found)
    windows = TILES.windows(args.side, args.side)
    crossed = lies_across(truth, windows)
    random = np.random.default_rng(args.seed)
    which = random.permutation(len(counts))[: min(SAMPLE, len(counts))]
    with open(picture, "rb") as stream:
        alone = found_alone(args, WindowedImage(stream), truth, which)
    rows = {
        "crossed by a border of a tile": counts[crossed],
        "others": counts[~crossed],
        f"{len(which)} of all, by tiles": counts[which],
        "the same, each in an image of its own": alone,
    }
    print(f"{len(windows)} tiles, {len(found.labels)} found\n")
    print("| objects | | found once | more than once | missed |\n|---|---|---|---|---|")
    for name, one in rows.items():
        sums = (one == 1).sum(), (one > 1).sum(), (one == 0).sum()
        print(f"| {name} | {len(one)} | {' | '.join(map(str, sums))} |")
    only = (alone > 0) & (counts[which] == 0)
    print(f"\n{only.sum()} of these are found in an image of their own only")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--side", type=int, default=20_000, help="pixels")
    parser.add_argument("--objects", type=int, default=10_000, help="at least")
    parser.add_argument("--score", type=float, default=0.3)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--keep", type=Path, help="folder for picture and predictions")
    args = parser.parse_args()
    cells, truth = places_of(args.side, args.objects, args.seed)
    with tempfile.TemporaryDirectory() as scratch:
        folder = args.keep or Path(scratch)
        picture = folder / "in" / "picture.tif"
        picture.parent.mkdir(parents=True, exist_ok=True)
        write_picture(picture, args.side, cells, args.seed)
        print(f"{machine()}; {picture.stat().st_size / 1e9:.2f} GB of TIFF")
        seconds, most = predict(args.checkpoint, picture.parent, folder / "out", args)
        print(f"predicted in {seconds:.0f} s with {most:.2f} GB at most")
        tell(args, picture, truth, found_in(folder / "out" / "results.json"))


if __name__ == "__main__":
    main()
