"""Go round the loop of labelling, with somebody who corrects by known annotations.

    python benchmarks/loop.py --data FOLDER --output FOLDER [--rounds 3] [--count 30]

The first FOLDER is the BCCD data set. Some images of its trainval.txt are labelled at
first, drawn by --seed, and those of test.txt are the test split. In each round a model
is trained, it predicts all other images, label choose takes some of these, label export
writes them for labelme, somebody corrects the files, and label join adds them. Whoever
corrects knows the true boxes, and touches what is not good enough: a box whose IoU with
the true one is below --accept is drawn anew, a wrong class is changed, what is no
object is removed, and what is missing is added. Told are the work in each round, and
the mAP.
"""

import argparse
import csv
import json
import random
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml

from mmdet_flow import cli, layout
from mmdet_flow.dataset.annotations import AnnotatedImage, AnnotatedObject, Box
from mmdet_flow.dataset.difference import assigned, box_ious
from mmdet_flow.files import write_if_changed
from mmdet_flow.labelling.ranking import METHODS, Method
from slides import CLASSES, photographs

BIN = Path(sys.executable).parent
VALIDATED = 0.15
"""So many of the images that are labelled at first are for validation."""

SAME_OBJECT = 0.5
"""The least IoU of a box with the true one that somebody takes for it."""

COLUMNS = (
    *("round", "labelled", "mAP (95 % interval)", "predicted", "as they were"),
    *("corrected", "removed", "added", "work", "drawn from nothing"),
)
WORK = ("before", "unchanged", "corrected", "removed", "added")
"""Counts of a round that are told: how many objects were predicted, and what became of
them."""


@dataclass(frozen=True)
class Loop:
    """One way around the loop, as the options say."""

    data: Path
    output: Path
    first: int
    count: int
    rounds: int
    method: str
    seed: int
    accept: float
    from_scratch: bool
    model: dict
    cores: str

    @property
    def name(self) -> str:
        """The campaign; its rounds are called after it."""
        return self.output.name

    def experiment(self, number: int) -> str:
        return f"{self.name}-round{number}"

    def results(self, number: int) -> Path:
        return Path("results", self.experiment(number))

    def round(self, number: int) -> Path:
        return self.output / f"round-{number}"

    def joined(self, number: int) -> Path:
        return self.output / f"joined-{number}"


def go_round(loop: Loop) -> None:
    """Train, choose, correct and join as often as there are rounds; print a table."""
    truth = prepare(loop)
    for number in range(loop.rounds + 1):
        write_config(loop, number)
        make(loop, number, layout.CHECKPOINT, layout.THRESHOLDS, layout.METRICS)
        if number < loop.rounds and not loop.joined(number + 1).exists():
            label(loop, number, truth)
    tell(loop)


def tell(loop: Loop) -> None:
    """Print the mAP of each round, and the work that it took."""
    print("|", *(f"{name} |" for name in COLUMNS))
    print("|" + "---|" * len(COLUMNS))
    for number, row in enumerate(compare(loop)):
        mean, low, high = (row[f"bbox_mAP{end}"] for end in ("", "_low", "_high"))
        cells = (number, row["labelled_images"], f"{mean} ({low} to {high})")
        work = work_of(loop, number) if number else [""] * 7
        print("|", *(f"{cell} |" for cell in (*cells, *work)))


def prepare(loop: Loop) -> dict[str, AnnotatedImage]:
    """Write what is labelled at first, and the images that are not; return the truth.

    Which images are first is decided by the seed, and fewer are among more.
    """
    known = photographs(loop.data, "trainval")
    tested = photographs(loop.data, "test")
    drawn = random.Random(loop.seed).sample(known, len(known))
    first, new = drawn[: loop.first], drawn[loop.first :]
    validated = round(VALIDATED * len(first))
    parts = {"val": first[:validated], "train": first[validated:], "test": tested}
    for part, photos in parts.items():
        names = "".join(f"{one.image.name}\n" for one in photos)
        write_if_changed(loop.output / f"{part}.txt", names)
        for one in photos:
            for source in (one.image, one.annotation):
                write_if_changed(
                    loop.output / "labelled" / source.name, source.read_bytes()
                )
    for one in new:
        write_if_changed(loop.output / "new" / one.image.name, one.image.read_bytes())
    return {one.image.name: one for one in known}


def write_config(loop: Loop, number: int) -> None:
    """Write the config of the workflow with the rounds that are joined so far."""
    labelled = str(loop.output / "labelled")
    base = {
        "data": {
            "format": "voc",
            "annotations": labelled,
            "images": labelled,
            "classes": list(CLASSES),
        },
        "splits": {
            part: str(loop.output / f"{part}.txt") for part in ("train", "val", "test")
        },
        "model": loop.model,
    }
    campaign = {
        "base": loop.experiment(0),
        "rounds": [str(loop.joined(one)) for one in range(1, number + 1)],
        "from_scratch": loop.from_scratch,
    }
    content = {"experiments": {loop.experiment(0): base}}
    if number:
        content["campaigns"] = {loop.name: campaign}
    write_if_changed(
        loop.output / "config.yaml", yaml.safe_dump(content, sort_keys=False)
    )


def make(loop: Loop, number: int, *places: layout.Place) -> None:
    """Let Snakemake make files of a round's experiment."""
    targets = [loop.results(number) / place for place in places]
    config = loop.output / "config.yaml"
    run(
        *("snakemake", "--cores", loop.cores, "--configfile", config),
        *("--quiet", "all", "--", *targets),
    )


