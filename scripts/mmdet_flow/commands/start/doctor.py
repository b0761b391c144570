"""Look whether all is ready for a run: environment, config, data, services, machine.

Each line says ok, or note for what is good to know, or error with what to do. Nothing
is changed. The exit code is 0, or that of the first error: 1 for the machine and the
environment, 2 the config, 3 the data, 5 Redis.
"""

import argparse
from pathlib import Path

from mmdet_flow import cli


def build_parser(prog: str) -> argparse.ArgumentParser:
    parser = cli.new_parser(
        prog,
        __doc__,
        "--config config.yaml",
    )
    parser.add_argument(
        "--config",
        type=Path,
        default=Path("config.yaml"),
        metavar="FILE",
        help="default: config.yaml in this folder",
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="without what takes seconds: imports, the dry run, counting objects",
    )
    return parser


def run(options: argparse.Namespace) -> None:
    from mmdet_flow.start.doctor.diagnosis import run_doctor

    run_doctor(options.config, options.quick)
