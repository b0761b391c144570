"""What the files of an experiment's results folder say about its model."""

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from mmdet_flow.dataset.split import SPLITS
from mmdet_flow.errors import ModelError
from mmdet_flow.files import read_json, read_table, read_text, sha256_of
from mmdet_flow.inference.precision import precision_file

if TYPE_CHECKING:
    from mmengine.config import Config

    from mmdet_flow.model.checkpoint import Checkpoint

SECTIONS = (
    *("default_hooks", "model", "optim_wrapper", "randomness", "test_dataloader"),
    *("train_cfg", "train_dataloader"),
)
"""Of a config, that each training here has."""


@dataclass(frozen=True)
class Facts:
    """The results folder ``run``; each attribute reads its files when it is asked for.

    What a run need not have is None there; DataError where a file is missing that
    each run has.
    """

    run: Path

    @property
    def name(self) -> str:
        return self.run.resolve().name

    @cached_property
    def checkpoint(self) -> "Checkpoint":
        from mmdet_flow.model.checkpoint import load_checkpoint

        return load_checkpoint(self.run / "model" / "checkpoint.pth")

    @cached_property
    def config(self) -> "Config":
        from mmdet_flow.model.config_text import read_config_text

        cfg = read_config_text(self.checkpoint.config, self.checkpoint.path)
        missing = [name for name in SECTIONS if not isinstance(cfg.get(name), dict)]
        if missing:
            raise ModelError(
                f"{self.checkpoint.path}: its config has no {missing[0]}; publish it "
                "with mmdet-flow model train"
            )
        return cfg

    @cached_property
    def base(self) -> str | None:
        """The name of the model-zoo config, as the export wrote it down."""
        path = self.run / "model" / "base.py"
        first = read_text(path) if path.is_file() else ""
        found = re.match(r"# Exported from (.+)", first)
        return found[1] if found else None

    @cached_property
    def changes(self) -> list[tuple[str, str]]:
        """The keys that differ from the base config, and how."""
        text = read_text(self.run / "model" / "config.py")
        return re.findall(r"^#   (\S+): (.*)$", text, re.MULTILINE)

    @cached_property
    def data(self) -> dict:
        return read_json(self.run / "card" / "card.json")

    @cached_property
    def check(self) -> dict:
        """The report of the check of the annotations."""
        return read_json(self.run / "dataset" / "report.json")

    @cached_property
    def hashes(self) -> dict[str, str]:
        """The SHA-256 of the annotations of each split."""
        return {name: sha256_of(self.run / f"splits/{name}.json") for name in SPLITS}

    @cached_property
    def measured(self) -> dict:
        return read_json(self.run / "evaluation" / "metrics.json")

    @cached_property
    def images(self) -> list[dict[str, str]]:
        """The test images, the worst first."""
        return read_table(self.run / "evaluation" / "images.csv")

    @cached_property
    def thresholds(self) -> dict | None:
        return self._json("evaluation/thresholds.json")

    @cached_property
    def recipe(self) -> dict | None:
        """What the training was begun with."""
        return self._json("training/recipe.json")

    @cached_property
    def best_epoch(self) -> int | None:
        """The epoch whose weights are published; None if no validation chose them."""
        path = self.run / "training" / "validation.csv"
        key = self.config.default_hooks.checkpoint.get("save_best") or ""
        key = key.removeprefix("coco/")
        rows = [row for row in read_table(path) if row.get(key)] if key else []
        best = max(rows, key=lambda row: float(row[key]), default=None)
        return int(best["epoch"]) if best else None

    @cached_property
    def precisions(self) -> dict | None:
        """What mmdet-flow evaluate precision measured of this model."""
        path = precision_file(self.run / "model" / "checkpoint.pth")
        content = read_json(path) if path.is_file() else None
        mine = content and content.get("model_sha256") == self.checkpoint.sha256
        return content if mine else None

    @cached_property
    def estimate(self) -> dict | None:
        """The speed of the training."""
        return self._json("training/estimate.json")

    @cached_property
    def record(self) -> dict | None:
        """What mmdet-flow step record wrote: hashes, config, versions and commands."""
        return self._json("run.json")

    @cached_property
    def times(self) -> dict:
        """Machine and times of the jobs; empty if they are not known."""
        return self._json("benchmarks/jobs.json") or {}

    def _json(self, name: str) -> dict | None:
        path = self.run / name
        return read_json(path) if path.is_file() else None
