"""Fit an exported config to a data set and a machine.

All places are found by walking the expanded config: every ``num_classes``, every
data set however it is wrapped, every pipeline, every schedule.
"""

import argparse
import copy
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmdet_flow import cli
from mmdet_flow.dataset.classes import classes_sha256, require_same_classes
from mmdet_flow.dataset.coco import CocoFile
from mmdet_flow.errors import DataError, ModelError
from mmdet_flow.files import write_if_changed
from mmdet_flow.model.changes import changes
from mmdet_flow.model.export import add_cfg_options, load_config, parse_cfg_options

if TYPE_CHECKING:
    from mmengine.config import Config

LOADERS = ("train_dataloader", "val_dataloader", "test_dataloader")
RUNNER_KEYS = (
    "default_scope",
    "custom_imports",
    "model",
    *LOADERS,
    "val_evaluator",
    "test_evaluator",
    "train_cfg",
    "val_cfg",
    "test_cfg",
    "optim_wrapper",
    "param_scheduler",
    "default_hooks",
    "custom_hooks",
    "randomness",
    "env_cfg",
    "visualizer",
    "log_processor",
    "log_level",
    "load_from",
    "resume",
    "work_dir",
)
"""The keys that the runner reads; what else a config holds are its helpers."""

WARM_UP_SHARE = 0.1
"""Warm-up takes at most this share of all iterations."""

CLIP_NORM = 35.0
"""Gradient norm to clip at where the recipe has no clipping (mmdet's own value)."""


@dataclass(frozen=True)
class Recipe:
    """What the user decides; everything else stays as the model zoo has it.

    Without ``val`` there is no validation, and the last checkpoint counts.
    """

    train: Path
    val: Path | None
    test: Path
    images: Path
    epochs: int
    batch_size: int
    image_size: int | None = None
    learning_rate: float | None = None
    pretrained: bool = False
    frozen_stages: int | None = None
    augment: str = "recipe"
    val_interval: int = 1
    keep_checkpoints: int = 2
    seed: int = 0
    processes: int = 1
    work_dir: str = "work_dir"

    @property
    def images_per_step(self) -> int:
        """The batches of all processes together, which one update follows."""
        return self.batch_size * self.processes


def patch_config(
    config: str, output: Path, recipe: Recipe, cfg_options: list[str]
) -> None:
    """Read a config, fit it to the recipe, and write it."""
    base = load_config(config)
    cfg = copy.deepcopy(base)
    patch(cfg, recipe)
    if cfg_options:
        cfg.merge_from_dict(parse_cfg_options(cfg_options))
    pair = ({key: one.get(key) for key in RUNNER_KEYS} for one in (base, cfg))
    notes = "".join(f"#   {line}\n" for line in changes(*pair))
    header = f"# Changed from {Path(config).stem}:\n{notes}\n"
    write_if_changed(output, header + cfg.pretty_text)
    cli.log.info("patched %s into %s", config, output)


def patch(cfg: "Config", recipe: Recipe) -> None:
    """Fit a config to a recipe, in place."""
    train = CocoFile.read(recipe.train)
    iterations = math.ceil(len(train.images) / recipe.images_per_step)
    _require_objects(train)
    _require_masks(cfg, train)
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
    set_optimizer(cfg, recipe)
    set_schedule(cfg, recipe.epochs, iterations)
    set_runtime(cfg, recipe)
    for key in ("auto_scale_lr", "max_epochs", "max_iters"):
        cfg.pop(key, None)


def walk(node: Any) -> Iterator[dict]:
    """Yield each dictionary of a config tree, parents first."""
    if isinstance(node, dict):
        yield node
        for child in list(node.values()):
            yield from walk(child)
    elif isinstance(node, list | tuple):
        for child in node:
            yield from walk(child)


def set_classes(model: dict, count: int) -> None:
    """Set the number of classes wherever the model holds it, the RPN aside."""
    for node in walk(model):
        if "RPN" in str(node.get("type", "")):
            continue
        for key, value in (
            ("num_classes", count),
            ("num_things_classes", count),
            ("num_stuff_classes", 0),
        ):
            if key in node:
                node[key] = value
        # One weight a class and one for "no object", as in the MaskFormer family.
        weights = node.get("class_weight")
        if isinstance(weights, list | tuple):
            node["class_weight"] = [weights[0]] * count + [weights[-1]]


def use_single_process_norm(model: dict) -> None:
    """Replace the batch norms that need several processes."""
    for node in walk(model):
        if node.get("type") in ("SyncBN", "MMSyncBN"):
            node["type"] = "BN"


