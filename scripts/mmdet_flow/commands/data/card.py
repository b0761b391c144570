"""Describe a data set on one card: what is in it, and what the network will see of it.

Writes card.json, card.png (plots), samples.png (images with their annotations) and
card.html, a page that holds all of them.
"""

import argparse
from pathlib import Path

from mmdet_flow import cli
from mmdet_flow.dataset.card import FILES, make_card
from mmdet_flow.dataset.coco import CocoFile
from mmdet_flow.path_options import keep_named
from mmdet_flow.tile_options import add_tile_options, tiles_of


def build_parser(prog: str) -> argparse.ArgumentParser:
    parser = cli.new_parser(
        prog,
        __doc__,
        "train.json val.json test.json --images images --output card",
    )
    parser.add_argument(
        "splits", nargs="+", type=Path, metavar="COCO", help="a file a split"
    )
    parser.add_argument(
        "--images",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="the images that the files name",
    )
    parser.add_argument(
        "--image-size",
        type=cli.positive_int,
        metavar="PIXELS",
        help="longer side that the network sees",
    )
    parser.add_argument(
        "--output",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="where all files go",
    )
    add_tile_options(parser.add_argument_group("if the network sees tiles of images"))
    return parser


def run(options: argparse.Namespace) -> None:
    keep_named(options, "output", made=[options.output / name for name in FILES])
    splits = {path.stem: CocoFile.read(path) for path in options.splits}
    tiles = tiles_of(options)
    make_card(splits, options.images, options.image_size, options.output, tiles)
