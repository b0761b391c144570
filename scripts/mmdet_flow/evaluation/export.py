"""Convert a model, and choose the precision that it runs in.

Each --precision is measured on annotated images, in accuracy (COCO mAP, of all objects)
and in images per second (with objects of --score and more, as in use). The fastest one
that loses at most --max_map_drop against fp32 wins. The table and the winner are
written beside the checkpoint, where mmdet_predict and mmdet_predict_redis find them; on
another processor they use fp32.
"""

import argparse
import statistics
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np

from mmdet_flow import cli
from mmdet_flow.dataset.coco import CocoFile
from mmdet_flow.detections import Detections
from mmdet_flow.errors import UsageError
from mmdet_flow.files import sha256_of, write_json
from mmdet_flow.inference.engines import PRECISIONS
from mmdet_flow.inference.precision import EXACT, precision_file, processor

BATCH = 8
CALIBRATION = 100
"""Images whose activations set the ranges of int8."""

TIMED, ROUNDS = 48, 5
"""Images that are timed, all in memory, and how often."""

SCORE = 0.3
"""The lowest score of the objects that images are timed with."""

GAIN = 1.05
"""Another precision must be faster than fp32 by this factor to be worth its loss."""


@dataclass(frozen=True)
class Candidate:
    """A precision as it was measured; ``reason`` says why it was not, or cannot win."""

    precision: str
    mAP: float | None = None
    images_per_second: float | None = None
    reason: str = ""


def export(
    checkpoint: Path,
    config: Path | None,
    annotations: Path,
    images: Path,
    precisions: list[str],
    max_map_drop: float,
    threads: int,
    calibration: Path | None = None,
    score: float = SCORE,
) -> dict:
    """Measure precisions, write the table and the winner, and return them.

    The graphs for int8 are made first, with images of ``calibration`` (COCO), or else
    of ``annotations``; ``images`` is the folder of both.
    """
    from mmdet_flow.inference.detector import Detector

    open_detector = partial(Detector, checkpoint, config, threads)
    truth = CocoFile.read(annotations)
    timed = list(_read(images, _some(truth.images, TIMED)))
    candidates = []
    for precision in dict.fromkeys((EXACT, *precisions)):
        try:
            if precision == "int8":
                others = _some(CocoFile.read(calibration or annotations).images)
                _make_int8(checkpoint, open_detector(), images, others)
            accuracy = _accuracy(open_detector(precision=precision), truth, images)
            speed = _speed(open_detector(precision=precision, score=score), timed)
            found = Candidate(precision, accuracy, speed)
        except UsageError as error:
            found = Candidate(precision, reason=str(error).partition(": ")[2])
        candidates.append(found)
        cli.log.info(
            "%s: mAP %s, %s images/s%s",
            *(found.precision, found.mAP, found.images_per_second),
            f" ({found.reason})" if found.reason else "",
        )
    candidates, winner = choose(candidates, max_map_drop)
    content = {
        "model_sha256": sha256_of(checkpoint),
        "processor": processor(),
        "max_map_drop": max_map_drop,
        "candidates": [asdict(candidate) for candidate in candidates],
        "winner": winner,
    }
    write_json(precision_file(checkpoint), content)
    cli.log.info("%s is used from now on", winner)
    return content


def _read(folder: Path, images: Sequence[dict]) -> Iterator[np.ndarray]:
    from mmdet_flow.inference.images import read_image

    for image in images:
        yield read_image(folder / image["file_name"])[1]


