"""Train a model from a patched config, and publish its checkpoint.

With --resume an interrupted training goes on from its last whole checkpoint. When
the config or the data are others than those that the work folder was made with, the
old folder is put aside and the training starts from the beginning.
"""

import argparse
import contextlib
import hashlib
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from mmdet_flow import cli
from mmdet_flow.dataset.classes import require_same_classes
from mmdet_flow.dataset.coco import CocoFile
from mmdet_flow.errors import FlowError, ModelError
from mmdet_flow.files import sha256_of
from mmdet_flow.model.export import add_cfg_options, load_config
from mmdet_flow.model.work_dir import WorkDir

if TYPE_CHECKING:
    from mmengine.config import Config

PRECISIONS = ("auto", "fp32", "bf16")


def train(
    config: str,
    work_dir: Path | None = None,
    resume: str | None = None,
    cfg_options: list[str] | None = None,
    precision: str = "fp32",
    auto_scale_lr: bool = False,
    launcher: str = "none",
    threads: int | None = None,
    publish: Path | None = None,
    max_hours: float | None = None,
    patience: int = 0,
    save_minutes: float = 1.0,
) -> None:
    """Train, and publish the best checkpoint, or the last one without validation.

    ``resume`` is None, "auto" or the path of a state. Raises Interrupted after
    ``max_hours``; 0 as ``patience`` never ends a training early.
    """
    started = time.monotonic()
    _use_threads(threads or cli.available_threads())
    cfg = load_config(config, cfg_options)
    cfg.work_dir = str(
        work_dir or cfg.get("work_dir") or f"work_dirs/{Path(config).stem}"
    )
    cfg.launcher = launcher
    if auto_scale_lr:
        _scale_learning_rate(cfg)
    _require_classes_of_data(cfg)
    checkpoint = _find_resume(cfg, resume, precision)
    cfg.resume = checkpoint is not None
    if checkpoint:
        cfg.load_from = str(checkpoint)
    _run(
        cfg,
        precision,
        save_seconds=60 * save_minutes,
        patience=patience,
        stop_time=max_hours and started + 3600 * max_hours,
    )
    if publish:
        publish_run(cfg, publish)


def publish_run(cfg: "Config", target: Path) -> None:
    """Publish what a finished work folder holds: its best weights, or its last."""
    from mmdet_flow.model import checkpoint

    source = WorkDir(cfg.work_dir).result()
    classes = tuple(_leaf_dataset(cfg)["metainfo"]["classes"])
    checkpoint.publish(source, target, _portable_text(cfg), classes)
    cli.log.info("published %s as %s", source, target)


def _use_threads(threads: int) -> None:
    os.environ["OMP_NUM_THREADS"] = str(threads)
    import cv2
    import torch

    torch.set_num_threads(threads)
    cv2.setNumThreads(1)


def _run(cfg: "Config", precision: str, **loop_options) -> None:
    from mmdet_flow.model.checkpoint import allow_training_state
    from mmdet_flow.model.runner import build_runner

    allow_training_state()
    # The framework logs to stdout; ours is for results, so all goes to stderr.
    with contextlib.redirect_stdout(sys.stderr):
        build_runner(cfg, precision, **loop_options).train()


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


def _find_resume(cfg: "Config", resume: str | None, precision: str) -> Path | None:
    """Return the state to go on from, and leave the work folder ready for it."""
    state = WorkDir(cfg.work_dir).begin(
        _recipe_sha256(cfg, precision), resume == "auto"
    )
    if resume and resume != "auto":
        state = Path(resume)
        if not state.is_file():
            raise ModelError(f"--resume {resume}: there is no such checkpoint")
    if state:
        cli.log.info("resuming from %s", state)
    return state


def _recipe_sha256(cfg: "Config", precision: str) -> str:
    """Hash what decides the weights: config, annotations and precision."""
    text = _portable_text(cfg)
    annotations = sha256_of(_leaf_dataset(cfg)["ann_file"])
    return hashlib.sha256(f"{text}\n{annotations}\n{precision}".encode()).hexdigest()


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
    parser.add_argument(
        "--max-hours",
        type=float,
        metavar="H",
        help="save and end with exit code 75 after so long; run again to go on",
    )
    parser.add_argument(
        "--save-minutes",
        type=float,
        default=1.0,
        metavar="M",
        help="save a state to go on from each so many minutes (default: 1)",
    )
    parser.add_argument(
        "--patience",
        type=int,
        default=0,
        metavar="N",
        help="end after N validations without a better one (default: 0, never)",
    )
    parser.add_argument(
        "--precision",
        choices=PRECISIONS,
        default="fp32",
        help="bf16 in backbone and neck is faster on CPUs that have it; auto measures "
        "(default: fp32)",
    )
    parser.add_argument("--amp", action="store_true", help="the same as bf16")
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
            precision="bf16" if args.amp else args.precision,
            auto_scale_lr=args.auto_scale_lr,
            launcher=args.launcher,
            threads=args.threads,
            publish=args.publish,
            max_hours=args.max_hours,
            patience=args.patience,
            save_minutes=args.save_minutes,
        ),
        args,
    )
