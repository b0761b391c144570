"""What stands on the page of the gallery."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mmdet_flow.colours import PALETTE
from mmdet_flow.evaluation.assignment import IOU, TRUE_POSITIVE
from mmdet_flow.evaluation.label_errors import LabelError
from mmdet_flow.evaluation.per_image import ImageResult
from mmdet_flow.evaluation.shapes import DESCRIPTIONS, FOUND, LEGEND, Drawings, jpeg_of
from mmdet_flow.pages.render import render


@dataclass(frozen=True)
class Page:
    """What all parts of a page share.

    Attributes:
        thresholds: (classes,) of the scores.
        images: the folder of the images.
    """

    title: str
    drawings: Drawings
    thresholds: np.ndarray
    images: Path

    def html(
        self, results: Sequence[ImageResult], candidates: Sequence[LabelError]
    ) -> str:
        """Return the page of these images."""
        return render(
            "gallery.html",
            title=self.title,
            about=self._about(len(results)),
            colours=LEGEND,
            class_colours=[
                (FOUND, f"c{number % len(PALETTE)}", name)
                for number, name in enumerate(self.drawings.classes)
            ],
            classes=self.drawings.classes,
            errors=_counted_errors(results),
            candidates=map(self._candidate, candidates),
            # One after the other, for pictures are large.
            cards=map(self._card, results),
        )

    def _about(self, shown: int) -> str:
        drawn = self.drawings
        total = len(drawn.kept.images)
        which = f"all {total}" if shown == total else f"the worst {shown} of {total}"
        scores = ", ".join(
            f"{name} {value:g}"
            for name, value in zip(drawn.classes, self.thresholds, strict=True)
        )
        what = {"bbox": "box", "segm": "mask"}[drawn.iou_type]
        return (
            f"Shown: {which} images, the worst first. A detection is a true positive "
            f"if its {what} and that of an object of its class have an IoU of {IOU} or "
            f"more. "
            f"Score thresholds: {scores}."
        )

    def _card(self, result: ImageResult) -> dict:
        told = (
            f"annotated {result.objects}, true positives {result.true_positives}, "
            f"false positives {result.false_positives}, "
            f"false negatives {result.false_negatives}"
        )
        picture = jpeg_of(self.images / result.file)
        return {
            "drawing": self.drawings.whole(result.index, told, picture),
            "file": result.file,
            "f1": "n/a" if result.f1 is None else f"{result.f1:.2f}",
            "told": told,
        }

    def _candidate(self, one: LabelError) -> dict:
        classes = self.drawings.classes
        told = f"predicted {classes[one.predicted]} {one.score:.2f}"
        if one.annotated is not None:
            told += f", annotated {classes[one.annotated]}"
        return {
            "drawing": self.drawings.around(one),
            "file": one.file,
            "suspicion": one.suspicion,
            "told": told,
        }


def _counted_errors(results: Sequence[ImageResult]) -> list[tuple[str, str]]:
    """Return what the page can be filtered by: name and text."""
    counts = Counter()
    for result in results:
        counts.update({TRUE_POSITIVE: result.true_positives, **result.errors})
    return [(name, f"{text} ({counts[name]})") for name, text in DESCRIPTIONS.items()]
