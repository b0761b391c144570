"""Train a model from a patched config, and publish its checkpoint.

With --resume an interrupted training goes on from its last whole checkpoint. When
the config or the data are others than those that the work folder was made with, the
old folder is put aside and the training starts from the beginning.
"""

import argparse
import os
from dataclasses import fields
from pathlib import Path

from mmdet_flow import cli
from mmdet_flow.model.options import add_cfg_options
from mmdet_flow.model.processes import LAUNCHERS
from mmdet_flow.model.train import Options, train
from mmdet_flow.precisions import AUTO, EXACT, TRAINABLE


def build_parser(prog: str) -> argparse.ArgumentParser:
    parser = cli.new_parser(
        prog,
        __doc__,
        "config.py --work-dir work --resume auto --publish model.pth",
    )
    parser.add_argument("config", metavar="CONFIG", help="path of a patched config")
    _add_file_options(parser.add_argument_group("files"))
    _add_learning_options(parser.add_argument_group("learning"))
    _add_life_options(parser.add_argument_group("stop and go on"))
    _add_process_options(parser.add_argument_group("processes"))
    add_cfg_options(parser)
    return parser


def _add_file_options(parser) -> None:
    parser.add_argument(
        "--work-dir",
        type=Path,
        metavar="FOLDER",
        help="states, metrics and logs (default: that of the config)",
    )
    parser.add_argument(
        "--load-from",
        metavar="FILE|NAME",
        help="weights to start from, a file or a name in the cache's folder weights/",
    )
    parser.add_argument(
        "--publish", type=Path, metavar="FILE", help="write the final checkpoint here"
    )
    parser.add_argument(
        "--curves", type=Path, metavar="FILE", help="write a picture of the metrics"
    )


def _add_learning_options(parser) -> None:
    parser.add_argument(
        "--precision",
        choices=(AUTO, *TRAINABLE),
        default=EXACT,
        help="bf16 in all but losses and updates is faster on CPUs that have it; auto "
        "measures (default: fp32)",
    )
    parser.add_argument("--amp", action="store_true", help="the same as bf16")
    parser.add_argument(
        "--auto-scale-lr",
        action="store_true",
        help="scale the learning rate to the batch, where the config has auto_scale_lr",
    )
    parser.add_argument(
        "--patience",
        type=cli.whole,
        default=0,
        metavar="N",
        help="end after N validations without a better one (default: 0, never)",
    )


def _add_life_options(parser) -> None:
    parser.add_argument(
        "--resume",
        nargs="?",
        const="auto",
        metavar="auto|FILE",
        help="go on from the last checkpoint of the work folder, or from FILE",
    )
    parser.add_argument(
        "--hours",
        type=cli.hours,
        metavar="TIME",
        help="for the whole training, as 2, 2h or 30m: one that is late ends its "
        "schedule early, and learns less (default: no limit)",
    )
    parser.add_argument(
        "--max-hours",
        type=cli.positive,
        metavar="H",
        help="save and end with exit code 75 after so long; run again to go on",
    )
    parser.add_argument(
        "--save-minutes",
        type=cli.not_negative,
        default=1.0,
        metavar="M",
        help="save a state to go on from each so many minutes (default: 1)",
    )


def _add_process_options(parser) -> None:
    parser.add_argument(
        "--launcher",
        choices=("none", *LAUNCHERS),
        default="none",
        help="what started this process and others that train with it: torchrun, srun "
        "or mpirun (default: none, a single process)",
    )
    parser.add_argument(
        "--local_rank",
        "--local-rank",
        type=cli.whole,
        default=0,
        metavar="N",
        help="set by old launchers (default: the variable LOCAL_RANK, or 0)",
    )
    cli.add_threads_option(parser)


def run(options: argparse.Namespace) -> None:
    os.environ.setdefault("LOCAL_RANK", str(options.local_rank))
    known = {one.name for one in fields(Options)}
    given = {name: value for name, value in vars(options).items() if name in known}
    train(Options(**given | ({"precision": "bf16"} if options.amp else {})))
