"""Divide a COCO file into training, validation and test images.

A split by fractions is stratified by class, so that each part has its fraction of
every class, and keeps the images of a group (one specimen, one duplicate) in one part.
Lists are text files with one image name, or stem, a line; those that are written can be
edited and given again.
"""

import argparse
from pathlib import Path

from mmdet_flow import cli
from mmdet_flow.dataset.coco import CocoFile
from mmdet_flow.dataset.split import (
    group_by_pattern,
    group_by_table,
    keep_duplicates_together,
    split,
)
from mmdet_flow.files import keep_inputs
from mmdet_flow.layout import SPLITS

ENDS = (".json", ".txt")


def build_parser(prog: str) -> argparse.ArgumentParser:
    parser = cli.new_parser(
        prog,
        __doc__,
        "dataset/annotations.json --output splits --train 0.8 --val 0.1 --test 0.1",
    )
    parser.add_argument(
        "annotations", type=Path, metavar="COCO", help="the file to divide"
    )
    parser.add_argument(
        "--output",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="a COCO file and a list for each split",
    )
    _add_split_options(parser.add_argument_group("splits"))
    _add_group_options(parser.add_argument_group("images that stay together"))
    _add_fold_options(parser.add_argument_group("cross-validation"))
    return parser


def _add_split_options(parser) -> None:
    for name, fraction in zip(SPLITS, ("0.7", "0.15", "0.15"), strict=True):
        parser.add_argument(
            f"--{name}",
            default=fraction,
            metavar="FRACTION|FILE",
            help=f"default {fraction}",
        )
    parser.add_argument(
        "--train-fraction",
        type=cli.finite,
        default=1.0,
        metavar="FRACTION",
        help="learn from this fraction of the training images alone, for a learning "
        "curve; those of a smaller one are among those of a larger one (default: 1)",
    )
    parser.add_argument(
        "--seed",
        type=cli.count,
        default=0,
        help="another split by fractions (default: 0)",
    )


def _add_group_options(parser) -> None:
    parser.add_argument(
        "--group-pattern",
        metavar="REGEX",
        help="images whose names match alike, in its first group, stay together",
    )
    parser.add_argument(
        "--group-file",
        type=Path,
        metavar="CSV",
        help="images with one value in --group-column stay together",
    )
    parser.add_argument(
        "--group-column",
        default="group",
        metavar="NAME",
        help="the column of --group-file (default: group)",
    )
    parser.add_argument(
        "--report",
        type=Path,
        metavar="JSON",
        help="report of mmdet-flow data convert: images with the same content stay "
        "together",
    )


def _add_fold_options(parser) -> None:
    parser.add_argument(
        "--folds",
        type=cli.positive_int,
        metavar="N",
        help="divide train and val anew into N parts, of which --fold becomes val",
    )
    parser.add_argument(
        "--fold", type=cli.whole, default=0, metavar="K", help="from 0 (default: 0)"
    )


def run(options: argparse.Namespace) -> None:
    """Split the file as the options of the command say."""
    parser = build_parser("")
    if not options.folds:
        cli.refuse_given(options, ["--fold"], "goes with --folds", parser)
    if not options.group_file:
        why = "goes with --group-file"
        cli.refuse_given(options, ["--group-column"], why, parser)
    names = [f"{name}{end}" for name in (*SPLITS, "trainval") for end in ENDS]
    made = [options.output / name for name in names]
    lists = [Path(getattr(options, name)) for name in SPLITS]
    keep_inputs(made, [options.annotations, options.report, options.group_file, *lists])
    coco = CocoFile.read(options.annotations)
    groups: dict[str, str] = {}
    if options.group_pattern:
        groups = group_by_pattern(coco, options.group_pattern)
    if options.group_file:
        groups |= group_by_table(coco, options.group_file, options.group_column)
    if options.report:
        groups = keep_duplicates_together(groups, options.report)
    wanted = {name: getattr(options, name) for name in SPLITS}
    fold = (options.fold, options.folds) if options.folds else None
    fraction = options.train_fraction
    split(coco, options.output, wanted, options.seed, groups, fold, fraction)
