"""The choice of a precision: each is measured, the fastest that is as good wins."""

import statistics
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from mmdet_flow import cli
from mmdet_flow.dataset.coco import CocoFile
from mmdet_flow.detections import Detections
from mmdet_flow.errors import UsageError
from mmdet_flow.files import sha256_of, write_json
from mmdet_flow.images import read_image
from mmdet_flow.inference.opening import open_detector
from mmdet_flow.inference.precision import here, precision_file
from mmdet_flow.precisions import EXACT
from mmdet_flow.words import counted

BATCH = 8
CALIBRATION = 100
"""Images whose activations set the ranges of int8."""

TIMED, ROUNDS = 48, 5
"""Images that are timed, all in memory, and how often."""

GAIN = 1.05
"""Another precision must be faster than fp32 by this factor to be worth its loss."""


@dataclass(frozen=True)
class Candidate:
    """A precision as it was measured; ``reason`` says why it was not, or cannot win."""

    precision: str
    mAP: float | None = None
    images_per_second: float | None = None
    reason: str = ""


@dataclass(frozen=True)
class Trial:
    """A model, and what its precisions are measured with.

    Attributes:
        images: the folder of the images of ``truth`` and ``calibration``.
        calibration: images of COCO that set the ranges of int8.
        score: the threshold that images are timed with.
    """

    checkpoint: Path
    config: Path | None
    threads: int
    truth: CocoFile
    images: Path
    calibration: Sequence[dict]
    score: float

    def measure(self, precision: str) -> Candidate:
        """Return the accuracy and speed of a precision, or why it cannot be used."""
        try:
            if precision == "int8":
                self._make_int8()
            detector = self._detector(precision, 0.0)
            accuracy = accuracy_of(detector, self.truth, self.images)
            speed = self._speed(self._detector(precision, self.score))
            found = Candidate(precision, accuracy, speed)
        except UsageError as error:
            found = Candidate(precision, reason=str(error).partition(": ")[2])
        cli.log.info(
            "%s: mAP %s, %s images/s%s",
            found.precision,
            found.mAP,
            found.images_per_second,
            f" ({found.reason})" if found.reason else "",
        )
        return found

    def _detector(self, precision: str, score: float):
        return open_detector(
            self.checkpoint,
            config=self.config,
            threads=self.threads,
            score=score,
            precision=precision,
        )

    def _make_int8(self) -> None:
        from mmdet_flow.inference.engines.quantize import quantize
        from mmdet_flow.inference.int8_file import write_int8

        chosen = _spread(self.calibration, CALIBRATION)
        cli.log.info("int8: calibrating with %s", counted(len(chosen), "image"))
        detector = self._detector(EXACT, 0.0)
        graphs = quantize(detector, self._read(chosen))
        write_int8(self.checkpoint, detector.meta["model_sha256"], graphs)

    def _speed(self, detector) -> float:
        """Return images per second, the median of some rounds after a short one."""
        pixels = list(self._read(_spread(self.truth.images, TIMED)))
        detector.predict(pixels[:BATCH])
        seconds = []
        for _ in range(ROUNDS):
            start = time.perf_counter()
            deque(_detect(detector, pixels), maxlen=0)
            seconds.append(time.perf_counter() - start)
        return round(len(pixels) / statistics.median(seconds), 2)

    def _read(self, images: Iterable[dict]) -> Iterator[np.ndarray]:
        return read_images(self.images, images)


def accuracy_of(detector, truth: CocoFile, folder: Path) -> float | None:
    """Return the mAP of a detector on annotated images, of masks if there are any."""
    from mmdet_flow.evaluation.metrics import measure
    from mmdet_flow.formats.coco_results import to_coco_results

    categories = [category["id"] for category in truth.categories]
    results: dict[str, list[dict]] = {"bbox": [], "segm": []}
    detections = _detect(detector, read_images(folder, truth.images))
    for image, found in zip(truth.images, detections, strict=True):
        by_type = to_coco_results(image["id"], found, categories)
        for iou_type, rows in by_type.items():
            results[iou_type] += rows
    iou_type = "segm" if results["segm"] and truth.has_polygons else "bbox"
    return measure(truth, results[iou_type], iou_type)["mAP"]


def read_images(folder: Path, images: Iterable[dict]) -> Iterator[np.ndarray]:
    """Yield the pixels of images of a COCO file, each (height, width, 3) uint8 BGR."""
    for image in images:
        yield read_image(folder / image["file_name"])[1]


def _spread(images: Sequence[dict], count: int) -> Sequence[dict]:
    """Return so many images from all of a list, or all if they are fewer."""
    return images[:: max(1, len(images) // count)][:count]


def _detect(detector, pixels: Iterable[np.ndarray]) -> Iterator[Detections]:
    remaining = iter(pixels)
    while batch := list(islice(remaining, BATCH)):
        yield from detector.predict(batch)


def choose_precision(
    trial: Trial, precisions: Iterable[str], max_map_drop: float
) -> dict:
    """Measure precisions, write the table and the winner, and return them."""
    tried = dict.fromkeys((EXACT, *precisions))
    measured = [trial.measure(precision) for precision in tried]
    candidates, winner = choose(measured, max_map_drop)
    content = {
        "model_sha256": sha256_of(trial.checkpoint),
        **here(),
        "max_map_drop": max_map_drop,
        "candidates": [asdict(candidate) for candidate in candidates],
        "winner": winner,
    }
    write_json(precision_file(trial.checkpoint), content)
    cli.log.info("%s is used from now on", winner)
    return content


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
