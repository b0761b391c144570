"""The small real inputs of all scenarios: a data set, a model, a finished run."""

import os
import shutil
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from mmdet_flow.dataset.annotations import Source
from mmdet_flow.dataset.coco import CocoFile
from mmdet_flow.dataset.convert import convert
from mmdet_flow.dataset.example import make_example
from mmdet_flow.dataset.split import split
from tests.conftest import Dataset, patched_config
from tests.faults.core import Measured, require, run

SCORE = 0.001
"""A model that has hardly learned finds something only at low scores."""

IMAGES = 16
CARD = "# A small model\n\nIt was trained for the campaign of faults.\n"


@dataclass
class World:
    """Made in ``folder`` when first asked for; scenarios leave all of it as it is."""

    folder: Path
    measured: Measured = field(default_factory=Measured)

    @property
    def cache(self) -> Path:
        return self.folder / "cache"

    @cached_property
    def dataset(self) -> Dataset:
        root = self.folder
        made = Dataset(root / "source", root / "dataset", root / "splits")
        if not (made.splits / "test.json").is_file():
            make_example(made.source, images=IMAGES, seed=3)
            convert("opex", Source(made.source, made.source), made.folder)
            fractions = {"train": "0.5", "val": "0.25", "test": "0.25"}
            split(made.coco, made.splits, fractions, 0)
        return made

    @cached_property
    def config(self) -> Path:
        path = self.folder / "config.py"
        return path if path.is_file() else patched_config(self.dataset, path)

    @cached_property
    def checkpoint(self) -> Path:
        path = self.folder / "checkpoint.pth"
        if not path.is_file():
            place = self.folder / "training"
            options = ("--threads", 1, "--work-dir", place, "--publish", path)
            require(
                run(self, "mmdet-flow model train", self.config, *options, seconds=600),
                0,
            )
        return path

    @cached_property
    def images(self) -> list[Path]:
        return sorted(self.dataset.images.iterdir())

    def experiment(self, place: Path) -> Path:
        """Write a results folder with the model at ``place``; return it."""
        from tests.comparison.results import write_experiment

        made = self.measured.get("experiment", self._make_experiment(write_experiment))
        return Path(shutil.copytree(made, place, copy_function=os.link))

    def _make_experiment(self, write):
        def make() -> Path:
            folder = self.folder / "results" / "small"
            if not folder.exists():
                truth = CocoFile.read(self.dataset.splits / "test.json")
                write(folder, truth, [])
                shutil.copy(self.checkpoint, folder / "model" / "checkpoint.pth")
                (folder / "model" / "card.md").write_text(CARD)
                log = folder / "training" / "metrics.jsonl"
                shutil.copy(self.folder / "training" / "metrics.jsonl", log)
            return folder

        return make
