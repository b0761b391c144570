"""Say in a few lines what an experiment made, how good it is, and where to look."""

import argparse
from pathlib import Path

from mmdet_flow import cli, layout
from mmdet_flow.evaluation.summary import summarize
from mmdet_flow.results import as_written, keep_results


def build_parser(prog: str) -> argparse.ArgumentParser:
    parser = cli.new_parser(
        prog,
        __doc__,
        "results/cells --output results/cells/summary.txt",
    )
    parser.add_argument(
        "folder", type=Path, metavar="FOLDER", help="results/EXPERIMENT"
    )
    parser.add_argument(
        "--output",
        type=Path,
        required=True,
        metavar="FILE",
        help="the summary, as text",
    )
    parser.add_argument(
        "--place",
        help="where readers find FOLDER, if elsewhere, as s3://bucket/results/NAME",
    )
    return parser


def run(options: argparse.Namespace) -> None:
    keep_results([options.output], [options.folder], [layout.SUMMARY])
    with as_written(options.folder):
        summarize(options.folder, options.output, options.place)
