"""Fit an exported config to a data set and a machine.

All places are found by walking the expanded config: every ``num_classes``, every
data set however it is wrapped, every pipeline, every schedule.
"""

import argparse
from dataclasses import fields
from pathlib import Path

from mmdet_flow import cli
from mmdet_flow.files import keep_inputs
from mmdet_flow.model.config import files_of
from mmdet_flow.model.fit.growth import AUTO
from mmdet_flow.model.fit.recipe import Recipe
from mmdet_flow.model.options import add_cfg_options
from mmdet_flow.model.patch import patch_config
from mmdet_flow.path_options import keep_named


def build_parser(prog: str) -> argparse.ArgumentParser:
    parser = cli.new_parser(
        prog,
        __doc__,
        "base.py --train train.json --val val.json --test test.json --images images"
        " --epochs 30 --output config.py",
    )
    parser.add_argument("config", metavar="CONFIG", help="path or model-zoo name")
    parser.add_argument(
        "--output", type=Path, required=True, metavar="FILE", help="the fitted config"
    )
    _add_data_options(parser.add_argument_group("data"))
    _add_model_options(parser.add_argument_group("model"))
    _add_schedule_options(parser.add_argument_group("schedule"))
    _add_run_options(parser.add_argument_group("run"))
    add_cfg_options(parser)
    return parser


def _add_data_options(parser) -> None:
    coco = {"type": Path, "metavar": "COCO"}
    parser.add_argument("--train", required=True, help="training images", **coco)
    parser.add_argument("--val", help="none: no validation", **coco)
    parser.add_argument("--test", required=True, help="test images", **coco)
    parser.add_argument(
        "--images",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="the images of all splits",
    )
    parser.add_argument(
        "--test-images",
        type=Path,
        metavar="FOLDER",
        help="those of the test where --images has tiles, of which the model sees one "
        "at a time",
    )
    parser.add_argument(
        "--image-size",
        type=cli.positive_int,
        metavar="PIXELS",
        help="longer side in pixels",
    )
    parser.add_argument(
        "--augment",
        choices=("recipe", "light"),
        default="recipe",
        help="that of the recipe, or a light one for short runs (default: recipe)",
    )
    parser.add_argument(
        "--optimizer",
        choices=("recipe", "auto", "muon"),
        default="recipe",
        help="that of the recipe, or Muon for the kernels of convolutions, which "
        "learns more in few epochs; auto: Muon for RTMDet and RTMDet-Ins, for which it "
        "was measured, but not with --pretrained, and that of the recipe for all "
        "others (default: recipe)",
    )
    parser.add_argument(
        "--grow-from",
        type=_fraction,
        default=1.0,
        metavar="FRACTION",
        help="begin with images of this fraction of their size, which grow to all of "
        "it; for the light augmentation; auto: half, where that leaves 160 pixels "
        "and the network takes any size (default: 1)",
    )


@cli.takes(f"a number from 0 to 1, or {AUTO}")
def _fraction(text: str) -> float | str:
    return AUTO if text == AUTO else cli.number(text, 0, 1)


def _add_model_options(parser) -> None:
    parser.add_argument(
        "--pretrained",
        action="store_true",
        help="start from the weights that are published of the config, and keep frozen "
        "what the recipe freezes (mmdet-flow weights get CONFIG fetches them)",
    )
    parser.add_argument(
        "--frozen-stages",
        type=cli.whole,
        metavar="N",
        help="keep the first N stages of the backbone as they are loaded",
    )


def _add_schedule_options(parser) -> None:
    parser.add_argument(
        "--epochs",
        type=cli.positive_int,
        required=True,
        metavar="N",
        help="how often each training image is seen",
    )
    parser.add_argument(
        "--batch-size",
        type=cli.positive_int,
        default=8,
        metavar="N",
        help="images of a step; the learning rate is scaled to it (default: 8)",
    )
    parser.add_argument(
        "--learning-rate",
        type=cli.positive,
        metavar="RATE",
        help="default: scaled from the recipe's",
    )
    parser.add_argument(
        "--val-interval",
        type=cli.positive_int,
        default=1,
        metavar="N",
        help="validate every so many epochs (default: 1)",
    )


def _add_run_options(parser) -> None:
    parser.add_argument(
        "--seed",
        type=cli.seed,
        default=0,
        metavar="N",
        help="of weights, order and augmentation (default: 0)",
    )
    parser.add_argument(
        "--processes",
        type=cli.positive_int,
        default=1,
        metavar="N",
        help="how many will train together, each with a batch of its own (default: 1)",
    )
    parser.add_argument(
        "--keep-checkpoints",
        type=cli.positive_int,
        default=2,
        metavar="N",
        help="states of a running training to keep (default: 2)",
    )
    parser.add_argument(
        "--work-dir",
        default="work_dir",
        metavar="FOLDER",
        help="where mmdet-flow model train works (default: work_dir)",
    )


def run(options: argparse.Namespace) -> None:
    named = {one.name: getattr(options, one.name) for one in fields(Recipe)}
    recipe = Recipe(**named)
    keep_named(options, "output")
    keep_inputs([options.output], files_of(options.config))
    patch_config(options.config, options.output, recipe, options.cfg_options)
