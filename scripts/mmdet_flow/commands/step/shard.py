"""Divide the images of a folder into lists, one for each prediction job.

Lists are 0.txt, 1.txt and so on, in the order of the names; mmdet-flow predict reads
them with --image_list.
"""

import argparse
from pathlib import Path

from mmdet_flow import cli
from mmdet_flow.inference.shard import shard


def build_parser(prog: str) -> argparse.ArgumentParser:
    parser = cli.new_parser(
        prog,
        __doc__,
        "photos --images-per-shard 5000 --output lists",
    )
    parser.add_argument(
        "folder", type=Path, metavar="FOLDER", help="folder of the images"
    )
    parser.add_argument("--image-list", type=Path, metavar="FILE", help="only these")
    parser.add_argument(
        "--images-per-shard",
        type=cli.positive_int,
        default=2000,
        metavar="N",
        help="images in a list (default: 2000)",
    )
    parser.add_argument(
        "--output",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="where the lists go",
    )
    return parser


def run(options: argparse.Namespace) -> None:
    shard(options.folder, options.image_list, options.images_per_shard, options.output)
