"""Compare the detections of a model as it is deployed with those of mmdet in torch.

    .venv/bin/python benchmarks/exactness.py --checkpoint FILE ... --images FOLDER

A checkpoint with its deployable form beside it (mmdet-flow model deploy) runs in that
form, another one through the graphs of OpenVINO. They are compared object by object.
Torch runs without the score threshold moved before the suppression of duplicates, so
that is compared, too. The report says for each checkpoint by how much boxes and scores
differ at most, on how many images objects are on one side alone, and how many objects
have another place, among those whose scores are within 1e-4 of each other. Exit code 1
if anything differs by more than 0.01 pixels or 1e-4, or if OpenVINO cannot run a model.
"""

import argparse
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mmdet_flow.detections import Detections
from mmdet_flow.errors import ModelError
from mmdet_flow.images import read_image
from mmdet_flow.inference.detector import Detector
from mmdet_flow.inference.folder import list_images
from mmdet_flow.inference.opening import open_detector

PIXELS, SCORE = 0.01, 1e-4


@dataclass
class Report:
    """What was compared, and the largest differences: pixels, scores, mask pixels."""

    name: str
    images: int = 0
    objects: int = 0
    swapped: int = 0
    differ: list[str] = field(default_factory=list)
    boxes: float = 0.0
    scores: float = 0.0
    mask_pixels: int = 0
    mask_pixels_differ: int = 0

    def add(self, image: str, mine: Detections, theirs: Detections) -> None:
        self.images += 1
        self.objects += len(theirs)
        place = _places(mine, theirs)
        if place is None:
            self.differ.append(image)
            return
        self.swapped += int((place != np.arange(len(place))).sum())
        self.boxes = max(self.boxes, _largest(mine.boxes - theirs.boxes[place]))
        self.scores = max(self.scores, _largest(mine.scores - theirs.scores[place]))
        if theirs.masks is not None:
            size = mine.width, mine.height
            for mask, twin in zip(mine.masks, place, strict=True):
                wanted = theirs.masks[twin].in_image(*size)
                self.mask_pixels += int(wanted.sum())
                self.mask_pixels_differ += int((mask.in_image(*size) ^ wanted).sum())

    @property
    def exact(self) -> bool:
        return not self.differ and self.boxes <= PIXELS and self.scores <= SCORE

    def row(self) -> str:
        masks = f"{self.mask_pixels_differ} of {self.mask_pixels:,}"
        order = f"{self.swapped} of equal score swapped" if self.swapped else "equal"
        if self.differ:
            order = f"{len(self.differ)} images differ: {', '.join(self.differ[:3])}"
        return (
            f"| {self.name} | {self.images} | {self.objects} | {self.boxes:.2g} | "
            f"{self.scores:.2g} | {order} | "
            f"{masks if self.mask_pixels else ''} |"
        )


def _places(mine: Detections, theirs: Detections) -> np.ndarray | None:
    """Return where each object is on the other side; None if one is not there.

    Objects whose scores are within SCORE of each other have no order.
    """
    if len(mine) != len(theirs):
        return None
    free = np.ones(len(theirs), bool)
    places = np.zeros(len(mine), int)
    for number, (box, score) in enumerate(zip(mine.boxes, mine.scores, strict=True)):
        alike = (theirs.labels == mine.labels[number]) & free
        alike &= np.abs(theirs.scores - score) <= SCORE
        if not alike.any():
            return None
        distances = np.abs(theirs.boxes - box).max(1)
        places[number] = np.where(alike, distances, np.inf).argmin()
        free[places[number]] = False
    return places


def _largest(differences: np.ndarray) -> float:
    return float(np.abs(differences).max(initial=0))


def compare(checkpoint: Path, images: list[Path], score: float) -> Report:
    """Return the report on one checkpoint; ModelError if OpenVINO cannot run it."""
    import torch

    from mmdet_flow import roi_align
    from mmdet_flow.model import speed

    standard = roi_align.use_fast_roi_align, speed.use_channels_last
    ours = open_detector(checkpoint, score=score, backend="openvino")
    # The other side is as mmdet and mmcv made it.
    roi_align.use_fast_roi_align = speed.use_channels_last = lambda model: None
    torchs = Detector(checkpoint, backend="torch")
    roi_align.use_fast_roi_align, speed.use_channels_last = standard
    report = Report(f"{checkpoint.parent.name}/{checkpoint.name}")
    for path in images:
        pixels = read_image(path)[1]
        torch.set_num_threads(1)
        mine = ours.predict([pixels])[0].above(score)
        torch.set_num_threads(2)
        theirs = torchs.predict([pixels])[0].above(score)
        report.add(path.name, mine, theirs)
    return report


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--checkpoint", type=Path, nargs="+", required=True)
    parser.add_argument("--images", type=Path, required=True, help="folder")
    parser.add_argument("--image-list", type=Path, help="only these, a name a line")
    parser.add_argument("--score", type=float, default=0.3)
    args = parser.parse_args()
    images = list_images(args.images, args.image_list)
    print("| model | images | objects | boxes, px | scores | order, labels | masks |")
    print("|---|---|---|---|---|---|---|")
    exact = True
    for checkpoint in args.checkpoint:
        try:
            report = compare(checkpoint, images, args.score)
            exact &= report.exact
            print(report.row(), flush=True)
        except ModelError as error:
            exact = False
            print(f"{checkpoint}: {error}", file=sys.stderr)
    sys.exit(not exact)


if __name__ == "__main__":
    main()
