"""Reuse the data set that was converted for another experiment.

FOLDER is the dataset folder of that experiment. Images take no space twice: they are
hard links where the disk has them.
"""

import argparse
from pathlib import Path

from mmdet_flow import cli
from mmdet_flow.dataset.reuse import reuse


def build_parser(prog: str) -> argparse.ArgumentParser:
    parser = cli.new_parser(
        prog,
        __doc__,
        "results/cells/dataset --output results/cells2/dataset",
    )
    parser.add_argument(
        "source",
        type=Path,
        metavar="FOLDER",
        help="a folder that mmdet-flow data convert made",
    )
    parser.add_argument(
        "--output",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="where to have it too",
    )
    return parser


def run(options: argparse.Namespace) -> None:
    reuse(options.source, options.output)
