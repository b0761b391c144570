"""Train a model from a patched config, and publish its checkpoint.

With --resume an interrupted training goes on from its last whole checkpoint. When
the config or the data are others than those that the work folder was made with, the
old folder is put aside and the training starts from the beginning.
"""

import argparse
import contextlib
import copy
import hashlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from mmdet_flow import cli
from mmdet_flow.dataset.classes import require_same_classes
from mmdet_flow.dataset.coco import CocoFile
from mmdet_flow.errors import FlowError, ModelError
from mmdet_flow.files import read_json, sha256_of, write_json
from mmdet_flow.model.export import add_cfg_options, load_config

if TYPE_CHECKING:
    from mmengine.config import Config

RECIPE = "recipe.json"
"""The file in the work folder that says what its checkpoints were trained from."""


def train(
    config: str,
    work_dir: Path | None = None,
    resume: str | None = None,
    cfg_options: list[str] | None = None,
    amp: bool = False,
    auto_scale_lr: bool = False,
    launcher: str = "none",
    threads: int | None = None,
    publish: Path | None = None,
) -> None:
    """Train, and publish the best checkpoint, or the last one without validation.

    ``resume`` is None, "auto" or the path of a training checkpoint.
    """
    _use_threads(threads or cli.available_threads())
    cfg = load_config(config, cfg_options)
    cfg.work_dir = str(
        work_dir or cfg.get("work_dir") or f"work_dirs/{Path(config).stem}"
    )
    cfg.launcher = launcher
    if amp:
        _use_amp(cfg)
    if auto_scale_lr:
        _scale_learning_rate(cfg)
    _require_classes_of_data(cfg)
    checkpoint = _find_resume(cfg, resume)
    cfg.resume = checkpoint is not None
    if checkpoint:
        cfg.load_from = str(checkpoint)
    _run(cfg)
    if publish:
        publish_run(cfg, publish)


def publish_run(cfg: "Config", target: Path) -> None:
    """Publish what a finished work folder holds: its best checkpoint, or its last."""
    from mmdet_flow.model import checkpoint

    work_dir = Path(cfg.work_dir)
    best = sorted(work_dir.glob("best_*.pth"), key=_epoch_of)
    last = sorted(work_dir.glob("epoch_*.pth"), key=_epoch_of)
    source = (best or last or [None])[-1]
    if source is None:
        raise ModelError(f"{work_dir}: holds no checkpoint to publish")
    classes = tuple(_leaf_dataset(cfg)["metainfo"]["classes"])
    checkpoint.publish(source, target, _portable_text(cfg), classes)
    cli.log.info("published %s as %s", source, target)


def _use_threads(threads: int) -> None:
    os.environ["OMP_NUM_THREADS"] = str(threads)
    import cv2
    import torch

    torch.set_num_threads(threads)
    cv2.setNumThreads(1)


def _run(cfg: "Config") -> None:
    from mmengine.runner import Runner

    from mmdet_flow.model.checkpoint import allow_training_state
    from mmdet_flow.model.hooks import ReseedHook, StopOnNonFiniteLoss
    from mmdet_flow.model.speed import use_channels_last, use_fast_parts

    allow_training_state()
    # The config as it was given is what is published: ours has names of our own.
    cfg = copy.deepcopy(cfg)
    use_fast_parts(cfg)
    # The framework logs to stdout; ours is for results, so all goes to stderr.
    with contextlib.redirect_stdout(sys.stderr):
        try:
            runner: Runner = Runner.from_cfg(cfg)
        except (KeyError, TypeError, FileNotFoundError, ValueError) as error:
            raise ModelError(f"the config cannot be built: {error}") from error
        use_channels_last(runner.model)
        runner.register_hook(ReseedHook(runner.seed))
        runner.register_hook(StopOnNonFiniteLoss())
        runner.train()


def _require_classes_of_data(cfg: "Config") -> None:
    """Refuse data whose class list changed after the config was made."""
    dataset = _leaf_dataset(cfg)
    named = dataset.get("metainfo", {}).get("classes")
    if not named:
        return
    require_same_classes(
        named,
        CocoFile.read(dataset["ann_file"]).classes,
        "the config",
        dataset["ann_file"],
        "make the config again with mmdet_patch",
    )


