"""The option that overrides keys of a config."""

import argparse


def add_cfg_options(parser: argparse.ArgumentParser) -> None:
    """Add --cfg-options, as mmdet's own tools have it."""
    parser.add_argument(
        "--cfg-options",
        nargs="+",
        action="extend",
        default=[],
        metavar="KEY=VALUE",
        help="overrides, e.g. model.backbone.depth=18 (lists as a=[1,2])",
    )
