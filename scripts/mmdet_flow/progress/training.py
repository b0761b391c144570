"""How far a training is, from the files that it writes while it runs."""

import contextlib
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from mmdet_flow import layout
from mmdet_flow.early_end import early_end
from mmdet_flow.stage_times import StageTimes

METRICS = ("segm_mAP", "bbox_mAP")
"""Of a validation, the one to show: masks where there are any."""

NOT_AS_WRITTEN = (
    *(ValueError, LookupError, TypeError, AttributeError, ArithmeticError),
)
"""What reading files of another version, or half of one, may raise."""


@dataclass(frozen=True)
class Validation:
    iteration: int
    epoch: int
    metric: str
    score: float


@dataclass(frozen=True)
class Training:
    """``total`` is None until the training has said how long it will take.

    ``doing`` is what is done before the first iteration; then ``iteration`` is the one
    that it goes on after. ``early_end`` says how much of the plan it takes, if not all.
    """

    iteration: int = 0
    total: int | None = None
    epoch: int = 0
    loss: float | None = None
    last: Validation | None = None
    best: Validation | None = None
    seconds_left: float | None = None
    doing: str = ""
    early_end: str = ""

    @property
    def fraction(self) -> float | None:
        """How much is done, from 0 to 1."""
        return min(1.0, self.iteration / self.total) if self.total else None


@dataclass
class NewLines:
    """Reads what is new in a file of JSON lines that somebody else writes."""

    path: Path
    _offset: int = 0
    _inode: int = 0

    def read(self, since: float = 0.0) -> tuple[bool, list[dict]]:
        """Return whether the file begins anew, and the whole lines that are new.

        Nothing is new in a file older than ``since``. OSError if it cannot be read.
        """
        with open(self.path, "rb") as stream:
            status = os.fstat(stream.fileno())
            if status.st_mtime < since:
                return False, []
            is_new = status.st_ino != self._inode or status.st_size < self._offset
            if is_new:
                self._offset, self._inode = 0, status.st_ino
            stream.seek(self._offset)
            whole = stream.read().rpartition(b"\n")[0]
        if whole:
            self._offset += len(whole) + 1
        return is_new, list(_values(whole.splitlines()))


def _values(lines: Iterable[bytes]) -> Iterator[dict]:
    """Yield what lines hold that are as this version writes them."""
    for line in lines:
        try:
            values = json.loads(line)
            if values["mode"] == "val":
                yield values | {name: int(values[name]) for name in ("iter", "epoch")}
            else:
                yield {
                    "mode": "train",
                    "iter": int(values["iter"]),
                    "epoch": int(values["epoch"]),
                    "loss": float(values["loss"]),
                }
        except NOT_AS_WRITTEN:
            continue


@dataclass
class Follower:
    """Reads what is new in the files of a training.

    Files that are older than ``since``, the start of its job, are of a training before.
    """

    folder: Path
    since: float = 0.0
    training: Training = field(default_factory=Training)
    losses: list[tuple[int, float]] = field(default_factory=list)
    validations: list[Validation] = field(default_factory=list)
    _lines: NewLines | None = None
    _first: tuple[float, int] | None = None
    _times: StageTimes | None = None

    @classmethod
    def of_checkpoint(cls, checkpoint: Path, since: float) -> "Follower":
        """Return what follows the training that will publish a checkpoint."""
        experiment = checkpoint.parent.parent
        return cls(experiment / layout.TRAINING, since)

    def look(self, now: float) -> Training:
        """Return how far it is; files that are missing or half there change nothing."""
        with contextlib.suppress(OSError):
            self._read_lines()
        self._read_preparing()
        if self.training.iteration:  # else they are of a training before
            self._read_estimate(now)
            self._read_early_end()
        return self.training

    def _read_preparing(self) -> None:
        path, doing, done = self.folder / layout.PREPARING.name, "", 0
        with contextlib.suppress(OSError, *NOT_AS_WRITTEN):
            if path.stat().st_mtime >= self.since:
                found = json.loads(path.read_bytes())
                doing, done = str(found["doing"]), int(found["iteration"])
        if done:
            doing = f"resuming after iteration {done}: {doing}"
        iteration = max(self.training.iteration, done)
        self.training = replace(self.training, doing=doing, iteration=iteration)

    def _read_early_end(self) -> None:
        path = self.folder / layout.RECIPE.name
        with contextlib.suppress(OSError, *NOT_AS_WRITTEN):
            text = early_end(json.loads(path.read_bytes()))
            self.training = replace(self.training, early_end=text)

    def _read_lines(self) -> None:
        if self._lines is None:
            self._lines = NewLines(self.folder / layout.TRAINING_LINES.name)
        is_new, lines = self._lines.read(self.since)
        if is_new:
            self.training = Training()
            self.losses, self.validations = [], []
        for values in lines:
            if values["mode"] == "val":
                self._validated(values)
            else:
                self.losses.append((values["iter"], values["loss"]))
        self._trained(lines)

    def _trained(self, lines: list[dict]) -> None:
        train = [values for values in lines if values["mode"] == "train"]
        if train:
            self.training = replace(
                self.training,
                iteration=train[-1]["iter"],
                epoch=train[-1]["epoch"],
                loss=train[-1]["loss"],
            )

    def _validated(self, values: dict) -> None:
        scores = (name for name in METRICS if isinstance(values.get(name), int | float))
        metric = next(scores, None)
        if metric is None:
            return
        last = Validation(
            values["iter"], values["epoch"], metric, float(values[metric])
        )
        self.validations.append(last)
        best = max(self.validations, key=lambda one: one.score)
        self.training = replace(self.training, last=last, best=best)

    def _read_estimate(self, now: float) -> None:
        try:
            estimate = json.loads((self.folder / layout.ESTIMATE.name).read_bytes())
            total = int(estimate["total"])
            firsts = [int(stage["first"]) for stage in estimate["stages"]]
            seconds = [float(stage["seconds"]) for stage in estimate["stages"]]
        except (OSError, *NOT_AS_WRITTEN):
            return
        self._times = StageTimes(firsts, seconds, total)
        done = self.training.iteration
        if self._first is None and done and not self.training.doing:
            self._first = now, done
        left = self._times.between(done, total) * self._delay(now)
        self.training = replace(self.training, total=total, seconds_left=left)

    def _delay(self, now: float) -> float:
        """Return how many times as long as estimated it takes, validations included."""
        began, first = self._first or (now, self.training.iteration)
        done = self.training.iteration
        expected = self._times.between(first, done)
        return (now - began) / expected if done - first >= ENOUGH and expected else 1.0


ENOUGH = 50
"""Iterations that say more than the estimate of the training."""
