"""Measure a model on whole images and on their tiles.

Each --tile-size gives a row of the table FILE, beside one without tiles: COCO metrics
on the whole images, also by the size of the objects, and the seconds an image takes.
Take the validation split; docs/tiles.md says what else decides the size.
"""

import argparse
from pathlib import Path

from mmdet_flow import cli
from mmdet_flow.evaluation.options import add_comparison_options, read_truth
from mmdet_flow.evaluation.tiling import compare_tiles
from mmdet_flow.tile_options import add_tile_details, details_of
from mmdet_flow.tiles import Tiles


def build_parser(prog: str) -> argparse.ArgumentParser:
    parser = cli.new_parser(
        prog,
        __doc__,
        "--checkpoint model.pth --annotations val.json --images images "
        "--tile-size 320 640 --output tiles.csv",
    )
    add_comparison_options(parser)
    parser.add_argument(
        "--tile-size",
        type=cli.positive_int,
        nargs="+",
        required=True,
        metavar="N",
        help="sides of tiles in pixels, each measured by itself",
    )
    add_tile_details(parser)
    parser.add_argument(
        "--output",
        type=Path,
        required=True,
        metavar="FILE",
        help="the table, as CSV",
    )
    cli.add_threads_option(parser)
    return parser


def run(options: argparse.Namespace) -> None:
    truth = read_truth(options, [options.output], "output")
    details = details_of(options)
    compare_tiles(
        options.checkpoint,
        options.config,
        truth,
        options.images,
        threads=options.threads or cli.available_threads(),
        tilings=[Tiles(size, **details) for size in options.tile_size],
        output=options.output,
    )
