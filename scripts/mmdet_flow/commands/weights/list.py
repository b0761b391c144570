"""List the weights that are kept here or, with a pattern, what mmdet publishes.

Kept are listed with size, SHA-256 and what is wrong with them; published ones by
config, with what they reach on their test data, and whether they are kept.
"""

import argparse

from mmdet_flow import cli
from mmdet_flow.model.weights.listing import print_kept, print_published


def build_parser(prog: str) -> argparse.ArgumentParser:
    parser = cli.new_parser(prog, __doc__, "", "'rtmdet*'")
    parser.add_argument(
        "pattern",
        nargs="?",
        metavar="PATTERN",
        help="configs of the model zoo, such as 'rtmdet*', or '*' for all",
    )
    return parser


def run(options: argparse.Namespace) -> None:
    if options.pattern is None:
        print_kept()
    else:
        print_published(options.pattern)