def train_from_scratch(model: dict) -> None:
    """Drop pretrained weights, and thaw what was frozen because of them."""
    drop_pretrained(model)
    for node in walk(model):
        if node.get("pretrained"):
            node["pretrained"] = None
        if "frozen_stages" in node:
            node["frozen_stages"] = -1
        if "norm_eval" in node:
            node["norm_eval"] = False
        if node.get("requires_grad") is False and "BN" in str(node.get("type")):
            node["requires_grad"] = True


def freeze_stages(model: dict, count: int) -> None:
    """Keep the first stages of the backbone as they are; -1 trains all of it.

    Raises ModelError for a backbone that cannot do that.
    """
    import inspect

    import mmdet.models  # noqa: F401  fills the registry
    from mmdet.registry import MODELS

    backbone = model.get("backbone") or {}
    kinds = inspect.getmro(MODELS.get(backbone.get("type")) or object)
    if not any("frozen_stages" in inspect.signature(kind).parameters for kind in kinds):
        raise ModelError(
            f"--frozen-stages: the backbone {backbone.get('type')} has no stages to "
            "freeze; leave the option out"
        )
    backbone["frozen_stages"] = count


def drop_pretrained(model: dict) -> None:
    """Drop the weights that a model would load when it is built."""
    for node in walk(model):
        init = node.get("init_cfg")
        if isinstance(init, dict) and init.get("type") == "Pretrained":
            node["init_cfg"] = None


def set_data(cfg: "Config", recipe: Recipe, classes: list[str]) -> None:
    """Point loaders and evaluators together at one data set."""
    annotations = (recipe.train, recipe.val, recipe.test)
    for key, annotation in zip(LOADERS, annotations, strict=True):
        if annotation is None:
            cfg[key] = None
            continue
        loader = cfg[key]
        loader.dataset = _fit_dataset(loader.dataset, annotation, recipe, classes)
        loader.update(
            batch_size=recipe.batch_size if key == "train_dataloader" else 1,
            # Exact repetition needs one random stream: no loader processes.
            num_workers=0,
            persistent_workers=False,
            pin_memory=False,
        )
        loader.pop("prefetch_factor", None)
    metric = ["bbox", "segm"] if predicts_masks(cfg) else "bbox"
    for key, annotation in (
        ("val_evaluator", recipe.val),
        ("test_evaluator", recipe.test),
    ):
        cfg[key] = annotation and dict(
            type="CocoMetric", ann_file=str(annotation), metric=metric
        )


def _fit_dataset(dataset: dict, annotation: Path, recipe: Recipe, classes) -> dict:
    """Return a data set of ours in the wrapping of the recipe's."""
    if dataset.type == "MultiImageMixDataset":
        # Mosaic and MixUp of the YOLOX family live in this wrapper.
        dataset.dataset = _fit_dataset(dataset.dataset, annotation, recipe, classes)
        return dataset
    leaf = next((node for node in walk(dataset) if "ann_file" in node), dataset)
    pipeline = leaf.get("pipeline") or dataset.get("pipeline")
    fitted = dict(
        type="CocoDataset",
        ann_file=str(annotation),
        data_root="",
        data_prefix=dict(img=f"{recipe.images}/"),
        metainfo=dict(classes=tuple(classes), classes_sha256=classes_sha256(classes)),
        # Images without objects teach the background: none is filtered out.
        filter_cfg=None,
        test_mode=annotation is not recipe.train,
        pipeline=pipeline,
    )
    return type(dataset)(fitted)


def predicts_masks(cfg: "Config") -> bool:
    """Whether the recipe trains on instance masks."""
    return any(
        node.get("type") == "LoadAnnotations" and node.get("with_mask")
        for node in walk(cfg.train_dataloader)
    )


def _require_objects(train: CocoFile) -> None:
    """Refuse data without anything to learn, and name classes without an object."""
    found = {item["category_id"] for item in train.annotations if _is_learned(item)}
    if not found:
        raise DataError(
            f"{train.path}: none of its {len(train.annotations)} annotations in "
            f"{len(train.images)} images can be learned (a box of a pixel or more, not "
            "a crowd); annotate some, or choose other splits"
        )
    missing = [one["name"] for one in train.categories if one["id"] not in found]
    if missing:
        cli.log.warning(
            "%s: no object of %s, which the model cannot learn then; annotate some, or "
            "leave the class out of data.classes",
            *(train.path, ", ".join(missing)),
        )


