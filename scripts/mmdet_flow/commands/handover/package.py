"""Pack the model of an experiment into one file, for mmdet-flow predict --package.

The package holds weights, config, class list, thresholds by class, the precision that
mmdet-flow evaluate precision chose, the model card, and the SHA-256 of each of them.
RUN is the results folder of the experiment. The same files give the same bytes.
"""

import argparse
from pathlib import Path

from mmdet_flow import cli, layout
from mmdet_flow.handover.package import package
from mmdet_flow.path_options import keep_named
from mmdet_flow.results import ResultsFolder, as_written, keep_results
from mmdet_flow.tile_options import add_tile_options, tiles_of


def build_parser(prog: str) -> argparse.ArgumentParser:
    parser = cli.new_parser(
        prog,
        __doc__,
        "results/cells --license data/cells/LICENSE",
    )
    parser.add_argument("run", type=Path, metavar="RUN", help="results/EXPERIMENT")
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help="default: RUN/model/EXPERIMENT.zip"
    )
    parser.add_argument(
        "--license",
        type=Path,
        metavar="FILE",
        help="the terms of the model or of its data, packed as LICENSE.txt",
    )
    add_tile_options(parser)
    return parser


def run(options: argparse.Namespace) -> None:
    keep_named(options, "output")
    keep_results([options.output], [options.run], [layout.PACKAGE])
    with as_written(options.run):
        package(
            ResultsFolder(options.run),
            options.output,
            options.license,
            tiles=tiles_of(options),
        )
