"""Measure a model on annotated images: COCO metrics, and where it fails.

COCO metrics by pycocotools, with intervals from resampled images; curves of precision,
recall and F1; calibration; the confusion matrix; types of error; and each image. All
of them as files and as pictures. --detections takes COCO results instead of a model.
With tiles, the figures of the model without them stand beside, in metrics.json.
"""

import argparse
from pathlib import Path

from mmdet_flow import cli
from mmdet_flow.default_score import DEFAULT_SCORE
from mmdet_flow.evaluation.bootstrap import SAMPLES
from mmdet_flow.evaluation.evaluate import FILES, evaluate
from mmdet_flow.evaluation.options import (
    add_detection_options,
    find_objects,
    find_without_tiles,
    read_truth,
)
from mmdet_flow.inference.options import add_score_options
from mmdet_flow.inference.scores import read_scores


def build_parser(prog: str) -> argparse.ArgumentParser:
    parser = cli.new_parser(
        prog,
        __doc__,
        "--checkpoint model.pth --annotations test.json --images images --output "
        "evaluation",
    )
    add_detection_options(parser)
    add_score_options(parser, default=DEFAULT_SCORE)
    parser.add_argument(
        "--bootstrap",
        type=cli.count,
        default=SAMPLES,
        metavar="N",
        help="how often to resample the images for the intervals; 0 for none "
        f"(default: {SAMPLES})",
    )
    parser.add_argument(
        "--output",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="where all files go",
    )
    return parser


def run(options: argparse.Namespace) -> None:
    made = [options.output / name for name in FILES]
    truth = read_truth(options, made, "output")
    scores = read_scores(options.score, options.thresholds)
    found = find_objects(options, truth)
    whole = find_without_tiles(options, truth)
    evaluate(truth, found, scores, options.bootstrap, options.output, whole)