def _find_resume(cfg: "Config", resume: str | None) -> Path | None:
    """Return the checkpoint to go on from, and leave the work folder ready for it."""
    work_dir = Path(cfg.work_dir)
    recipe = {"sha256": _recipe_sha256(cfg)}
    checkpoint = None
    if resume and resume != "auto":
        checkpoint = Path(resume)
        if not checkpoint.is_file():
            raise ModelError(f"--resume {resume}: there is no such checkpoint")
    elif resume == "auto" and (work_dir / RECIPE).is_file():
        if read_json(work_dir / RECIPE) == recipe:
            checkpoint = _last_whole_checkpoint(work_dir)
        else:
            _put_aside(work_dir)
    write_json(work_dir / RECIPE, recipe)
    if checkpoint:
        cli.log.info("resuming from %s", checkpoint)
    return checkpoint


def _recipe_sha256(cfg: "Config") -> str:
    """Hash what decides the weights: the config and the content of its annotations."""
    text = _portable_text(cfg)
    annotations = sha256_of(_leaf_dataset(cfg)["ann_file"])
    return hashlib.sha256(f"{text}\n{annotations}".encode()).hexdigest()


def _portable_text(cfg: "Config") -> str:
    """Return the config's text without what belongs to one run on one machine."""
    portable = cfg.copy()
    for key in ("work_dir", "resume", "load_from", "launcher"):
        portable.pop(key, None)
    return portable.pretty_text


def _leaf_dataset(cfg: "Config") -> dict:
    dataset = cfg.train_dataloader.dataset
    while "dataset" in dataset:
        dataset = dataset.dataset
    return dataset


def _last_whole_checkpoint(work_dir: Path) -> Path | None:
    from mmdet_flow.model.checkpoint import is_whole

    for path in sorted(work_dir.glob("epoch_*.pth"), key=_epoch_of, reverse=True):
        if is_whole(path):
            return path
        cli.log.warning("%s: was not written to its end; using the one before", path)
    return None


def _epoch_of(path: Path) -> int:
    return int(path.stem.rpartition("_")[2])


def _put_aside(work_dir: Path) -> None:
    """Rename a work folder that belongs to another config or other data."""
    number = 1
    while (aside := work_dir.with_name(f"{work_dir.name}.old-{number}")).exists():
        number += 1
    work_dir.rename(aside)
    cli.log.warning(
        "%s: was made from another config or other data; kept as %s, training starts "
        "from the beginning",
        work_dir,
        aside,
    )


def _use_amp(cfg: "Config") -> None:
    # CPUs compute in bfloat16, which needs no loss scaling.
    cfg.optim_wrapper.update(type="AmpOptimWrapper", dtype="bfloat16", loss_scale=1.0)


def _scale_learning_rate(cfg: "Config") -> None:
    if "base_batch_size" not in cfg.get("auto_scale_lr", {}):
        raise FlowError(
            "--auto-scale-lr: the config has no auto_scale_lr.base_batch_size"
        )
    cfg.auto_scale_lr.enable = True


def build_parser() -> argparse.ArgumentParser:
    parser = cli.new_parser("mmdet_train", __doc__)
    parser.add_argument("config", metavar="CONFIG", help="path of a patched config")
    parser.add_argument("--work-dir", type=Path, metavar="FOLDER")
    parser.add_argument(
        "--resume",
        nargs="?",
        const="auto",
        metavar="auto|FILE",
        help="go on from the last checkpoint of the work folder, or from FILE",
    )
    parser.add_argument("--amp", action="store_true", help="compute in bfloat16")
    parser.add_argument("--auto-scale-lr", action="store_true")
    parser.add_argument(
        "--launcher", choices=("none", "pytorch", "slurm", "mpi"), default="none"
    )
    parser.add_argument("--local_rank", "--local-rank", type=int, default=0)
    parser.add_argument(
        "--publish", type=Path, metavar="FILE", help="write the final checkpoint here"
    )
    cli.add_threads_option(parser)
    add_cfg_options(parser)
    return parser


def main(argv: list[str] | None = None) -> int:
    args = build_parser().parse_args(argv)
    os.environ.setdefault("LOCAL_RANK", str(args.local_rank))
    return cli.run(
        lambda: train(
            args.config,
            work_dir=args.work_dir,
            resume=args.resume,
            cfg_options=args.cfg_options,
            amp=args.amp,
            auto_scale_lr=args.auto_scale_lr,
            launcher=args.launcher,
            threads=args.threads,
            publish=args.publish,
        ),
        args,
    )
