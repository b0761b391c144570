"""Cut large images into tiles to train on, with the objects that each tile shows.

Takes the COCO files of splits that mmdet-flow data split wrote, and writes one of tiles
for each; all tiles of an image stay in its split. Boxes, outlines and masks are cut
exactly. findings.csv lists each object that no tile shows whole, and report.json has
the account: what became of all tiles and all objects. The test images stay as they
are, since a model is measured on whole images.
"""

import argparse
from pathlib import Path

from mmdet_flow import cli
from mmdet_flow.dataset.tiling.cut import cut
from mmdet_flow.dataset.tiling.plan import Cutting
from mmdet_flow.errors import UsageError
from mmdet_flow.tile_options import add_tile_options, tiles_of


def build_parser(prog: str) -> argparse.ArgumentParser:
    parser = cli.new_parser(
        prog,
        __doc__,
        "splits/train.json splits/val.json splits/trainval.json --images images"
        " --output tiles --tile-size 640",
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
        "--output",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="where tiles, COCO files, report and findings go",
    )
    _add_tile_options(parser.add_argument_group("tiles"))
    cli.add_threads_option(parser)
    return parser


def _add_tile_options(parser) -> None:
    add_tile_options(parser)
    parser.add_argument(
        "--tile-min-visible",
        type=cli.finite,
        default=0.3,
        metavar="FRACTION",
        help="of an object's area, to be learned in a tile (default: 0.3)",
    )
    parser.add_argument(
        "--tile-empty",
        type=cli.finite,
        default=0.1,
        metavar="FRACTION",
        help="of the tiles without objects, which is kept (default: 0.1)",
    )
    parser.add_argument(
        "--seed",
        type=cli.count,
        default=0,
        help="another choice of the tiles without objects (default: 0)",
    )


def run(options: argparse.Namespace) -> None:
    tiles = tiles_of(options)
    if tiles is None:
        raise UsageError("--tile-size: is missing; give the side of a tile, as 640")
    cutting = Cutting(tiles, options.tile_min_visible, options.tile_empty, options.seed)
    threads = options.threads or cli.available_threads()
    cut(options.splits, options.images, options.output, cutting, threads)
