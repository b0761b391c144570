"""Say how good a model is after each round of labelling, by the labelled images.

FOLDER are results folders, in the order of the rounds. Writes a row for each, with the
mAP on the test images and the gain over the round before. Its 95 % interval is from
images that are drawn for both rounds alike. A round with another test split is not
compared with those before, and a line says so.
"""

import argparse
from pathlib import Path

from mmdet_flow import cli
from mmdet_flow.comparison.identity import finished
from mmdet_flow.comparison.options import add_bootstrap_option
from mmdet_flow.comparison.rounds import compare_rounds
from mmdet_flow.path_options import keep_named
from mmdet_flow.results import as_written, keep_results


def build_parser(prog: str) -> argparse.ArgumentParser:
    parser = cli.new_parser(
        prog,
        __doc__,
        "results/cells results/loop-round1 results/loop-round2 --csv rounds.csv "
        "--png rounds.png",
    )
    parser.add_argument(
        "folders",
        nargs="+",
        type=Path,
        metavar="FOLDER",
        help="results/EXPERIMENT, the first round first",
    )
    parser.add_argument(
        "--csv", type=Path, required=True, metavar="FILE", help="the table"
    )
    parser.add_argument("--png", type=Path, metavar="FILE", help="a picture of it, too")
    add_bootstrap_option(parser)
    return parser


def run(options: argparse.Namespace) -> None:
    keep_named(options, "csv", "png")
    keep_results([options.csv, options.png], options.folders)
    runs = [finished(folder) for folder in options.folders]
    with as_written(*options.folders):
        compare_rounds(runs, options.bootstrap, options.csv, options.png)
