"""Show predictions against the truth on one page, the worst images first.

The page is one HTML file with all pictures in it: it needs no network and no server.
It filters by class and by type of error, and it begins with the candidates for errors
in the annotations.
"""

import argparse
from pathlib import Path

from mmdet_flow import cli
from mmdet_flow.default_score import DEFAULT_SCORE
from mmdet_flow.evaluation.gallery import EXCERPT_IMAGES, LIMIT, gallery
from mmdet_flow.evaluation.options import (
    add_detection_options,
    find_objects,
    read_truth,
)
from mmdet_flow.files import write_if_changed
from mmdet_flow.inference.options import add_score_options
from mmdet_flow.inference.scores import read_scores


def build_parser(prog: str) -> argparse.ArgumentParser:
    parser = cli.new_parser(
        prog,
        __doc__,
        "--detections evaluation/detections.json --annotations test.json --images "
        "images --output gallery.html",
    )
    add_detection_options(parser, images=True)
    add_score_options(parser, default=DEFAULT_SCORE)
    parser.add_argument(
        "--gallery-images",
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


def run(options: argparse.Namespace) -> None:
    written = [path for path in (options.output, options.excerpt) if path]
    truth = read_truth(options, written, "output", "excerpt")
    scores = read_scores(options.score, options.thresholds)
    found = find_objects(options, truth)
    worst = gallery(truth, found, scores, options.images, options.title)
    write_if_changed(options.output, worst.html(options.gallery_images))
    if options.excerpt:
        write_if_changed(options.excerpt, worst.excerpt())
    shown = min(options.gallery_images, len(truth.images))
    cli.log.info("%d of %d images are in %s", shown, len(truth.images), options.output)
