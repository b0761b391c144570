"""Try the detector families of the model zoo on this machine, from config to OPEX.

Each one is fitted to a small drawn data set, trained for some iterations, published,
loaded and used for prediction. The table says which of them work, why others are
refused, and how many seconds an image takes. CONFIG names others of the zoo.
"""

import argparse
from pathlib import Path

from mmdet_flow import cli
from mmdet_flow.files import keep_inputs
from mmdet_flow.model.families import FAMILIES, try_families


def build_parser(prog: str) -> argparse.ArgumentParser:
    parser = cli.new_parser(
        prog,
        __doc__,
        "rtmdet_tiny_8xb32-300e_coco yolox_tiny_8xb8-300e_coco --output matrix",
    )
    parser.add_argument(
        "configs",
        nargs="*",
        metavar="CONFIG",
        help="names of the zoo (default: one of each family)",
    )
    parser.add_argument(
        "--output",
        type=Path,
        required=True,
        metavar="FILE",
        help="the tables, FILE.csv and FILE.md",
    )
    parser.add_argument(
        "--image-size",
        type=cli.positive_int,
        default=320,
        metavar="PIXELS",
        help="longer side in pixels (default: 320)",
    )
    parser.add_argument(
        "--keep",
        type=Path,
        metavar="FOLDER",
        help="leave data, configs and checkpoints here (default: they are deleted)",
    )
    cli.add_threads_option(parser)
    return parser


def run(options: argparse.Namespace) -> None:
    made = [options.output.with_suffix(end) for end in (".csv", ".md")]
    keep_inputs(made, map(Path, options.configs))
    try_families(
        {name: name for name in options.configs} or FAMILIES,
        output=options.output,
        image_size=options.image_size,
        threads=options.threads or cli.available_threads(),
        keep=options.keep,
    )
