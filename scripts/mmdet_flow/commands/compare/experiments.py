"""Compare two experiments: their data, their recipes, and how good they are.

A and B are results folders. Where both were measured on the same test images, the
differences of their metrics have 95 % intervals from images that are drawn for both
alike, and the page shows the images where one finds what the other misses.
"""

import argparse
from pathlib import Path

from mmdet_flow import cli
from mmdet_flow.comparison.compare import FILES, OWN, PICTURES, compare
from mmdet_flow.comparison.identity import finished
from mmdet_flow.comparison.options import add_bootstrap_option
from mmdet_flow.results import as_written, keep_results


def build_parser(prog: str) -> argparse.ArgumentParser:
    parser = cli.new_parser(
        prog,
        __doc__,
        "results/small results/large --output results/compared",
    )
    for name in ("a", "b"):
        parser.add_argument(
            name, type=Path, metavar=name.upper(), help="results/EXPERIMENT"
        )
    add_bootstrap_option(parser)
    parser.add_argument(
        "--pictures",
        type=cli.positive_int,
        default=PICTURES,
        metavar="N",
        help=f"show the N images with the most disagreements (default: {PICTURES})",
    )
    parser.add_argument(
        "--output",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="comparison.html and its tables",
    )
    return parser


def run(options: argparse.Namespace) -> None:
    made = [options.output / name for name in FILES]
    keep_results(made, [options.a, options.b], OWN)
    a, b = finished(options.a), finished(options.b)
    with as_written(options.a, options.b):
        compare(a, b, options.bootstrap, options.output, options.pictures)
