"""Show predictions against the truth on one page, the worst images first.

The page is one HTML file with all pictures in it: it needs no network and no server.
It filters by class and by type of error, and it begins with the candidates for errors
in the annotations.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

from mmdet_flow import cli
from mmdet_flow.dataset.coco import CocoFile
from mmdet_flow.evaluation.assignment import assign, overlap
from mmdet_flow.evaluation.detect import Found, add_detection_options, find_objects
from mmdet_flow.evaluation.evaluate import SCORE
from mmdet_flow.evaluation.gallery_page import Page
from mmdet_flow.evaluation.label_errors import LabelError, label_errors
from mmdet_flow.evaluation.per_image import ImageResult, image_results
from mmdet_flow.evaluation.shapes import Drawings
from mmdet_flow.files import keep_inputs, write_if_changed
from mmdet_flow.inference.scores import Scores, add_score_options, read_scores

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


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    written = [path for path in (args.output, args.excerpt) if path]
    keep_inputs(written, [args.annotations, args.checkpoint, args.thresholds])
    truth = CocoFile.read(args.annotations)
    scores = read_scores(args.score, args.thresholds)
    found = find_objects(args, truth)
    worst = gallery(truth, found, scores, args.images, args.title)
    write_if_changed(args.output, worst.html(args.limit))
    if args.excerpt:
        write_if_changed(args.excerpt, worst.excerpt())
    shown = min(args.limit, len(truth.images))
    cli.log.info("%d of %d images are in %s", shown, len(truth.images), args.output)


def build_parser() -> argparse.ArgumentParser:
    parser = cli.new_parser(
        "mmdet_gallery",
        __doc__,
        "--detections evaluation/detections.json --annotations test.json --images "
        "images --output gallery.html",
    )
    add_detection_options(parser, images=True)
    add_score_options(parser, default=SCORE)
    parser.add_argument(
        "--limit",
        type=cli.positive_int,
        default=LIMIT,
        metavar="N",
        help=f"show the N worst images alone (default: {LIMIT})",
    )
    parser.add_argument(
        "--title", default="Predictions against the truth", help="of the page"
    )
    parser.add_argument(
        "--output", type=Path, required=True, metavar="FILE", help="the page, HTML"
    )
    parser.add_argument(
        "--excerpt",
        type=Path,
        metavar="FILE",
        help=f"write a page of {EXCERPT_IMAGES} images at most, for a Snakemake report",
    )
    return parser


def main(argv: list[str] | None = None) -> int:
    args = build_parser().parse_args(argv)
    return cli.run(lambda: run(args), args)
