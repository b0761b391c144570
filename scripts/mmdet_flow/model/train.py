"""A training from a patched config, from its work folder to what it publishes."""

import contextlib
import hashlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from mmdet_flow import cli, layout, processor
from mmdet_flow.dataset.classes import require_same_classes
from mmdet_flow.dataset.coco import CocoFile
from mmdet_flow.errors import ModelError, UsageError
from mmdet_flow.files import (
    is_inside,
    keep_inputs,
    read_table,
    sha256_of,
    write_if_changed,
)
from mmdet_flow.imports import import_mmdet, leave_compiler_out
from mmdet_flow.memory import keep_freed_memory
from mmdet_flow.model.config import files_of, load_config, require_parts, text_of
from mmdet_flow.model.course import SHORTENED, Turn
from mmdet_flow.model.neighbours import announced
from mmdet_flow.model.processes import (
    joined_processes,
    number_of_processes,
    on_main,
)
from mmdet_flow.model.work_dir import WorkDir
from mmdet_flow.precisions import AUTO, EXACT

if TYPE_CHECKING:
    from mmengine.config import Config

NEEDED = ("model", "train_dataloader", "optim_wrapper", "train_cfg", "default_hooks")
"""What a config must have to train by it."""


@dataclass(frozen=True)
class Options:
    """The options of a training.

    Attributes:
        resume: None, "auto" for the newest state of the work folder, or a state's path.
        precision: "auto", which measures, or one of TRAINABLE.
        load_from: weights to start from, a path or a name in the store.
        publish: where to write the best checkpoint, or the last without validation.
        curves: where to put the picture of loss, learning rate and validations.
        hours: of the whole training, which ends early and properly to keep them.
        max_hours: save and raise Interrupted after so long.
        patience: end after so many validations without a better one; 0 never does.
        save_minutes: time between two states.
        stop_after: raise Interrupted after so many iterations.
        turns: to take beside those of the config, as a training before took them.
    """

    config: str
    work_dir: Path | None = None
    resume: str | None = None
    cfg_options: list[str] = field(default_factory=list)
    precision: str = EXACT
    load_from: str | None = None
    auto_scale_lr: bool = False
    launcher: str = "none"
    threads: int | None = None
    publish: Path | None = None
    curves: Path | None = None
    hours: float | None = None
    max_hours: float | None = None
    patience: int = 0
    save_minutes: float = 1.0
    stop_after: int | None = None
    turns: tuple[Turn, ...] = ()


def train(options: Options) -> None:
    """Train, and publish the result where that is asked for."""
    started = time.monotonic()
    threads = options.threads or cli.available_threads()
    _prepare_process(threads)
    with joined_processes(options.launcher):
        _train(options, threads, started)


def _train(options: Options, threads: int, started: float) -> None:
    cfg = load_config(options.config, options.cfg_options)
    require_parts(cfg, options.config, NEEDED)
    cfg.work_dir = str(
        options.work_dir
        or cfg.get("work_dir")
        or f"work_dirs/{Path(options.config).stem}"
    )
    cfg.launcher = options.launcher
    if options.auto_scale_lr:
        _scale_learning_rate(cfg)
    _require_classes_of_data(cfg)
    weights = _find_weights(options.load_from or cfg.get("load_from"))
    work_dir = WorkDir(cfg.work_dir)
    _keep_inputs(cfg, options, weights)
    with contextlib.ExitStack() as stack:
        on_main(lambda: stack.enter_context(work_dir.alone()))
        state, threads = on_main(
            lambda: _begin(work_dir, cfg, options, weights, threads)
        )
        _use_threads(threads)
        _tell_threads(threads)
        on_main(lambda: stack.enter_context(announced(work_dir.path, threads)))
        _run_to_end(cfg, options, weights, state, started)


def _keep_inputs(cfg: "Config", options: Options, weights: Path | None) -> None:
    """UsageError if what is published would be written over what is read."""
    outputs = [one for one in (options.publish, options.curves) if one]
    resumed = options.resume if options.resume not in (None, "auto") else None
    named = [weights, Path(resumed) if resumed else None]
    places = [_places_of(dataset) for dataset in _datasets(cfg)]
    annotations = [file for file, _ in places if file]
    images = (
        folder / image["file_name"]
        for file, folder in places
        if file and any(is_inside(one, folder) for one in outputs)
        for image in CocoFile.read(file).images
    )
    own = WorkDir(cfg.work_dir).files()
    of_config = files_of(options.config)
    keep_inputs(outputs, chain(of_config, named, annotations, images, own))


