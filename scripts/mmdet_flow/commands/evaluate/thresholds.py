"""Choose a score threshold for each class, for mmdet-flow predict --score auto.

Give a split that the model was not trained on and is not tested on: validation. For
each class FILE says at which score F1 is best, at which the wanted --recall is reached,
and from which the wanted --precision is kept; --threshold chooses what --score auto
takes.
"""

import argparse
from pathlib import Path

from mmdet_flow import cli
from mmdet_flow.errors import UsageError
from mmdet_flow.evaluation.options import (
    add_detection_options,
    find_objects,
    read_truth,
)
from mmdet_flow.evaluation.thresholds import USES, WANTED, thresholds
from mmdet_flow.files import write_json


def build_parser(prog: str) -> argparse.ArgumentParser:
    parser = cli.new_parser(
        prog,
        __doc__,
        "--checkpoint model.pth --annotations val.json --images images --output "
        "thresholds.json",
    )
    add_detection_options(parser)
    parser.add_argument(
        "--threshold",
        choices=USES,
        default="f1",
        help="what --score auto takes (default: f1)",
    )
    for name in ("recall", "precision"):
        parser.add_argument(
            f"--{name}",
            type=cli.finite,
            default=WANTED,
            metavar="FRACTION",
            help=f"the {name} that is wanted (default: {WANTED})",
        )
    parser.add_argument(
        "--output", type=Path, required=True, metavar="FILE", help="the scores, as JSON"
    )
    return parser


def run(options: argparse.Namespace) -> None:
    for name in ("recall", "precision"):
        if not 0 < getattr(options, name) <= 1:
            raise UsageError(f"--{name}: give a value above 0, up to 1")
    truth = read_truth(options, [options.output], "output")
    found = find_objects(options, truth)
    content = thresholds(
        truth, found, options.threshold, options.recall, options.precision
    )
    write_json(options.output, content)
    for name, score in content["scores"].items():
        cli.log.info("%s: %g", name, score)
