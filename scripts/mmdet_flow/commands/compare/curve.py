"""Say how good models are by the images they learned from, and what more would give.

FOLDER are results folders of experiments that differ in splits.train_fraction and in
their seed. Writes a row for each number of labelled images, and fits the power law
mAP(n) = c - a * n**-b, which says what --more images would give (Mahmood et al., "How
Much More Data Do I Need?", 2022). Its 95 % interval is from curves that are fitted to
draws of the test images and of the seeds. Experiments with another test split than the
first are left out, and those that learn in another way are a curve of their own.
"""

import argparse
from pathlib import Path

from mmdet_flow import cli
from mmdet_flow.comparison.curve import MORE, compare_curve
from mmdet_flow.comparison.identity import finished
from mmdet_flow.comparison.options import add_bootstrap_option
from mmdet_flow.path_options import keep_named
from mmdet_flow.results import as_written, keep_results


def build_parser(prog: str) -> argparse.ArgumentParser:
    parser = cli.new_parser(
        prog,
        __doc__,
        "results/curve-* --csv curve.csv --png curve.png --more 50",
    )
    parser.add_argument(
        "folders",
        nargs="+",
        type=Path,
        metavar="FOLDER",
        help="results/EXPERIMENT, of 3 numbers of images or more",
    )
    parser.add_argument(
        "--csv", type=Path, required=True, metavar="FILE", help="the table"
    )
    parser.add_argument("--png", type=Path, metavar="FILE", help="a picture of it, too")
    parser.add_argument(
        "--more",
        type=cli.positive_int,
        default=MORE,
        metavar="N",
        help=f"how many more images you think of labelling (default: {MORE})",
    )
    add_bootstrap_option(parser)
    return parser


def run(options: argparse.Namespace) -> None:
    keep_named(options, "csv", "png")
    keep_results([options.csv, options.png], options.folders)
    runs = [finished(folder) for folder in options.folders]
    with as_written(*options.folders):
        compare_curve(runs, options.more, options.bootstrap, options.csv, options.png)