def _tell_threads(threads: int) -> None:
    cpus = cli.available_threads()
    which = "all" if threads == cpus else f"of {cpus}"
    cli.log.info("threads: %d, %s CPUs that this process may use", threads, which)


def _run_to_end(
    cfg: "Config",
    options: Options,
    weights: Path | None,
    state: Path | None,
    started: float,
) -> None:
    cfg.resume = state is not None
    cfg.load_from = str(state) if state else None
    _run(
        cfg,
        options.precision,
        weights,
        save_seconds=60 * options.save_minutes,
        patience=options.patience,
        stop_time=options.max_hours and started + 3600 * options.max_hours,
        stop_after=options.stop_after,
        time_limit=options.hours and 3600 * options.hours,
        started=started,
        turns=options.turns,
    )
    on_main(lambda: _deliver(cfg, options))


def _deliver(cfg: "Config", options: Options) -> None:
    """Put what a finished training made where it is wanted."""
    if options.publish:
        publish_run(cfg, options.publish)
    if options.curves:
        picture = WorkDir(cfg.work_dir).path / layout.CURVES.name
        write_if_changed(options.curves, picture.read_bytes())


def publish_run(cfg: "Config", target: Path) -> None:
    """Publish what a finished work folder holds: its best weights, or its last."""
    from mmdet_flow.model import checkpoint

    work_dir = WorkDir(cfg.work_dir)
    source = work_dir.result()
    classes = tuple(_leaf_dataset(cfg)["metainfo"]["classes"])
    with_turns = _with_turns(cfg, work_dir.turns())
    checkpoint.publish(source, target, _portable_text(with_turns), classes)
    cli.log.info("published %s as %s", source, target)


def _with_turns(cfg: "Config", turns: list[Turn]) -> "Config":
    """Return a config that says of itself what was decided while it was trained by."""
    if not turns:
        return cfg
    cfg = cfg.copy()
    stated = cfg.train_cfg.get(SHORTENED, [])
    cfg.train_cfg = {**cfg.train_cfg, SHORTENED: [*stated, *map(list, turns)]}
    return cfg


def _prepare_process(threads: int) -> None:
    os.environ["OMP_NUM_THREADS"] = str(threads)
    keep_freed_memory()
    import cv2

    cv2.setNumThreads(1)
    _use_threads(threads)


def _use_threads(threads: int) -> None:
    import torch

    os.environ["OMP_NUM_THREADS"] = str(threads)
    torch.set_num_threads(threads)


def _run(cfg: "Config", precision: str, weights: Path | None, **loop_options) -> None:
    with _telling(cfg) as tell:
        tell("loading the model")
        import_mmdet(several_processes=cfg.launcher != "none")
        if not cfg.get("compile"):  # which mmengine takes
            leave_compiler_out()
        from mmdet_flow.model.preflight import preflight
        from mmdet_flow.model.runner import build_runner

        # The framework logs to stdout; ours is for results, so all goes to stderr.
        with contextlib.redirect_stdout(sys.stderr):
            runner = build_runner(cfg, weights, **loop_options)
            tell("trying a step with the data")
            preflight(runner)
            tell("comparing precisions" if precision == AUTO else "timing a step")
            runner.choose_precision(precision)
    with contextlib.redirect_stdout(sys.stderr):
        runner.train()


@contextlib.contextmanager
def _telling(cfg: "Config") -> Iterator[Callable[[str], None]]:
    """Let the work folder have what is done, before a training has lines to show."""
    work_dir, state = WorkDir(cfg.work_dir), cfg.resume and Path(cfg.load_from)
    try:
        yield lambda doing: on_main(lambda: work_dir.prepare(doing, state or None))
    finally:
        work_dir.prepared()


def _require_classes_of_data(cfg: "Config") -> None:
    """Refuse a config without classes, or with others than the data have by now."""
    named = _leaf_dataset(cfg).get("metainfo", {}).get("classes")
    if not named:
        raise ModelError(
            "the config names no classes (train_dataloader.dataset.metainfo); "
            "mmdet-flow model patch fits it to your data"
        )
    annotations = _annotations(cfg)
    require_same_classes(
        named,
        CocoFile.read(annotations).classes,
        owner="the config",
        other=annotations,
        fix="make the config again with mmdet-flow model patch",
    )


