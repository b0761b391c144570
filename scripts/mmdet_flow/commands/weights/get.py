"""Fetch weights to start from, unless they are kept already, and print where they are.

SOURCE is a config of the model zoo, whose whole detector is fetched, the name of a file
of weights (mmdet-flow weights list '*'), or a URL. Mirrors are asked first, those of
the variable MMDET_FLOW_MIRRORS then, and the place in the model index last. What was
cut off goes on where it ended.
"""

import argparse
from pathlib import Path

from mmdet_flow import cli
from mmdet_flow.errors import UsageError
from mmdet_flow.files import link_or_copy
from mmdet_flow.model.weights.store import get


def build_parser(prog: str) -> argparse.ArgumentParser:
    parser = cli.new_parser(
        prog,
        __doc__,
        "rtmdet_tiny_8xb32-300e_coco",
        "rtmdet_tiny_8xb32-300e_coco --mirrors /mnt/weights",
    )
    parser.add_argument(
        "sources", nargs="+", metavar="SOURCE", help="config, name of a file, or URL"
    )
    parser.add_argument(
        "--mirrors",
        action="append",
        default=[],
        metavar="PLACE",
        help="a folder, or https:, file: or s3: of one, with files under their names "
        "or as upstream has them; may be repeated",
    )
    parser.add_argument(
        "--sha256",
        default="",
        metavar="HEX",
        help="what the SHA-256 must be, or begin with, besides what the name says",
    )
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help="put the file there, too"
    )
    return parser


def run(options: argparse.Namespace) -> None:
    if len(options.sources) > 1 and (options.sha256 or options.output):
        raise UsageError("--sha256, --output: are for one SOURCE; name them one by one")
    for source in options.sources:
        path = get(source, options.mirrors, options.sha256)
        if options.output:
            options.output.parent.mkdir(parents=True, exist_ok=True)
            link_or_copy(path, options.output)
        print(path)
