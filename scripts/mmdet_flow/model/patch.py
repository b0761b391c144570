"""Fit an exported config to a data set and a machine.

All places are found by walking the expanded config: every ``num_classes``, every
data set however it is wrapped, every pipeline, every schedule.
"""

import argparse
import copy
import math
from pathlib import Path
from typing import TYPE_CHECKING

from mmdet_flow import cli
from mmdet_flow.dataset.classes import require_same_classes
from mmdet_flow.dataset.coco import CocoFile
from mmdet_flow.files import keep_inputs, write_if_changed
from mmdet_flow.model.changes import EXPORTED_FROM, RUNNER_KEYS, changes_of_base
from mmdet_flow.model.export import add_cfg_options, apply_cfg_options, load_config
from mmdet_flow.model.fit.data import require_masks, require_objects, set_data
from mmdet_flow.model.fit.images import (
    limit_queries,
    set_image_size,
    use_light_augmentation,
)
from mmdet_flow.model.fit.network import (
    freeze_stages,
    set_classes,
    train_from_scratch,
    use_single_process_norm,
)
from mmdet_flow.model.fit.recipe import Recipe
from mmdet_flow.model.fit.schedule import set_optimizer, set_runtime, set_schedule

if TYPE_CHECKING:
    from mmengine.config import Config


def patch_config(
    config: str, output: Path, recipe: Recipe, cfg_options: list[str]
) -> None:
    """Read a config, fit it to the recipe, and write it."""
    base = load_config(config)
    cfg = copy.deepcopy(base)
    patch(cfg, recipe)
    apply_cfg_options(cfg, cfg_options)
    notes = "".join(f"#   {change}\n" for change in changes_of_base(base, cfg))
    name = base.get(EXPORTED_FROM, Path(config).stem)
    header = f"# Changed from {name}:\n{notes}\n"
    write_if_changed(output, header + cfg.pretty_text)
    cli.log.info("patched %s into %s", config, output)


def patch(cfg: "Config", recipe: Recipe) -> None:
    """Fit a config to a recipe, in place."""
    train = CocoFile.read(recipe.train)
    iterations = math.ceil(len(train.images) / recipe.images_per_step)
    require_objects(train)
    require_masks(cfg, train)
    for other in filter(None, (recipe.val, recipe.test)):
        found = CocoFile.read(other).classes
        fix = "divide one data set into the splits"
        require_same_classes(train.classes, found, str(train.path), str(other), fix)
    for key in [key for key in cfg if key not in RUNNER_KEYS]:
        if key not in ("auto_scale_lr", "max_epochs", "max_iters"):
            cfg.pop(key)
    set_classes(cfg.model, len(train.classes))
    use_single_process_norm(cfg.model)
    if not recipe.pretrained:
        train_from_scratch(cfg.model)
    if recipe.frozen_stages is not None:
        freeze_stages(cfg.model, recipe.frozen_stages)
    set_data(cfg, recipe, train.classes)
    if recipe.image_size:
        set_image_size(cfg, recipe.image_size)
    if recipe.augment == "light":
        use_light_augmentation(cfg, train)
    limit_queries(cfg)
    set_optimizer(cfg, recipe)
    set_schedule(cfg, recipe.epochs, iterations)
    set_runtime(cfg, recipe)
    for key in ("auto_scale_lr", "max_epochs", "max_iters"):
        cfg.pop(key, None)


def build_parser() -> argparse.ArgumentParser:
    parser = cli.new_parser(
        "mmdet_patch",
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


def _add_model_options(parser) -> None:
    parser.add_argument(
        "--pretrained", action="store_true", help="keep the recipe's pretrained weights"
    )
    parser.add_argument(
        "--frozen-stages",
        type=int,
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
        type=float,
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
        type=int,
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
        help="where mmdet_train works (default: work_dir)",
    )


def main(argv: list[str] | None = None) -> int:
    args = build_parser().parse_args(argv)
    fields = Recipe.__dataclass_fields__
    recipe = Recipe(**{name: getattr(args, name) for name in fields})

    def command() -> None:
        keep_inputs([args.output], [Path(args.config), recipe.train, recipe.val])
        patch_config(args.config, args.output, recipe, args.cfg_options)

    return cli.run(command, args)
