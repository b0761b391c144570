"""Learning rate, schedule, and what surrounds the loop."""

import math
from typing import TYPE_CHECKING

from mmdet_flow.errors import UsageError
from mmdet_flow.model.fit.recipe import Recipe
from mmdet_flow.model.fit.tree import walk

if TYPE_CHECKING:
    from mmengine.config import Config

WARM_UP_FRACTION = 0.1
"""Warm-up takes at most this fraction of all iterations."""

WARM_UPS = "LinearLR", "ConstantLR"
SHORTEST_WARM_UP = 2
"""Steps of a warm-up: in mmengine one of a single step keeps its low rate for good."""

MEMORY_FRACTION = 0.065
"""The fraction of all updates whose gradients an optimizer of the Adam family keeps."""

SHORTEST_MEMORY = 20
"""Updates that are kept in the shortest training."""

MUON = "MuonForKernels"
"""The class of the optimizer in a config; it is in model/muon.py."""

MUON_RATE = 2.0
"""Times AdamW's learning rate; docs/training.md has what half and twice of it did."""

MEASURED_WITH_MUON = (("RTMDet", "CSPNeXt"),)
"""Detectors, masks or not, with their backbones, that Muon was measured to help."""

PLAIN_CONSTRUCTORS = "DefaultOptimWrapperConstructor", "FewGroups"
"""What gives weights the options that are written in paramwise_cfg, and no others."""

CLIP_NORM = 35.0
"""Gradient norm to clip at where the recipe has no clipping (mmdet's own value)."""


def set_optimizer(cfg: "Config", recipe: Recipe) -> None:
    """Set the learning rate, scaled to the images of a step unless it is given.

    Linear for SGD (Goyal et al. 2017), by the square root for the Adam family
    (Malladi et al. 2022).
    """
    optimizer = cfg.optim_wrapper.optimizer
    if recipe.learning_rate is not None:
        ratio = recipe.learning_rate / optimizer.lr
    else:
        base = cfg.get("auto_scale_lr", {}).get("base_batch_size", 16)
        ratio = recipe.images_per_step / base
        if _is_of_adam(optimizer):
            ratio = math.sqrt(ratio)
    for scheduler in walk(cfg.get("param_scheduler") or []):
        if "eta_min" in scheduler:
            scheduler["eta_min"] = float(f"{scheduler['eta_min'] * ratio:.6g}")
    optimizer.lr = float(f"{optimizer.lr * ratio:.6g}")
    if not cfg.optim_wrapper.get("clip_grad"):
        cfg.optim_wrapper.clip_grad = dict(max_norm=CLIP_NORM, norm_type=2)


def _is_of_adam(optimizer: "Config") -> bool:
    return "Adam" in optimizer.type or optimizer.type == MUON


def forget_first_gradients(cfg: "Config", updates: int) -> None:
    """Let an optimizer of the Adam family forget its first gradients in time, in place.

    It divides each update by the root mean square of the gradients of the last
    1 / (1 - beta2) updates: 1000, by torch's default. The gradients of the first
    updates of an untrained detector are up to 45 times as large as what follows. So a
    training of some thousand ``updates`` would make steps that are too small until
    its end; docs/training.md has the measurements.
    """
    optimizer = cfg.optim_wrapper.optimizer
    if not _is_of_adam(optimizer):
        return
    first, second = optimizer.get("betas", (0.9, 0.999))
    memory = max(SHORTEST_MEMORY, MEMORY_FRACTION * updates)
    optimizer.betas = (first, min(second, round(1 - 1 / memory, 4)))


def use_muon(cfg: "Config", recipe: Recipe) -> None:
    """Let Muon learn the kernels of convolutions, and AdamW the rest as before.

    With "auto" that is done for the detectors that it was measured for alone, where the
    recipe has AdamW, which tells the learning rate, the weights were not learned by it
    already, and none of them have rules of their own. Raises UsageError where Muon is
    asked for and the recipe has another optimizer, or a constructor of its own, whose
    learning rates by layer would be lost.
    """
    wrapper = cfg.optim_wrapper
    kind, constructor = wrapper.optimizer.type, wrapper.get("constructor")
    if kind == MUON:
        return  # the config was patched before
    suits = kind == "AdamW" and constructor in (None, *PLAIN_CONSTRUCTORS)
    options = wrapper.get("paramwise_cfg") or {}
    is_plain = suits and not options.get("custom_keys")
    is_known = is_plain and _is_measured(cfg.model) and not recipe.pretrained
    if recipe.optimizer == "auto" and not is_known:
        return
    if not suits:
        found = f"the constructor {constructor}" if kind == "AdamW" else kind
        raise UsageError(
            "optimizer: muon takes the learning rate of a recipe with AdamW alone, and "
            f"this one has {found}; leave optimizer at recipe"
        )
    wrapper.optimizer.type = MUON
    if recipe.learning_rate is None:
        wrapper.optimizer.lr = float(f"{MUON_RATE * wrapper.optimizer.lr:.6g}")
    wrapper.constructor = "KernelGroups"
    # Without options for some weights, mmengine does not ask which kind each is.
    wrapper.paramwise_cfg = {"bypass_duplicate": True} | options


