"""Convert a model, and choose the precision that it runs in.

Each --precision is measured on annotated images, in accuracy (COCO mAP, of all objects)
and in images per second (with objects of --score and more, as in use). The fastest one
that loses at most --max-map-drop against fp32 wins. The table and the winner are
written beside the checkpoint, where mmdet-flow predict and mmdet-flow serve find them;
on another processor they use fp32.
"""

import argparse
from pathlib import Path

from mmdet_flow import cli
from mmdet_flow.dataset.coco import CocoFile
from mmdet_flow.default_score import DEFAULT_SCORE
from mmdet_flow.evaluation.options import (
    add_comparison_options,
    add_map_drop_option,
    read_truth,
)
from mmdet_flow.evaluation.precision import Trial, choose_precision
from mmdet_flow.inference.int8_file import int8_file
from mmdet_flow.inference.precision import precision_file
from mmdet_flow.precisions import PRECISIONS


def build_parser(prog: str) -> argparse.ArgumentParser:
    parser = cli.new_parser(
        prog,
        __doc__,
        "--checkpoint model.pth --annotations val.json --images images",
        "--checkpoint model.pth --annotations val.json --images images"
        " --calibration train.json",
    )
    _add_input_options(parser.add_argument_group("model and images"))
    _add_choice_options(parser.add_argument_group("choice"))
    cli.add_threads_option(parser)
    return parser


def _add_input_options(parser) -> None:
    add_comparison_options(parser)
    parser.add_argument(
        "--calibration",
        type=Path,
        metavar="COCO",
        help="images that set the ranges of int8, better others than those that "
        "measure it (default: those of --annotations)",
    )


def _add_choice_options(parser) -> None:
    parser.add_argument(
        "--precision",
        nargs="+",
        choices=PRECISIONS,
        default=list(PRECISIONS),
        help="what to try (default: all that there are)",
    )
    add_map_drop_option(parser, "fp32")
    parser.add_argument(
        "--score",
        type=cli.fraction,
        default=DEFAULT_SCORE,
        metavar="SCORE",
        help="score threshold that the speed is measured with "
        f"(default: {DEFAULT_SCORE})",
    )


def run(options: argparse.Namespace) -> None:
    if "int8" not in options.precision:
        cli.refuse_given(options, ["--calibration"], "is for --precision int8")
    beside = [file(options.checkpoint) for file in (precision_file, int8_file)]
    truth = read_truth(options, beside)
    trial = Trial(
        checkpoint=options.checkpoint,
        config=options.config,
        threads=options.threads or cli.available_threads(),
        truth=truth,
        images=options.images,
        calibration=CocoFile.read(options.calibration or options.annotations).images,
        score=options.score,
    )
    choose_precision(trial, options.precision, options.max_map_drop)