def _some(images: list[dict], count: int = CALIBRATION) -> list[dict]:
    """Return so many images, or all if they are fewer, from the whole list."""
    step = max(1, len(images) // count)
    return images[::step][:count]


def _make_int8(checkpoint: Path, detector, folder: Path, images: list[dict]) -> None:
    from mmdet_flow.inference.engines.quantize import quantize
    from mmdet_flow.inference.int8_file import write_int8

    cli.log.info("int8: calibrating with %d images", len(images))
    graphs = quantize(detector, _read(folder, images))
    write_int8(checkpoint, detector.meta["model_sha256"], graphs)


def choose(
    candidates: list[Candidate], max_map_drop: float
) -> tuple[list[Candidate], str]:
    """Return the candidates, with the reason why each loser lost, and the winner.

    The first candidate is the exact one, which wins unless another one is worth it.
    """
    exact = candidates[0]
    judged, best = [exact], exact
    for one in candidates[1:]:
        reason = one.reason
        if not reason and (exact.mAP or 0) - (one.mAP or 0) > max_map_drop:
            reason = f"loses more than {max_map_drop} of mAP"
        elif not reason and one.images_per_second < GAIN * exact.images_per_second:
            reason = f"not faster than {exact.precision} by a factor of {GAIN}"
        judged.append(Candidate(one.precision, one.mAP, one.images_per_second, reason))
        if not reason and one.images_per_second > best.images_per_second:
            best = one
    return judged, best.precision


def _accuracy(detector, truth: CocoFile, folder: Path) -> float | None:
    """Return the mAP on annotated images, of masks if there are any."""
    from mmdet_flow.evaluation.metrics import measure
    from mmdet_flow.formats.coco_results import to_coco_results

    categories = [category["id"] for category in truth.categories]
    results: dict[str, list[dict]] = {"bbox": [], "segm": []}
    detections = _detect(detector, _read(folder, truth.images))
    for image, found in zip(truth.images, detections, strict=True):
        for kind, rows in to_coco_results(image["id"], found, categories).items():
            results[kind] += rows
    kind = "segm" if results["segm"] and truth.has_polygons else "bbox"
    return measure(truth, results[kind], kind)["mAP"]


def _speed(detector, pixels: list[np.ndarray]) -> float:
    """Return images per second, the median of some rounds after a short one."""
    detector.predict(pixels[:BATCH])
    seconds = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        deque(_detect(detector, pixels), maxlen=0)
        seconds.append(time.perf_counter() - start)
    return round(len(pixels) / statistics.median(seconds), 2)


def _detect(detector, pixels: Iterable[np.ndarray]) -> Iterator[Detections]:
    remaining = iter(pixels)
    while batch := list(islice(remaining, BATCH)):
        yield from detector.predict(batch)


def build_parser() -> argparse.ArgumentParser:
    parser = cli.new_parser(
        "mmdet_export",
        __doc__,
        "--checkpoint model.pth --annotations val.json --images images",
        "--checkpoint model.pth --annotations val.json --images images"
        " --calibration train.json",
    )
    parser.add_argument(
        "--checkpoint",
        type=Path,
        required=True,
        metavar="FILE",
        help="what mmdet_train published",
    )
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="if the checkpoint holds none"
    )
    parser.add_argument(
        "--annotations",
        type=Path,
        required=True,
        metavar="COCO",
        help="of the validation split",
    )
    parser.add_argument(
        "--images",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="the images of --annotations",
    )
    parser.add_argument(
        "--precision",
        nargs="+",
        choices=PRECISIONS,
        default=list(PRECISIONS),
        help="what to try (default: all that there are)",
    )
    parser.add_argument(
        "--max_map_drop",
        type=float,
        default=0.005,
        metavar="MAP",
        help="greatest loss of mAP against fp32 (default: 0.005)",
    )
    parser.add_argument(
        "--calibration",
        type=Path,
        metavar="COCO",
        help="images that set the ranges of int8, better others than those that "
        "measure it (default: those of --annotations)",
    )
    parser.add_argument(
        "--score",
        type=float,
        default=SCORE,
        metavar="SCORE",
        help="lowest score of the objects that the speed is measured with (default: "
        f"{SCORE})",
    )
    cli.add_threads_option(parser)
    return parser


def main(argv: list[str] | None = None) -> int:
    args = build_parser().parse_args(argv)
    return cli.run(
        lambda: export(
            args.checkpoint,
            args.config,
            args.annotations,
            args.images,
            args.precision,
            args.max_map_drop,
            args.threads or cli.available_threads(),
            args.calibration,
            args.score,
        ),
        args,
    )
