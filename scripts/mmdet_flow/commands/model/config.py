"""Export a model config, expanded and flat.

CONFIG is a path, or the name of a config of the mmdet model zoo, which is found
without a network. --list shows the zoo, or what of it matches a pattern like
'mask-rcnn*r50*'; --diff shows how another config differs from CONFIG.
"""

import argparse
from pathlib import Path

from mmdet_flow import cli
from mmdet_flow.errors import UsageError
from mmdet_flow.model.config import export_config, print_diff
from mmdet_flow.model.options import add_cfg_options
from mmdet_flow.model.zoo_list import print_zoo


def build_parser(prog: str) -> argparse.ArgumentParser:
    parser = cli.new_parser(
        prog,
        __doc__,
        "--list 'mask-rcnn*'",
        "rtmdet_tiny_8xb32-300e_coco --save-path base.py",
    )
    parser.add_argument(
        "config", nargs="?", metavar="CONFIG", help="path or model-zoo name"
    )
    parser.add_argument(
        "--save-path", type=Path, metavar="FILE", help="where to write the config"
    )
    parser.add_argument(
        "--list", nargs="?", const="*", metavar="PATTERN", help="show the model zoo"
    )
    parser.add_argument("--diff", metavar="OTHER", help="show what OTHER changes")
    add_cfg_options(parser)
    return parser


def run(options: argparse.Namespace) -> None:
    """Do the one thing that the options ask for."""
    parser = build_parser("")
    if options.list is not None:
        others = ("CONFIG", "--diff", "--save-path", "--cfg-options")
        cli.refuse_given(options, others, "has no effect on --list", parser)
        print_zoo(options.list)
    elif options.config is None:
        raise UsageError("CONFIG: name a config, or see the model zoo with --list")
    elif options.diff is not None:
        others = ("--save-path", "--cfg-options")
        cli.refuse_given(options, others, "has no effect on --diff", parser)
        print_diff(options.config, options.diff)
    elif options.save_path is None:
        raise UsageError("--save-path FILE: say where to write the config")
    else:
        export_config(options.config, options.save_path, options.cfg_options)
