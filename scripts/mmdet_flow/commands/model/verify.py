"""Repeat the first iterations of a training, and say whether they are equal.

FOLDER is a work folder of mmdet-flow model train, such as results/EXPERIMENT/training.
The losses of all its iterations are on record; those that are computed again must equal
them to the last bit. Exit code 0 says that they do, 4 that they do not.
"""

import argparse
from pathlib import Path

from mmdet_flow import cli
from mmdet_flow.model.verify import verify


def build_parser(prog: str) -> argparse.ArgumentParser:
    parser = cli.new_parser(
        prog,
        __doc__,
        "results/cells/training --iterations 20",
    )
    parser.add_argument(
        "folder",
        type=Path,
        metavar="FOLDER",
        help="the work folder of a finished training",
    )
    parser.add_argument(
        "--iterations",
        type=cli.positive_int,
        default=20,
        metavar="N",
        help="default: 20",
    )
    return parser


def run(options: argparse.Namespace) -> None:
    verify(options.folder, options.iterations)
