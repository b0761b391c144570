"""How far a training is, from the files that it writes while it runs."""

import json
from dataclasses import dataclass, field, replace
from pathlib import Path

from mmdet_flow import layout

METRICS = ("segm_mAP", "bbox_mAP")
"""Of a validation, the one to show: masks where there are any."""


@dataclass(frozen=True)
class Validation:
    epoch: int
    metric: str
    score: float


@dataclass(frozen=True)
class Training:
    """``total`` is None until the training has said how long it will take."""

    iteration: int = 0
    total: int | None = None
    epoch: int = 0
    loss: float | None = None
    last: Validation | None = None
    best: Validation | None = None
    seconds_left: float | None = None

    @property
    def fraction(self) -> float | None:
        """How much is done, from 0 to 1."""
        return min(1.0, self.iteration / self.total) if self.total else None


@dataclass
class Follower:
    """Reads what is new in the files of a training.

    Files that are older than ``since``, the start of its job, are of a training before.
    """

    folder: Path
    since: float = 0.0
    training: Training = field(default_factory=Training)
    _offset: int = 0
    _inode: int = 0
    _first: tuple[float, int] | None = None

    @classmethod
    def of_checkpoint(cls, checkpoint: Path, since: float) -> "Follower":
        """Return what follows the training that will publish a checkpoint."""
        experiment = checkpoint.parent.parent
        return cls(experiment / layout.TRAINING, since)

    def look(self, now: float) -> Training:
        """Return how far it is; files that are missing or half there change nothing."""
        try:
            self._read_lines()
        except OSError:
            return self.training
        self._read_estimate(now)
        return self.training

    def _read_lines(self) -> None:
        path = self.folder / layout.TRAINING_LINES.name
        with open(path, "rb") as stream:
            status = path.stat()
            if status.st_mtime < self.since:
                return
            if status.st_ino != self._inode or status.st_size < self._offset:
                self._offset, self._inode = 0, status.st_ino
                self.training = Training()
            stream.seek(self._offset)
            whole = stream.read().rpartition(b"\n")[0]
        if whole:
            self._offset += len(whole) + 1
            for line in whole.splitlines():
                self._take(line)

    def _take(self, line: bytes) -> None:
        try:
            values = json.loads(line)
            if values["mode"] == "val":
                self._validated(values)
            else:
                self.training = replace(
                    self.training,
                    iteration=int(values["iter"]),
                    epoch=int(values["epoch"]),
                    loss=float(values["loss"]),
                )
        except (ValueError, LookupError, TypeError):
            return  # as an older or a later version wrote it

    def _validated(self, values: dict) -> None:
        metric = next((name for name in METRICS if name in values), None)
        if metric is None:
            return
        last = Validation(int(values["epoch"]), metric, float(values[metric]))
        best = self.training.best
        if best is None or last.score > best.score:
            best = last
        self.training = replace(self.training, last=last, best=best)

    def _read_estimate(self, now: float) -> None:
        try:
            path = self.folder / layout.ESTIMATE.name
            estimate = json.loads(path.read_bytes())
            each = float(estimate["seconds_per_iteration"])
            total = int(estimate["total"])
        except (OSError, ValueError, LookupError, TypeError):
            return
        done = self.training.iteration
        if self._first is None and done:
            self._first = now, done
        left = max(0, total - done) * self._pace(now, each)
        self.training = replace(self.training, total=total, seconds_left=left)

    def _pace(self, now: float, estimated: float) -> float:
        """Return the seconds of an iteration, its share of the validations included."""
        began, first = self._first or (now, self.training.iteration)
        done = self.training.iteration - first
        return (now - began) / done if done >= ENOUGH else estimated


ENOUGH = 50
"""Iterations whose mean says more than the estimate of the training."""
