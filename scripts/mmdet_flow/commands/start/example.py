"""Make the embedded example: pictures of leaves, pebbles and shells on the ground.

Everything is drawn from a seed. Each object has a texture, a random scale, colour,
rotation and outline; objects overlap, and the annotation is the outline of what is
visible. The annotations are OPEX files beside the images.
"""

import argparse
from pathlib import Path

from mmdet_flow import cli
from mmdet_flow.dataset.example import make_example


def build_parser(prog: str) -> argparse.ArgumentParser:
    parser = cli.new_parser(
        prog,
        __doc__,
        "--output data/example --images 40",
    )
    parser.add_argument("--output", type=Path, required=True, help="folder to write to")
    parser.add_argument(
        "--images", type=cli.positive_int, default=160, help="how many (default: 160)"
    )
    parser.add_argument(
        "--seed", type=cli.count, default=1, help="other pictures (default: 1)"
    )
    return parser


def run(options: argparse.Namespace) -> None:
    make_example(options.output, options.images, options.seed)