def _is_learned(annotation: dict) -> bool:
    """Whether mmdet keeps an annotation; others it leaves out without a word."""
    _, _, width, height = annotation["bbox"]
    area = annotation.get("area", width * height)
    return min(width, height) >= 1 and area > 0 and not annotation.get("iscrowd")


def _require_masks(cfg: "Config", train: CocoFile) -> None:
    if predicts_masks(cfg) and not train.has_polygons:
        raise ModelError(
            f"{train.path}: has boxes without polygons, but the model learns instance "
            "masks; choose a model without masks, or annotate polygons"
        )


def set_image_size(cfg: "Config", size: int) -> None:
    """Scale every size of pipelines and batch augmentations.

    ``size`` becomes the longer side at test time; training sizes keep their ratio
    to it. All results are multiples of 32, the largest stride of the zoo's networks.
    """
    base = test_scale(cfg)
    keys = ("scale", "img_scale", "crop_size", "size", "scales", "border")
    hooks = [hook for hook in cfg.get("custom_hooks", []) if "switch_pipeline" in hook]
    loaders = [cfg[key] for key in LOADERS]
    batch = cfg.model.get("data_preprocessor", {}).get("batch_augments") or []
    for node in walk([loaders, hooks, batch]):
        for key in keys:
            if key in node:
                node[key] = _scaled(node[key], size / min(base))
        if "random_size_range" in node:
            ratio = size / max(base)
            node["random_size_range"] = tuple(
                _multiple_of_32(side * ratio) for side in node["random_size_range"]
            )


def test_scale(cfg: "Config") -> tuple[int, int]:
    """Return the (width, height) that the test pipeline fits images into."""
    for node in walk(cfg.test_dataloader):
        scale = node.get("scale")
        if isinstance(scale, int):
            return scale, scale
        if isinstance(scale, list | tuple):
            return tuple(scale)
    raise ModelError(
        "the config's test pipeline resizes to no fixed size; leave image_size empty"
    )


def _scaled(value: Any, ratio: float) -> Any:
    """Scale a side, a (width, height), or a list of them; a pair becomes square."""
    if isinstance(value, int | float):
        return _multiple_of_32(value * ratio)
    if value and isinstance(value[0], list | tuple):
        return [_scaled(pair, ratio) for pair in value]
    side = _multiple_of_32(min(value, key=abs) * ratio)
    return (side, side)


def _multiple_of_32(side: float) -> int:
    return int(math.copysign(max(32, round(abs(side) / 32) * 32), side))


def use_light_augmentation(cfg: "Config", train: CocoFile) -> None:
    """Replace the training pipeline by a plain one: resize, crop, flip, colours.

    Heavy mixing of images pays over hundreds of epochs; short trainings on small
    data learn more from the pictures as they are. Images are padded to the
    size of the largest and not to a square, which saves computing the empty part.
    """
    side = max(test_scale(cfg))
    masks = dict(with_mask=True, poly2mask=False) if predicts_masks(cfg) else {}
    grey = dict(img=(114, 114, 114))
    size = _largest_image(train, side)
    pipeline = [
        dict(type="LoadImageFromFile"),
        dict(type="LoadAnnotations", with_bbox=True, **masks),
        dict(
            type="RandomResize",
            scale=(side, side),
            ratio_range=(0.7, 1.3),
            keep_ratio=True,
        ),
        dict(
            type="RandomCrop",
            crop_size=size,
            crop_type="absolute",
            recompute_bbox=True,
            allow_negative_crop=True,
        ),
        dict(type="FilterAnnotations", min_gt_bbox_wh=(1, 1), keep_empty=False),
        dict(type="YOLOXHSVRandomAug"),
        dict(
            type="RandomFlip",
            prob=0.75,
            direction=["horizontal", "vertical", "diagonal"],
        ),
        dict(type="Pad", size=size, pad_val=grey),
        dict(type="PackDetInputs"),
    ]
    dataset = cfg.train_dataloader.dataset
    while "dataset" in dataset:
        dataset = dataset.dataset
    dataset.pipeline = pipeline
    cfg.train_dataloader.dataset = dataset
    for node in walk([cfg.val_dataloader, cfg.test_dataloader]):
        if node.get("type") == "Pad":
            node.pop("size", None)
            node["size_divisor"] = 32
    cfg.custom_hooks = [
        hook
        for hook in cfg.get("custom_hooks", [])
        if "PipelineSwitch" not in hook.type and "ModeSwitch" not in hook.type
    ]