def _is_measured(model: "Config") -> bool:
    backbone = model.get("backbone") or {}
    return (model.get("type"), backbone.get("type")) in MEASURED_WITH_MUON


def set_schedule(cfg: "Config", epochs: int, iterations: int) -> None:
    """Stretch schedulers and hooks from the recipe's length to ours.

    ``iterations`` are those of one epoch. Warm-ups are counted in iterations and
    shortened to a tenth of the training where they would take more.
    """
    old_epochs, old_iterations = _old_length(cfg, epochs, iterations)
    warm_up = max(SHORTEST_WARM_UP, int(WARM_UP_FRACTION * epochs * iterations))
    schedulers = cfg.get("param_scheduler") or []
    cfg.param_scheduler = schedulers = (
        schedulers if isinstance(schedulers, list) else [schedulers]
    )
    for scheduler in schedulers:
        by_epoch = scheduler.get("by_epoch", True)
        if scheduler.type in WARM_UPS and not by_epoch:
            scheduler.begin = 0
            scheduler.end = min(scheduler.end, warm_up)
            continue
        ratio = (
            epochs / old_epochs if by_epoch else epochs * iterations / old_iterations
        )
        _stretch(scheduler, ratio)
    for hook in cfg.get("custom_hooks") or []:
        if "switch_epoch" in hook:
            hook.switch_epoch = max(1, round(hook.switch_epoch * epochs / old_epochs))
        if "num_last_epochs" in hook:
            hook.num_last_epochs = round(hook.num_last_epochs * epochs / old_epochs)


def _stretch(scheduler: "Config", ratio: float) -> None:
    """Multiply epochs or iterations of a scheduler and keep its shape, in place."""
    turns_at_end = scheduler.get("T_max") == _span(scheduler)
    for key in ("begin", "end", "T_max"):
        if scheduler.get(key):
            scheduler[key] = max(1, round(scheduler[key] * ratio))
    if scheduler.get("end") and scheduler.get("begin", 0) >= scheduler.end:
        scheduler.begin = scheduler.end - 1  # a training of one epoch
    has_more_steps = scheduler.get("convert_to_iter_based", False)
    if scheduler.type in WARM_UPS and _span(scheduler) == 1 and not has_more_steps:
        scheduler.end += SHORTEST_WARM_UP - 1
    if turns_at_end or scheduler.get("T_max", math.inf) < _span(scheduler):
        # Rounded apart, the cosine would rise again before its end.
        scheduler.T_max = _span(scheduler)
    if "milestones" in scheduler:
        scheduler.milestones = [
            max(1, round(stone * ratio)) for stone in scheduler.milestones
        ]


def _span(scheduler: "Config") -> int:
    """Return how many epochs or iterations a scheduler is in use; 0 if to the end."""
    return scheduler.get("end", 0) and scheduler.end - scheduler.get("begin", 0)


def _old_length(cfg: "Config", epochs: int, iterations: int) -> tuple[int, int]:
    """Return the recipe's own epochs and iterations, each told from the other."""
    loop = cfg.train_cfg
    if "max_iters" in loop:
        return max(1, loop.max_iters // iterations), loop.max_iters
    old_epochs = loop.get("max_epochs", epochs)
    return old_epochs, old_epochs * iterations


def set_runtime(cfg: "Config", recipe: Recipe) -> None:
    """Set loop, checkpoints, seed and folders."""
    cfg.train_cfg = dict(
        type="EpochBasedTrainLoop",
        max_epochs=recipe.epochs,
        val_interval=min(recipe.val_interval, recipe.epochs),
    )
    cfg.val_cfg = recipe.val and dict(type="ValLoop")
    cfg.test_cfg = dict(type="TestLoop")
    sampler = cfg.train_dataloader.get("sampler")
    if sampler is None or sampler.type == "InfiniteSampler":
        cfg.train_dataloader.sampler = dict(type="DefaultSampler", shuffle=True)
    cfg.default_hooks.checkpoint = dict(
        type="CheckpointHook",
        interval=1,
        by_epoch=True,
        max_keep_ckpts=recipe.keep_checkpoints,
        **(dict(save_best="coco/bbox_mAP", rule="greater") if recipe.val else {}),
    )
    cfg.default_hooks.logger = dict(type="LoggerHook", interval=10)
    cfg.log_processor = dict(type="LogProcessor", window_size=10, by_epoch=True)
    cfg.randomness = dict(seed=recipe.seed)
    cfg.env_cfg = dict(
        cudnn_benchmark=False,
        mp_cfg=dict(mp_start_method="fork", opencv_num_threads=1),
        dist_cfg=dict(backend="gloo"),
    )
    cfg.load_from = None
    cfg.resume = False
    cfg.work_dir = recipe.work_dir
