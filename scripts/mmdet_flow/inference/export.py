"""Convert a model, and choose the precision that it runs in.

Each --precision is measured on annotated images, in accuracy (COCO mAP) and in images
per second. The fastest one that loses at most --max_map_drop against fp32 wins. The
table and the winner are written beside the checkpoint, where mmdet_predict and
mmdet_predict_redis find them; on another processor they use fp32.
"""

import argparse
import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from mmdet_flow import cli
from mmdet_flow.dataset.coco import CocoFile
from mmdet_flow.errors import UsageError
from mmdet_flow.files import write_json
from mmdet_flow.inference.engines import PRECISIONS
from mmdet_flow.inference.precision import EXACT, precision_file, processor

BATCH = 8
CALIBRATION = 100
"""Images whose activations set the ranges of int8."""

ROUNDS = 3
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
) -> dict:
    """Measure precisions, write the table and the winner, and return them.

    The graphs for int8 are made first, with images of ``calibration`` (COCO), or else
    of ``annotations``; ``images`` is the folder of both.
    """
    from mmdet_flow.files import sha256_of

    truth = CocoFile.read(annotations)
    pixels = _read(images, truth.images)
    candidates = []
    for precision in dict.fromkeys((EXACT, *precisions)):
        try:
            if precision == "int8":
                others = CocoFile.read(calibration or annotations).images
                _make_int8(checkpoint, config, threads, _read(images, _some(others)))
            found = _measure(checkpoint, config, precision, threads, truth, pixels)
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


def _read(folder: Path, images: Sequence[dict]) -> list[np.ndarray]:
    from mmdet_flow.inference.images import read_image

    return [read_image(folder / image["file_name"])[1] for image in images]


def _some(images: list[dict]) -> list[dict]:
    """Return CALIBRATION images, or all if they are fewer, from the whole list."""
    step = max(1, len(images) // CALIBRATION)
    return images[::step][:CALIBRATION]


def _make_int8(checkpoint, config, threads, pixels: list[np.ndarray]) -> None:
    from mmdet_flow.inference.detector import Detector
    from mmdet_flow.inference.engines.quantize import quantize
    from mmdet_flow.inference.int8_file import write_int8

    cli.log.info("int8: calibrating with %d images", len(pixels))
    detector = Detector(checkpoint, config, threads)
    graphs = quantize(detector, pixels)
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


def _measure(checkpoint, config, precision, threads, truth: CocoFile, pixels):
    """Return a candidate: its mAP, of masks if there are any, and its speed."""
    from mmdet_flow.evaluation.metrics import measure
    from mmdet_flow.formats.coco_results import to_coco_results
    from mmdet_flow.inference.detector import Detector

    detector = Detector(checkpoint, config, threads, precision=precision)
    detector.predict(pixels[:BATCH])
    seconds = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        found = [
            one
            for first in range(0, len(pixels), BATCH)
            for one in detector.predict(pixels[first : first + BATCH])
        ]
        seconds.append(time.perf_counter() - start)
    categories = [category["id"] for category in truth.categories]
    results: dict[str, list[dict]] = {"bbox": [], "segm": []}
    for image, detections in zip(truth.images, found, strict=True):
        rows = to_coco_results(image["id"], detections, categories)
        for kind, more in rows.items():
            results[kind] += more
    kind = "segm" if results["segm"] and truth.has_polygons else "bbox"
    values = measure(truth, results[kind], kind)
    speed = round(len(pixels) / statistics.median(seconds), 2)
    return Candidate(precision, values["mAP"], speed)


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
        ),
        args,
    )
