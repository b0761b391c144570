"""Show predictions against the truth on one page, the worst images first.

The page is one HTML file with all pictures in it: it needs no network and no server.
It filters by class and by kind of error, and it begins with the candidates for errors
in the annotations.
"""

import argparse
from pathlib import Path

import numpy as np

from mmdet_flow import cli
from mmdet_flow.dataset.coco import CocoFile
from mmdet_flow.evaluation.assignment import assign, overlap
from mmdet_flow.evaluation.detect import Found, add_detection_options, find_objects
from mmdet_flow.evaluation.evaluate import SCORE
from mmdet_flow.evaluation.gallery_page import Page
from mmdet_flow.evaluation.label_errors import label_errors
from mmdet_flow.evaluation.per_image import image_results
from mmdet_flow.files import write_if_changed
from mmdet_flow.inference.scores import Scores, add_score_options, read_scores

LIMIT = 200
CANDIDATES = 24


def gallery(
    truth: CocoFile, found: Found, scores: Scores, images: Path, limit: int, title: str
) -> str:
    """Return the page of at most ``limit`` images from the folder ``images``."""
    lowest = scores.for_classes(truth.classes, found.model_sha256)
    lowest = np.broadcast_to(np.asarray(lowest, float), len(truth.classes))
    kind = found.kinds(truth)[-1]
    kept = assign(overlap(truth, found.rows, kind), lowest)
    results = image_results(kept)[:limit]
    shown = {result.index for result in results}
    candidates = [one for one in label_errors(kept) if one.image in shown]
    page = Page(title, truth.classes, kind, kept, lowest)
    return page.html(results, candidates[:CANDIDATES], images)


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    truth = CocoFile.read(args.annotations)
    scores = read_scores(args.score, args.thresholds)
    found = find_objects(args, truth)
    page = gallery(truth, found, scores, args.images, args.limit, args.title)
    write_if_changed(args.output, page)
    shown = min(args.limit, len(truth.images))
    cli.log.info("%d of %d images are in %s", shown, len(truth.images), args.output)


def build_parser() -> argparse.ArgumentParser:
    parser = cli.new_parser("mmdet_gallery", __doc__)
    add_detection_options(parser, images=True)
    add_score_options(parser, default=SCORE)
    parser.add_argument(
        "--limit",
        type=cli.positive_int,
        default=LIMIT,
        metavar="N",
        help=f"show the N worst images alone (default: {LIMIT})",
    )
    parser.add_argument("--title", default="Predictions against the truth")
    parser.add_argument("--output", type=Path, required=True, metavar="FILE")
    return parser


def main(argv: list[str] | None = None) -> int:
    args = build_parser().parse_args(argv)
    return cli.run(lambda: run(args), args)
