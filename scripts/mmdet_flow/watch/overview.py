"""What is known of the experiments in a results folder, read anew when it is asked."""

import threading
import time
from dataclasses import dataclass
from pathlib import Path

from mmdet_flow import layout
from mmdet_flow.progress.ending import figures_in
from mmdet_flow.progress.state import status_of
from mmdet_flow.progress.training import Follower, Training
from mmdet_flow.watch.stages import StageFiles, is_experiment, stages_of, written_at

PICTURES = (
    (layout.OVERVIEW, "predictions"),
    (layout.CURVES, "the training"),
    (layout.SAMPLES, "samples of the data"),
)
"""Pictures that an experiment may have, and what they show."""

DRAWN = "training/*/vis_data/**/*"
"""Where MMDetection's visualizer keeps what it draws of a validation."""

MOST_DRAWN = 8
SUFFIXES = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg"}


@dataclass(frozen=True)
class Overview:
    """An experiment, as far as its files tell of it."""

    name: str
    folder: Path
    stages: list[StageFiles]
    training: Training
    follower: Follower
    figures: str

    @property
    def status(self) -> str:
        return status_of(self.stages)

    @property
    def written(self) -> float:
        """When a job of it last wrote."""
        return max((stage.written or 0.0 for stage in self.stages), default=0.0)

    def pictures(self) -> dict[str, str]:
        """Return what pictures show, by their paths in the folder; the newest first."""
        drawn = sorted(
            (path for path in self.folder.glob(DRAWN) if path.suffix in SUFFIXES),
            key=written_at,
            reverse=True,
        )
        found = {
            path.relative_to(self.folder).as_posix(): f"validation, {path.stem}"
            for path in drawn[:MOST_DRAWN]
        }
        for place, what in PICTURES:
            if (self.folder / place).is_file():
                found[str(place)] = what
        return found


class Results:
    """A results folder; trainings are read on from where they were read before."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._followers: dict[str, Follower] = {}
        self._lock = threading.Lock()

    def names(self) -> list[str]:
        """Return the names of the experiments; none where there is no folder."""
        try:
            folders = sorted(self.folder.iterdir())
        except OSError:
            return []
        return [one.name for one in folders if one.is_dir() and is_experiment(one)]

    def all(self) -> list[Overview]:
        """Return the experiments, those that wrote last first."""
        found = [self._overview(name) for name in self.names()]
        return sorted(found, key=lambda one: (-one.written, one.name))

    def one(self, name: str) -> Overview:
        """Return an experiment; LookupError if there is none of the name."""
        if name not in self.names():
            raise LookupError(name)
        return self._overview(name)

    def _overview(self, name: str) -> Overview:
        folder = self.folder / name
        with self._lock:
            follower = self._followers.setdefault(
                name, Follower(folder / layout.TRAINING)
            )
            training = follower.look(time.time())
        return Overview(
            name=name,
            folder=folder,
            stages=stages_of(folder),
            training=training,
            follower=follower,
            figures=figures_in(folder / layout.SUMMARY),
        )
