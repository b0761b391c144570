"""Write pages of an experiment for Snakemake's report, which shows no CSV and no JSON.

One HTML page each for the data set, what was changed in the base config, the metrics,
the speed, the provenance, and the model card. RUN is the results folder of the
experiment.
"""

import argparse
from pathlib import Path

from mmdet_flow import cli, layout
from mmdet_flow.handover.pages import PAGES, write_pages
from mmdet_flow.results import ResultsFolder, as_written, keep_results


def build_parser(prog: str) -> argparse.ArgumentParser:
    parser = cli.new_parser(
        prog,
        __doc__,
        "results/cells",
    )
    parser.add_argument("run", type=Path, metavar="RUN", help="results/EXPERIMENT")
    parser.add_argument(
        "--output", type=Path, metavar="FOLDER", help="default: RUN/pages"
    )
    return parser


def run(options: argparse.Namespace) -> None:
    folder = ResultsFolder(options.run)
    output = options.output or options.run / layout.PAGE.parent
    made = [output / f"{name}.html" for name in PAGES]
    keep_results(made, [options.run], [layout.PAGE])
    with as_written(options.run):
        write_pages(folder, output)
