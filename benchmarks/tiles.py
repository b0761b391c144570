"""Measure what tiles cost and bring, beside single photographs and SAHI.

    .venv/bin/python benchmarks/tiles.py --checkpoint FILE --data BCCD

The images are slides that benchmarks/slides.py makes of test photographs, and the same
photographs one by one. Sides take turns in rounds: mAP of the model on the photographs,
on the slides as they are, by tiles, and by SAHI's slices of the same size; the time for
each; tiles a second beside images of that size from files. Then merging alone is
timed for 33,000 boxes.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from mmdet_flow.dataset.coco import CocoFile
from mmdet_flow.detections import Detections
from mmdet_flow.evaluation.metrics import measure
from mmdet_flow.images import read_image
from mmdet_flow.inference.tiled.merging import merge
from mmdet_flow.tiles import Tiles
from prediction import machine, write_model, write_own_form
from slides import CLASSES, make_slides, objects_of, photographs, slides

ROOT = Path(__file__).parent.parent
SIDES = ROOT / "benchmarks" / "sides"
SIZE, OVERLAP = 640, 0.2
BOXES = 33_000


@dataclass
class Side:
    """A process that answers paths of images with seconds and COCO rows."""

    name: str
    process: subprocess.Popen
    seconds: list[float] = field(default_factory=list)
    rows: list[dict] = field(default_factory=list)

    def round(self, paths: Sequence[Path]) -> float:
        self.process.stdin.write(json.dumps(list(map(str, paths))) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"error: {self.name} ended; its error is above")
        seconds, self.rows = json.loads(line)
        return seconds

    def end(self) -> None:
        self.process.stdin.close()
        self.process.wait()


def start(name: str, script: str, job: dict, path: Path | None = None) -> Side:
    """Start a side and wait until its model is loaded."""
    places = os.pathsep.join(map(str, filter(None, (ROOT / "scripts", path))))
    process = subprocess.Popen(
        [sys.executable, SIDES / script, json.dumps(job)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": str(job["threads"]), "PYTHONPATH": places},
    )
    while line := process.stdout.readline():
        if line.strip() == "ready":
            return Side(name, process)
    sys.exit(f"error: {name} did not start; its error is above")


@dataclass(frozen=True)
class Pictures:
    """Images with their objects; image ids are their places in ``paths``."""

    paths: list[Path]
    truth: CocoFile

    def mAP(self, rows: list[dict], classes: Sequence[str]) -> float:
        """Return the mAP of rows whose categories are places in ``classes``."""
        ids = {one["name"]: one["id"] for one in self.truth.categories}
        own = [row | {"category_id": ids[classes[row["category_id"]]]} for row in rows]
        return measure(self.truth, own, "bbox")["mAP"]


def pictures(data: Path, scratch: Path) -> tuple[Pictures, Pictures, Pictures]:
    """Return test slides, their photographs, and images of the size of tiles."""
    make_slides(data, scratch / "slides")
    every = CocoFile.read(scratch / "slides" / "annotations.json")
    folder = scratch / "slides" / "images"
    tested = [one for one in every.images if one["file_name"].startswith("test")]
    ids = {one["id"]: number for number, one in enumerate(tested)}
    large = Pictures(
        [folder / one["file_name"] for one in tested],
        _truth(
            [one | {"id": ids[one["id"]]} for one in tested],
            [
                item | {"image_id": ids[item["image_id"]]}
                for item in every.annotations
                if item["image_id"] in ids
            ],
        ),
    )
    photos = [one for slide in slides(photographs(data, "test")) for one in slide]
    single = Pictures(
        [one.image for one in photos],
        _truth(
            [
                {"id": n, "file_name": one.image.name, "width": 640, "height": 480}
                for n, one in enumerate(photos)
            ],
            [
                item | {"image_id": number}
                for number, one in enumerate(photos)
                for item in objects_of([one])
            ],
        ),
    )
    tiles = scratch / "tiles"
    tiles.mkdir()
    paths = []
    for path in large.paths:
        pixels = read_image(path)[1]
        for one in Tiles(SIZE, OVERLAP).windows(pixels.shape[1], pixels.shape[0]):
            paths.append(tiles / f"{len(paths):04}.png")
            tile = pixels[one.top : one.bottom, one.left : one.right]
            cv2.imwrite(str(paths[-1]), tile)
    return large, single, Pictures(paths, _truth([], []))


def _truth(images: list[dict], annotations: list[dict]) -> CocoFile:
    for number, item in enumerate(annotations, 1):
        item["id"] = number
    categories = [{"id": n, "name": name} for n, name in enumerate(CLASSES, 1)]
    return CocoFile(Path("truth.json"), images, annotations, categories)


def merging_seconds(rounds: int) -> list[float]:
    """Return the times of merging what 1,521 tiles show of an image, in seconds."""
    random = np.random.default_rng(0)
    side, windows = 20_000, Tiles(SIZE, OVERLAP).windows(20_000, 20_000)
    count, found = int(BOXES / 1.82), []  # a box is seen by so many tiles
    centres = random.uniform(0, side, (count, 2))
    half = random.uniform(15, 45, (count, 2))
    boxes = np.clip(np.column_stack((centres - half, centres + half)), 0, side)
    scores = random.uniform(0.3, 1, count).astype(np.float32)
    labels = random.integers(0, 3, count)
    for one in windows:
        limits = np.array([one.left, one.top, one.right, one.bottom], float)
        seen = (boxes[:, :2] < limits[2:] - 2).all(1)
        seen &= (boxes[:, 2:] > limits[:2] + 2).all(1)
        own = np.clip(boxes[seen] - np.tile(limits[:2], 2), 0, SIZE)
        order = np.argsort(-scores[seen], kind="stable")
        own, label = own[order].astype(np.float32), labels[seen][order]
        found.append(Detections(SIZE, SIZE, own, scores[seen][order], label, CLASSES))
    seconds = []
    for _ in range(rounds):
        begin = time.perf_counter()
        merged = merge(side, side, windows, found)
        seconds.append(time.perf_counter() - begin)
    print(
        f"merging: {sum(map(len, found))} boxes of {count} objects to {len(merged)}: "
        f"{statistics.median(seconds):.3f} s ({min(seconds):.3f} to {max(seconds):.3f})"
    )
    return seconds


def install_sahi(place: Path) -> None:
    """Install SAHI for this Python, beside the packages that it takes."""
    if not place.exists():
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
        lock = ROOT / "envs" / "sahi.txt"
        subprocess.run([*pip, "--target", place, "-r", lock], check=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True, help="BCCD")
    parser.add_argument("--score", type=float, default=0.05)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--sahi", type=Path, default=ROOT / ".venv" / "sahi")
    args = parser.parse_args()
    install_sahi(args.sahi)
    merging_seconds(5)
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        large, single, tiles = pictures(args.data, scratch)
        model = write_model(args.checkpoint, scratch)
        write_own_form(model)
        compare(args, model, large, single, tiles)


def compare(args, model: Path, large: Pictures, single: Pictures, tiles: Pictures):
    """Let the sides take turns, and print the table."""
    from mmdet_flow.model.checkpoint import load_checkpoint

    classes = load_checkpoint(args.checkpoint).classes
    job = {"checkpoint": str(model), "config": str(model.parent / "config.py")}
    job |= {"threads": args.threads, "score": args.score, "overlap": OVERLAP}
    job |= {"size": SIZE}
    whole = job | {"size": 0}
    sides = [
        (start("photographs", "our_tiles.py", whole), single),
        (start("slides, whole", "our_tiles.py", whole), large),
        (start("slides, tiles", "our_tiles.py", job), large),
        (start("slides, SAHI", "sahi_tiles.py", job, args.sahi), large),
        (start("images of the size of tiles", "our_tiles.py", whole), tiles),
    ]
    for side, images in sides:
        side.round(images.paths[:1])
    for _ in range(args.rounds):
        for side, images in sides:
            side.seconds.append(side.round(images.paths))
    count = len(tiles.paths)
    shown = f"{count} tiles of {len(large.paths)} slides, {args.rounds} rounds"
    print(f"\n{machine()}; {shown}\n")
    print("| | mAP | objects | seconds | least to greatest |\n|---|---|---|---|---|")
    for side, images in sides:
        mAP = images.mAP(side.rows, classes) if images is not tiles else ""
        print(
            f"| {side.name} | {mAP} | {len(side.rows)} | "
            f"{statistics.median(side.seconds):.2f} | "
            f"{min(side.seconds):.2f} to {max(side.seconds):.2f} |"
        )
        side.end()


if __name__ == "__main__":
    main()
