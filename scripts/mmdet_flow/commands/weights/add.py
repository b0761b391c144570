"""Put files of weights among those that are kept, and print where they are then.

Each is checked: against the SHA-256 that its name ends with, and that it can be read as
a checkpoint of mmdet. It is copied; a name is enough then, for model.load_from as well.
"""

import argparse
from pathlib import Path

from mmdet_flow import cli
from mmdet_flow.errors import UsageError
from mmdet_flow.model.weights.store import add


def build_parser(prog: str) -> argparse.ArgumentParser:
    parser = cli.new_parser(
        prog,
        __doc__,
        "downloads/rtmdet_s_8xb32-300e_coco_20220905_161602-387a891e.pth",
    )
    parser.add_argument(
        "files", nargs="+", type=Path, metavar="FILE", help="a checkpoint"
    )
    parser.add_argument(
        "--name", metavar="NAME", help="keep it under this name (default: its own)"
    )
    parser.add_argument(
        "--sha256",
        default="",
        metavar="HEX",
        help="what the SHA-256 must be, or begin with, besides what the name says",
    )
    return parser


def run(options: argparse.Namespace) -> None:
    if len(options.files) > 1 and (options.sha256 or options.name):
        raise UsageError("--sha256, --name: are for one FILE; add them one by one")
    from mmdet_flow.model.checkpoint import load_training_checkpoint

    for file in options.files:
        load_training_checkpoint(file)
        print(add(file, options.name, options.sha256))
