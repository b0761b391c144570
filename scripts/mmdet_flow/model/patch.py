"""Fit an exported config to a data set and a machine.

All places are found by walking the expanded config: every ``num_classes``, every
data set however it is wrapped, every pipeline, every schedule.
"""

import copy
import math
from pathlib import Path
from typing import TYPE_CHECKING

from mmdet_flow import cli
from mmdet_flow.dataset.classes import require_same_classes
from mmdet_flow.dataset.coco import CocoFile
from mmdet_flow.files import write_if_changed
from mmdet_flow.model.changes import EXPORTED_FROM, RUNNER_KEYS, changes_of_base
from mmdet_flow.model.config import (
    apply_cfg_options,
    load_config,
    require_parts,
    text_of,
)
from mmdet_flow.model.fit.data import (
    require_masks,
    require_objects,
    require_plain,
    set_data,
)
from mmdet_flow.model.fit.growth import grow
from mmdet_flow.model.fit.images import (
    limit_queries,
    set_image_size,
    use_light_augmentation,
)
from mmdet_flow.model.fit.network import (
    drop_pretrained,
    freeze_stages,
    set_classes,
    train_from_scratch,
    use_single_process_norm,
)
from mmdet_flow.model.fit.objects import allow_objects, learn_masks
from mmdet_flow.model.fit.recipe import Recipe
from mmdet_flow.model.fit.schedule import (
    forget_first_gradients,
    set_optimizer,
    set_runtime,
    set_schedule,
    use_muon,
)
from mmdet_flow.model.fit.tree import LOADERS
from mmdet_flow.model.weights.index import require_published

if TYPE_CHECKING:
    from mmengine.config import Config

NEEDED = ("model", *LOADERS, "optim_wrapper", "train_cfg", "default_hooks")
"""What a config must have to be fitted."""


def patch_config(
    config: str, output: Path, recipe: Recipe, cfg_options: list[str]
) -> None:
    """Read a config, fit it to the recipe, and write it."""
    base = load_config(config)
    require_parts(base, config, NEEDED)
    cfg = copy.deepcopy(base)
    patch(cfg, recipe)
    if recipe.pretrained:
        cfg.load_from = require_published(config).name
    apply_cfg_options(cfg, cfg_options, base)
    notes = "".join(f"#   {change}\n" for change in changes_of_base(base, cfg))
    name = base.get(EXPORTED_FROM, Path(config).stem)
    header = f"# Changed from {name}:\n{notes}\n"
    write_if_changed(output, header + text_of(cfg))
    cli.log.info("patched %s into %s", config, output)


def patch(cfg: "Config", recipe: Recipe) -> None:
    """Fit a config to a recipe, in place."""
    train = CocoFile.read(recipe.train)
    splits = [train, *map(CocoFile.read, filter(None, (recipe.val, recipe.test)))]
    iterations = math.ceil(len(train.images) / recipe.images_per_step)
    require_objects(train)
    require_masks(cfg, train)
    for other in splits:
        require_plain(other)
        fix = "divide one data set into the splits"
        paths = str(train.path), str(other.path)
        require_same_classes(train.classes, other.classes, *paths, fix)
    for key in [key for key in cfg if key not in RUNNER_KEYS]:
        if key not in ("auto_scale_lr", "max_epochs", "max_iters"):
            cfg.pop(key)
    set_classes(cfg.model, len(train.classes))
    use_single_process_norm(cfg.model)
    if recipe.pretrained:
        drop_pretrained(cfg.model)  # the backbone's, which the detector's replace
    else:
        train_from_scratch(cfg.model)
    if recipe.frozen_stages is not None:
        freeze_stages(cfg.model, recipe.frozen_stages)
    set_data(cfg, recipe, train.classes)
    if recipe.image_size:
        set_image_size(cfg, recipe.image_size)
    if recipe.augment == "light":
        use_light_augmentation(cfg, train)
    set_optimizer(cfg, recipe)
    forget_first_gradients(cfg, recipe.epochs * iterations)
    if recipe.optimizer != "recipe":
        use_muon(cfg, recipe)
    set_schedule(cfg, recipe.epochs, iterations)
    grow(cfg, recipe, train)
    learn_masks(cfg, train)
    limit_queries(cfg)
    # Of test images apart from the others it sees tiles, which have fewer objects.
    allow_objects(cfg, splits[:-1] if recipe.test_images else splits)
    set_runtime(cfg, recipe)
    for key in ("auto_scale_lr", "max_epochs", "max_iters"):
        cfg.pop(key, None)
