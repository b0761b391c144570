"""Rank images that are not labelled by what the next model would learn from them.

PREDICTIONS is what the model says of them, with low scores too. The method "both" takes
the most uncertain ones, and of these the ones that are least like all that is labelled
or chosen, as the network sees them. Writes choice.txt, which label export takes as its
--image-list, choice.csv with all images in their order, choice.json and a picture.
"""

import argparse
from pathlib import Path

from mmdet_flow import cli
from mmdet_flow.errors import UsageError
from mmdet_flow.labelling.base import read_base
from mmdet_flow.labelling.choose import FILES, choose
from mmdet_flow.labelling.ranking import AGGREGATES, METHODS, POOL, Method
from mmdet_flow.path_options import keep_named


def build_parser(prog: str) -> argparse.ArgumentParser:
    parser = cli.new_parser(
        prog,
        __doc__,
        "done --images new --checkpoint model.pth --before results/cells --count 30 "
        "--output rounds/2-choice",
    )
    parser.add_argument(
        "predictions", type=Path, metavar="PREDICTIONS", help="what a model predicted"
    )
    parser.add_argument(
        "--images",
        type=Path,
        metavar="FOLDER",
        help="the images that were predicted (default: beside the predictions)",
    )
    parser.add_argument(
        "--before",
        type=Path,
        metavar="FOLDER",
        help="the data that are labelled: an experiment, or what label join made; they "
        "are not chosen again, and what is like them comes later",
    )
    parser.add_argument(
        "--count",
        type=cli.positive_int,
        default=30,
        metavar="N",
        help="images to choose (default: 30)",
    )
    parser.add_argument(
        "--output",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="list, table and picture",
    )
    _add_method_options(parser.add_argument_group("method"))
    cli.add_threads_option(parser)
    return parser


def _add_method_options(parser) -> None:
    means = "; ".join(f"{name}: {what}" for name, what in METHODS.items())
    parser.add_argument(
        "--method",
        choices=METHODS,
        default=Method.name,
        help=f"{means} (default: {Method.name})",
    )
    parser.add_argument(
        "--checkpoint",
        type=Path,
        metavar="FILE",
        help="the model, for what its network sees (both, spread)",
    )
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="its config (default: the one in the checkpoint)",
    )
    parser.add_argument(
        "--aggregate",
        choices=AGGREGATES,
        default=Method.aggregate,
        help="what the uncertainties of the objects of an image become (default: "
        f"{Method.aggregate})",
    )
    parser.add_argument(
        "--pool",
        type=cli.positive_int,
        default=POOL,
        metavar="N",
        help="both: spread the choice over N times as many of the most uncertain "
        f"images (default: {POOL})",
    )
    parser.add_argument(
        "--seed",
        type=cli.count,
        default=0,
        help="of the order of equals, and of a random choice (default: 0)",
    )


def run(options: argparse.Namespace) -> None:
    """Choose as the options of the command say."""
    keep_named(options, "output", made=[options.output / name for name in FILES])
    method = Method(options.method, options.aggregate, options.pool, options.seed)
    embed = None
    if method.looks:
        if options.checkpoint is None:
            raise UsageError(
                f"--method {method.name}: looks at the images with a model; give "
                "--checkpoint, or choose --method uncertain"
            )
        from mmdet_flow.inference.features import Features

        threads = options.threads or cli.available_threads()
        embed = Features(options.checkpoint, options.config, threads).embed
    choose(
        options.predictions,
        options.images,
        read_base(options.before) if options.before else None,
        options.count,
        method,
        options.output,
        embed,
    )