def label(loop: Loop, number: int, truth: dict[str, AnnotatedImage]) -> None:
    """Choose images by the model of a round, correct them, and join them."""
    model, after = loop.results(number), loop.round(number + 1)
    new, done = loop.output / "new", loop.output / f"predicted-{number}"
    before = loop.joined(number) if number else model
    checkpoint = model / layout.CHECKPOINT
    tool = after / "labelme"
    threads = () if loop.cores == "all" else ("--threads", loop.cores)
    run(
        *("mmdet-flow", "predict", "--checkpoint", checkpoint, "--score", 0.05),
        *("--prediction_in", new, "--prediction_out", done, "--keep_input", *threads),
    )
    run(
        *("mmdet-flow", "label", "choose", done, "--images", new, "--before", before),
        *("--checkpoint", checkpoint, "--count", loop.count, "--seed", loop.seed),
        *("--method", loop.method, "--output", after / "choice", *threads),
    )
    run(
        *("mmdet-flow", "label", "export", done, "--images", new),
        *("--image-list", after / "choice" / "choice.txt", "--format", "labelme"),
        *("--score", "auto", "--thresholds", model / layout.THRESHOLDS),
        *("--classes", *CLASSES),
        *("--output", after),
    )
    for path in sorted(tool.glob("*.json")):
        correct(path, truth, loop.accept)
    run(
        *("mmdet-flow", "label", "join", before, "--round", after, "--reviewed"),
        *("--format", "labelme", "--annotations", tool, "--images", tool),
        *("--output", loop.joined(number + 1)),
    )


def run(*words: object) -> None:
    """Run a command of the project; its messages are shown if it fails."""
    name, *rest = map(str, words)
    done = subprocess.run([BIN / name, *rest], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{name} {' '.join(rest)}\n{done.stdout}{done.stderr}")


def correct(path: Path, truth: dict[str, AnnotatedImage], accept: float) -> None:
    """Correct a file of labelme as somebody would who sees the true boxes."""
    content = json.loads(path.read_text())
    objects = truth[content["imagePath"]].objects
    shapes = list(corrected(content["shapes"], objects, accept))
    path.write_text(json.dumps(content | {"shapes": shapes}, indent=2))


def corrected(
    shapes: Sequence[dict], objects: Sequence[AnnotatedObject], accept: float
) -> Iterator[dict]:
    """Yield the shapes that stay, touched where they are not good enough, and new ones.

    A shape stands for the object that its box has most in common with.
    """
    shown = [AnnotatedObject(one["label"], box_of(one["points"])) for one in shapes]
    overlaps = box_ious(shown, objects)
    same = np.array([[a.label == b.label for b in objects] for a in shown])
    pairs = assigned(overlaps, same.reshape(overlaps.shape), SAME_OBJECT)
    for row, column in sorted(pairs.items()):
        good = overlaps[row, column] >= accept
        points = shapes[row]["points"] if good else corners(objects[column])
        yield shapes[row] | {"label": objects[column].label, "points": points}
    for column in sorted(set(range(len(objects))).difference(pairs.values())):
        yield {
            "label": objects[column].label,
            "shape_type": "rectangle",
            "points": corners(objects[column]),
            "group_id": None,
            "flags": {},
        }


def box_of(points: Sequence[Sequence[float]]) -> Box:
    (left, top), (right, bottom) = points
    return left, top, right - left, bottom - top


def corners(item: AnnotatedObject) -> list[list[float]]:
    x, y, width, height = item.bbox
    return [[x, y], [x + width, y + height]]


def compare(loop: Loop) -> list[dict[str, str]]:
    """Return a row for each round, and keep them with their picture."""
    table = loop.output / "rounds.csv"
    run(
        *("mmdet-flow", "compare", "rounds"),
        *(loop.results(number) for number in range(loop.rounds + 1)),
        *("--csv", table, "--png", table.with_suffix(".png")),
    )
    with table.open() as rows:
        return list(csv.DictReader(rows))


def work_of(loop: Loop, number: int) -> list[int]:
    """Return what somebody did in a round, and what it is without predictions."""
    report = json.loads((loop.joined(number) / "corrections.json").read_text())
    counts = [report["objects"][name] for name in WORK]
    return [*counts, report["hand_work"], report["drawn_from_nothing"]]


def build_parser() -> argparse.ArgumentParser:
    parser = cli.new_parser("benchmarks/loop.py", __doc__)
    parser.add_argument("--data", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--output", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--first", type=cli.positive_int, default=30)
    parser.add_argument("--count", type=cli.positive_int, default=30)
    parser.add_argument("--rounds", type=cli.count, default=3)
    parser.add_argument("--method", choices=METHODS, default=Method.name)
    parser.add_argument("--seed", type=cli.count, default=0)
    parser.add_argument("--accept", type=cli.finite, default=0.8)
    parser.add_argument("--from-scratch", action="store_true")
    parser.add_argument("--epochs", type=cli.positive_int, default=30)
    parser.add_argument("--image-size", type=cli.positive_int, default=320)
    parser.add_argument("--cores", default="all")
    return parser


def main(argv: list[str] | None = None) -> int:
    options = build_parser().parse_args(argv)
    model = {
        "preset": "small-boxes",
        "image_size": options.image_size,
        "epochs": options.epochs,
        "batch_size": 2,
        "grow_from": 0.5,
        "val_interval": max(1, options.epochs // 4),
        "precision": "fp32",
        "seed": options.seed,
    }
    loop = Loop(
        data=options.data,
        output=options.output,
        first=options.first,
        count=options.count,
        rounds=options.rounds,
        method=options.method,
        seed=options.seed,
        accept=options.accept,
        from_scratch=options.from_scratch,
        model=model,
        cores=options.cores,
    )
    return cli.run(lambda _: go_round(loop), options)


if __name__ == "__main__":
    raise SystemExit(main())
