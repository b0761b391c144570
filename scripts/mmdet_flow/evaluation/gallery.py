"""The gallery: predictions against the truth, the worst images first."""

from dataclasses import dataclass
from pathlib import Path

from mmdet_flow.dataset.coco import CocoFile
from mmdet_flow.evaluation.assignment import assign, overlap
from mmdet_flow.evaluation.detect import Found
from mmdet_flow.evaluation.gallery_page import Page
from mmdet_flow.evaluation.label_errors import LabelError, label_errors
from mmdet_flow.evaluation.per_image import ImageResult, image_results
from mmdet_flow.evaluation.shapes import Drawings
from mmdet_flow.inference.scores import Scores

LIMIT = 200
CANDIDATES = 24
EXCERPT_IMAGES = 12
EXCERPT_BYTES = 1_500_000
"""Chromium shows nothing of a page above that inside Snakemake's HTML report.

Its addresses end at 2 MiB, and there the page is one, in base64.
"""


@dataclass(frozen=True)
class Gallery:
    """The images of a data set, the worst first, with what became of their objects."""

    page: Page
    results: list[ImageResult]
    candidates: list[LabelError]

    def html(self, limit: int) -> str:
        """Return the page of at most ``limit`` images."""
        results = self.results[:limit]
        shown = {result.index for result in results}
        candidates = [one for one in self.candidates if one.image in shown]
        return self.page.html(results, candidates[:CANDIDATES])

    def excerpt(self) -> str:
        """Return the page of a few images that a report can hold."""
        limit = EXCERPT_IMAGES
        while len(page := self.html(limit).encode()) > EXCERPT_BYTES and limit > 1:
            limit = max(1, limit * EXCERPT_BYTES // len(page))
        return page.decode()


def gallery(
    truth: CocoFile, found: Found, scores: Scores, images: Path, title: str
) -> Gallery:
    """Return the gallery of a data set, whose images are in the folder ``images``."""
    thresholds = scores.of_each_class(truth.classes, found.model_sha256)
    iou_type = found.iou_types(truth)[-1]
    kept = assign(overlap(truth, found.rows, iou_type), thresholds)
    page = Page(title, Drawings(truth.classes, iou_type, kept), thresholds, images)
    return Gallery(page, image_results(kept), label_errors(kept))
