"""Draw predictions on their images, as one sheet."""

import argparse
from pathlib import Path

from mmdet_flow import cli
from mmdet_flow.evaluation.draw import draw_sheet
from mmdet_flow.images import MAX_PIXELS
from mmdet_flow.tile_options import add_tile_options, tiles_of


def build_parser(prog: str) -> argparse.ArgumentParser:
    parser = cli.new_parser(
        prog,
        __doc__,
        "predicted --images photos --output sheet.jpg --score 0.5",
    )
    parser.add_argument(
        "opex", nargs="+", type=Path, metavar="FOLDER", help="folders of OPEX files"
    )
    parser.add_argument(
        "--images",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="the images that were predicted",
    )
    parser.add_argument(
        "--output",
        type=Path,
        required=True,
        metavar="PICTURE",
        help="the sheet, as .jpg or .png",
    )
    parser.add_argument(
        "--count",
        type=cli.positive_int,
        default=12,
        help="of how many images (default: 12)",
    )
    parser.add_argument(
        "--score",
        type=cli.fraction,
        help="score threshold (default: draw all that was predicted)",
    )
    parser.add_argument(
        "--class-list",
        type=Path,
        metavar="FILE",
        help="a class a line, whose places decide the colours, as in other pictures "
        "(default: the classes that are drawn, in order)",
    )
    parser.add_argument(
        "--max-pixels",
        type=cli.positive_int,
        default=MAX_PIXELS,
        metavar="N",
        help="refuse larger images before they are unpacked; TIFF is drawn all the "
        f"same (default: {MAX_PIXELS})",
    )
    add_tile_options(parser.add_argument_group("tiles whose borders are drawn"))
    return parser


def run(options: argparse.Namespace) -> None:
    draw_sheet(
        options.opex,
        images=options.images,
        output=options.output,
        count=options.count,
        score=options.score,
        tiles=tiles_of(options),
        class_list=options.class_list,
        max_pixels=options.max_pixels,
    )
