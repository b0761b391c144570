"""Rank experiments: how good, how fast and how large their models are.

FOLDER are results folders of experiments. Those that differ in nothing but the seed are
a group, with the mean and the spread of its figures. Models that were measured on
different images and annotations stand in tables of their own.
"""

import argparse
from pathlib import Path

from mmdet_flow import cli
from mmdet_flow.comparison.leaderboard import leaderboard
from mmdet_flow.path_options import keep_named
from mmdet_flow.results import as_written, keep_results


def build_parser(prog: str) -> argparse.ArgumentParser:
    parser = cli.new_parser(
        prog,
        __doc__,
        "results/small results/large --csv leaderboard.csv --html leaderboard.html",
    )
    parser.add_argument(
        "folders",
        nargs="+",
        type=Path,
        metavar="FOLDER",
        help="results/EXPERIMENT, several",
    )
    parser.add_argument(
        "--csv", type=Path, required=True, metavar="FILE", help="the table"
    )
    parser.add_argument("--html", type=Path, metavar="FILE", help="a page of it, too")
    return parser


def run(options: argparse.Namespace) -> None:
    keep_named(options, "csv", "html")
    keep_results([options.csv, options.html], options.folders)
    with as_written(*options.folders):
        leaderboard(options.folders, options.csv, options.html)
