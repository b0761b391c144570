"""The options that comparisons share."""

import argparse

from mmdet_flow import cli
from mmdet_flow.evaluation.bootstrap import SAMPLES


def add_bootstrap_option(parser: argparse.ArgumentParser) -> None:
    """Add how often images are drawn for the intervals."""
    parser.add_argument(
        "--bootstrap",
        type=cli.positive_int,
        default=SAMPLES,
        metavar="N",
        help=f"how often to draw images for the intervals (default: {SAMPLES})",
    )
