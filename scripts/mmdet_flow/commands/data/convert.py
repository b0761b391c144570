"""Convert annotations of any format to one COCO file, with nothing lost.

Every annotation and every image is checked first; wai.annotations converts them;
and the result is compared, object by object, with what was read. What is wrong is
listed with how to fix it, and nothing is written then.
"""

import argparse
from pathlib import Path

from mmdet_flow import cli
from mmdet_flow.dataset.convert import FILES, convert
from mmdet_flow.dataset.options import add_check_options, rules_of, source_of
from mmdet_flow.path_options import keep_named


def build_parser(prog: str) -> argparse.ArgumentParser:
    parser = cli.new_parser(
        prog,
        __doc__,
        "--format voc --annotations xml --images photos --output dataset",
    )
    add_check_options(parser)
    parser.add_argument(
        "--output",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="annotations.json, images and the report",
    )
    return parser


def run(options: argparse.Namespace) -> None:
    """Convert what the options of the command describe."""
    keep_named(options, "output", made=[options.output / name for name in FILES])
    threads = options.threads or cli.available_threads()
    convert(
        options.format, source_of(options), options.output, rules_of(options), threads
    )