def _largest_image(train: CocoFile, side: int) -> tuple[int, int]:
    """Return the (width, height) that holds every image with its longer side resized.

    Rounded up to multiples of 32.
    """
    width = height = 32
    for image in train.images:
        scale = side / max(image["width"], image["height"])
        width = max(width, math.ceil(image["width"] * scale / 32 - 0.01) * 32)
        height = max(height, math.ceil(image["height"] * scale / 32 - 0.01) * 32)
    return width, height


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
        if "Adam" in optimizer.type:
            ratio = math.sqrt(ratio)
    for scheduler in walk(cfg.get("param_scheduler") or []):
        if "eta_min" in scheduler:
            scheduler["eta_min"] = float(f"{scheduler['eta_min'] * ratio:.6g}")
    optimizer.lr = float(f"{optimizer.lr * ratio:.6g}")
    if not cfg.optim_wrapper.get("clip_grad"):
        cfg.optim_wrapper.clip_grad = dict(max_norm=CLIP_NORM, norm_type=2)


def set_schedule(cfg: "Config", epochs: int, iterations: int) -> None:
    """Stretch schedulers and hooks from the recipe's length to ours.

    ``iterations`` are those of one epoch. Warm-ups are counted in iterations and
    shortened to a tenth of the training where they would take more.
    """
    old_epochs, old_iterations = _old_length(cfg, epochs, iterations)
    warm_up = max(1, int(WARM_UP_SHARE * epochs * iterations))
    schedulers = cfg.get("param_scheduler") or []
    cfg.param_scheduler = schedulers = (
        schedulers if isinstance(schedulers, list) else [schedulers]
    )
    for scheduler in schedulers:
        by_epoch = scheduler.get("by_epoch", True)
        if scheduler.type in ("LinearLR", "ConstantLR") and not by_epoch:
            scheduler.begin = 0
            scheduler.end = min(scheduler.end, warm_up)
            continue
        ratio = (
            epochs / old_epochs if by_epoch else epochs * iterations / old_iterations
        )
        for key in ("begin", "end", "T_max"):
            if scheduler.get(key):
                scheduler[key] = max(1, round(scheduler[key] * ratio))
        if scheduler.get("end") and scheduler.get("begin", 0) >= scheduler.end:
            scheduler.begin = scheduler.end - 1  # a training of one epoch
        if "milestones" in scheduler:
            scheduler.milestones = [
                max(1, round(stone * ratio)) for stone in scheduler.milestones
            ]
    for hook in cfg.get("custom_hooks") or []:
        if "switch_epoch" in hook:
            hook.switch_epoch = max(1, round(hook.switch_epoch * epochs / old_epochs))
        if "num_last_epochs" in hook:
            hook.num_last_epochs = round(hook.num_last_epochs * epochs / old_epochs)


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
        "--epochs",
        type=cli.positive_int,
        required=True,
        help="how often each training image is seen",
    )
    parser.add_argument(
        "--batch-size",
        type=cli.positive_int,
        default=8,
        help="images of a step; the learning rate is scaled to it (default: 8)",
    )
    parser.add_argument(
        "--image-size", type=cli.positive_int, help="longer side in pixels"
    )
    parser.add_argument(
        "--learning-rate", type=float, help="default: scaled from the recipe's"
    )
    parser.add_argument(
        "--pretrained", action="store_true", help="keep the recipe's pretrained weights"
    )
    parser.add_argument(
        "--frozen-stages",
        type=int,
        metavar="N",
        help="keep the first N stages of the backbone as they are loaded",
    )
    parser.add_argument(
        "--augment",
        choices=("recipe", "light"),
        default="recipe",
        help="that of the recipe, or a light one for short runs (default: recipe)",
    )
    parser.add_argument(
        "--val-interval",
        type=cli.positive_int,
        default=1,
        help="validate every so many epochs (default: 1)",
    )
    parser.add_argument(
        "--keep-checkpoints",
        type=cli.positive_int,
        default=2,
        help="states of a running training to keep (default: 2)",
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=0,
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
        "--work-dir",
        default="work_dir",
        metavar="FOLDER",
        help="where mmdet_train works (default: work_dir)",
    )
    add_cfg_options(parser)
    return parser


def main(argv: list[str] | None = None) -> int:
    args = build_parser().parse_args(argv)
    fields = Recipe.__dataclass_fields__
    recipe = Recipe(**{name: getattr(args, name) for name in fields})
    return cli.run(
        lambda: patch_config(args.config, args.output, recipe, args.cfg_options), args
    )