def _find_weights(name: str | None) -> Path | None:
    from mmdet_flow.model.weights.store import find_weights

    return find_weights(name) if name else None


def _begin(
    work_dir: WorkDir,
    cfg: "Config",
    options: Options,
    weights: Path | None,
    threads: int,
) -> tuple[Path | None, int]:
    """Make the work folder ready; return the state to go on from, and the threads."""
    from mmdet_flow.model.checkpoint import load_training_checkpoint, versions

    config = _portable_text(cfg)
    record = {
        "sha256": _recipe_sha256(cfg, config, options.precision, weights),
        "load_from": str(weights) if weights else None,
        "threads": threads,
        "processes": number_of_processes(),
        "cpu": _cpu_capability(),
        "features": processor.features(processor.TORCH),
        "versions": versions(),
    }
    if options.hours:
        record["hours"] = options.hours
    if options.precision != AUTO:
        record["precision"] = options.precision
    if options.resume not in (None, "auto"):
        # Refuses what is missing, damaged or unsafe.
        load_training_checkpoint(Path(options.resume))
    state = work_dir.begin(record, config, options.resume)
    if state:
        cli.log.info("resuming from %s", state)
    else:
        cli.log.info("training starts from the beginning")
    kept = work_dir.in_force()["threads"]
    if kept != threads:
        told = "threads stay %d as at the beginning, not %d: others change the weights"
        cli.log.info(told, kept, threads)
    return state, kept


def _recipe_sha256(
    cfg: "Config", config: str, precision: str, weights: Path | None
) -> str:
    """Hash what decides the weights.

    Config, annotations, images, precision, first weights, and the number of processes.
    """
    annotations = "\n".join(map(_data_sha256, _datasets(cfg)))
    first = sha256_of(weights) if weights else ""
    processes = str(number_of_processes())
    words = "\n".join((config, annotations, precision, first, processes))
    return hashlib.sha256(words.encode()).hexdigest()


def _datasets(cfg: "Config") -> list[dict]:
    """Return what is learned from, and what chooses the best weights."""
    loaders = (cfg.train_dataloader, cfg.get("val_dataloader"))
    return [_leaf_of(loader.dataset) for loader in loaders if loader]


def _data_sha256(dataset: dict) -> str:
    """Hash the annotations of a data set, and its images where they have hashes."""
    annotations, images = _places_of(dataset)
    if annotations is None:
        return ""
    hashes = read_table(images.parent / layout.PIXELS.name)
    known = {row["file"]: row["sha256"] for row in hashes}
    files = CocoFile.read(annotations).images if known else []
    words = [
        sha256_of(annotations),
        *(known.get(one["file_name"], "") for one in files),
    ]
    return hashlib.sha256("\n".join(words).encode()).hexdigest()


def _places_of(dataset: dict) -> tuple[Path | None, Path]:
    """Return the annotations of a data set, if it has any, and its images."""
    root = dataset.get("data_root") or ""
    images = Path(root, (dataset.get("data_prefix") or {}).get("img", ""))
    return Path(root, dataset["ann_file"]) if "ann_file" in dataset else None, images


def _cpu_capability() -> str:
    import torch

    return torch.backends.cpu.get_cpu_capability()


def _portable_text(cfg: "Config") -> str:
    """Return the config's text without what belongs to one run on one machine."""
    portable = cfg.copy()
    for key in ("work_dir", "resume", "load_from", "launcher"):
        portable.pop(key, None)
    return text_of(portable)


def _leaf_dataset(cfg: "Config") -> dict:
    return _leaf_of(cfg.train_dataloader.dataset)


def _leaf_of(dataset: dict) -> dict:
    while "dataset" in dataset:
        dataset = dataset.dataset
    return dataset


def _annotations(cfg: "Config") -> str:
    """Return the path of the training annotations, found as mmdet finds it."""
    dataset = _leaf_dataset(cfg)
    return os.path.join(dataset.get("data_root") or "", dataset["ann_file"])


def _scale_learning_rate(cfg: "Config") -> None:
    if "base_batch_size" not in cfg.get("auto_scale_lr", {}):
        raise UsageError(
            "--auto-scale-lr: the config has no auto_scale_lr.base_batch_size; say it "
            "with --cfg-options, or leave the option out"
        )
    cfg.auto_scale_lr.enable = True
