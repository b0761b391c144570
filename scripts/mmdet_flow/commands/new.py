"""Make a project folder: the workflow, a config, and the locks of its environments.

The folder is new, or empty. It has this version of the workflow, and keeps it until you
replace it. The config trains on the embedded example. From a checkout or another
project it takes the files that are there, changed ones and their config too.
"""

import argparse
from pathlib import Path

from mmdet_flow import cli
from mmdet_flow.start.new import make_project, next_steps


def build_parser(prog: str) -> argparse.ArgumentParser:
    parser = cli.new_parser(prog, __doc__, "cells")
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="what to make")
    return parser


def run(options: argparse.Namespace) -> None:
    make_project(options.folder)
    print(next_steps(options.folder))
