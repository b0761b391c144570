"""Join corrected annotations with the data of before, for the next training.

BEFORE is the results folder of an experiment, or what this command made before. An
image is the same if its content is, whatever it is called, and keeps its split: what
is tested is never trained on. Images of the round that nobody corrected stay
predictions. Writes a converted data set with splits/, the corrections (CSV, and counts
as JSON), pending.txt, and label_errors.csv, where those that were looked at are ticked
off.
"""

import argparse
import math
from pathlib import Path

from mmdet_flow import cli
from mmdet_flow.dataset.findings import Policy
from mmdet_flow.dataset.options import (
    add_policy_option,
    add_source_options,
    source_of,
)
from mmdet_flow.errors import UsageError
from mmdet_flow.files import keep_apart
from mmdet_flow.labelling.base import read_base
from mmdet_flow.labelling.corrected import Corrected
from mmdet_flow.labelling.join import VAL, join
from mmdet_flow.labelling.round import round_around


def build_parser(prog: str) -> argparse.ArgumentParser:
    parser = cli.new_parser(
        prog,
        __doc__,
        "results/cells --round rounds/1 --format labelme --annotations "
        "rounds/1/labelme --images rounds/1/labelme --output data/round-1",
    )
    parser.add_argument(
        "before", type=Path, metavar="BEFORE", help="the data of before"
    )
    parser.add_argument(
        "--round",
        type=Path,
        metavar="FOLDER",
        help="what label export wrote, if that was corrected (default: the folder "
        "around that of the annotations, if it is such a one)",
    )
    parser.add_argument(
        "--reviewed",
        action="store_true",
        help="somebody looked at all images that are there: those that are as they "
        "were predicted count, too (Label Studio says that itself)",
    )
    parser.add_argument(
        "--output",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="the data set to come",
    )
    add_source_options(parser.add_argument_group("corrected annotations"))
    _add_rules_options(parser.add_argument_group("rules"))
    _add_base_options(parser.add_argument_group("data of before"))
    cli.add_threads_option(parser)
    return parser


def _add_rules_options(parser) -> None:
    parser.add_argument(
        "--classes",
        nargs="+",
        action="extend",
        metavar="NAME",
        help="class list of the data to come, if there are new ones (default: that of "
        "before)",
    )
    parser.add_argument(
        "--rename",
        nargs="+",
        action="extend",
        default=[],
        metavar="NAME=CLASS",
        help="what a class that was renamed in the tool is called in the data",
    )
    add_policy_option(parser)


def _add_base_options(parser) -> None:
    parser.add_argument(
        "--splits",
        type=Path,
        metavar="FOLDER",
        help="lists of the splits (default: BEFORE/splits)",
    )
    parser.add_argument(
        "--val",
        type=_share,
        default=VAL,
        metavar="FRACTION",
        help="so much of the new images is for validation, as their content decides; "
        f"the rest is trained on (default: {VAL})",
    )
    parser.add_argument(
        "--label-errors",
        type=Path,
        metavar="CSV",
        help="errors to tick off (default: those that the evaluation of BEFORE named)",
    )


@cli.takes("a number from 0 to below 1")
def _share(text: str) -> float:
    return cli.number(text, 0, math.nextafter(1, 0))


def run(options: argparse.Namespace) -> None:
    """Join as the options of the command say."""
    if options.splits:
        keep_apart(options.output, options.splits)
    corrected = Corrected(
        options.format,
        source_of(options),
        options.classes,
        dict(map(_renamed, options.rename)),
        Policy.parse(options.policy),
        options.reviewed,
    )
    join(
        read_base(options.before, options.splits),
        corrected,
        options.round or round_around(options.annotations),
        options.output,
        options.val,
        options.label_errors,
        options.threads or cli.available_threads(),
    )


def _renamed(text: str) -> tuple[str, str]:
    name, sign, meant = text.rpartition("=")
    if not (name and sign and meant):
        raise UsageError(f"--rename {text}: write it as NAME=CLASS")
    return name, meant
