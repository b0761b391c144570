"""How far each stage of an experiment is, by the files that are there."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mmdet_flow import layout
from mmdet_flow.progress.reasons import last_error
from mmdet_flow.progress.stages import STEPS, TRAINING
from mmdet_flow.progress.state import DONE, FAILED, RUNNING, STOPPED, WAITING

MADE = {
    "data": (layout.ANNOTATIONS, layout.fill(layout.SPLIT, split="test")),
    "config": (layout.CONFIG,),
    "train": (layout.CHECKPOINT, layout.DEPLOYED),
    "evaluate": (layout.METRICS, layout.GALLERY),
    "predict": (layout.PREDICTED_IMAGES, layout.OVERVIEW),
    "handover": (layout.SUMMARY, layout.RECORD),
}
"""The files that a stage has made when it is done."""

SIGNS = ("dataset", "model", "splits", "training", "evaluation", "logs")
"""Folders by one of which a folder is known to be of an experiment."""

ALIVE = 120.0
"""Seconds since a job last wrote after which it is no longer taken to run."""

RULES = {
    stage: [rule for rule, step in STEPS.items() if step.stage == stage]
    for stage in MADE
}


@dataclass(frozen=True)
class StageFiles:
    """``status`` is as in ``progress.state``; ``written`` is when a job last wrote.

    STOPPED is what began and has not written for a while: it may have been ended, or
    think. ``reason`` is that of an error.
    """

    name: str
    status: str
    written: float | None
    reason: str = ""


EARLY = ("list_images",)
"""Rules that run long before the others of their stage, which has not begun by them."""


def stages_of(folder: Path, now: float | None = None) -> list[StageFiles]:
    """Return the stages of the experiment in a folder; ``now`` is for tests."""
    now = time.time() if now is None else now
    return [_stage(folder, name, now) for name in MADE]


def is_experiment(folder: Path) -> bool:
    """Whether a folder holds what an experiment makes."""
    return any((folder / name).is_dir() for name in SIGNS)


def _stage(folder: Path, name: str, now: float) -> StageFiles:
    there = [(folder / place).exists() for place in MADE[name]]
    logs = sorted(_logs(folder, name), key=written_at)
    times = [written_at(log) for log in logs if log.stem not in EARLY]
    if name == STEPS[TRAINING].stage:
        times.append(written_at(folder / layout.TRAINING_LINES))
    written = max(times, default=0.0) or None
    if all(there):
        return StageFiles(name, DONE, written)
    errors = [error for log in logs if (error := last_error(log))]
    is_alive = written is not None and now - written < ALIVE
    if errors:
        return StageFiles(name, FAILED, written, errors[-1])
    if is_alive:
        return StageFiles(name, RUNNING, written)
    return StageFiles(name, STOPPED if written or any(there) else WAITING, written)


def _logs(folder: Path, stage: str) -> Iterator[Path]:
    for rule in RULES[stage]:
        yield from (folder / "logs").glob(f"{rule}.log")
        yield from (folder / "logs").glob(f"{rule}-*.log")


def written_at(path: Path) -> float:
    """Return when a file was written, in seconds since 1970; 0 if it is not there."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
