"""What of a run goes to a tracker: parameters, metrics, tags and files."""

import hashlib
import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path

from mmdet_flow import layout
from mmdet_flow.contents import ALL, name_apart
from mmdet_flow.errors import DataError
from mmdet_flow.evaluation.metrics import METRICS
from mmdet_flow.files import read_text, sha256_of
from mmdet_flow.record.crate_actions import end_of
from mmdet_flow.record.params import flat
from mmdet_flow.results import ResultsFolder

POINTS = 1000
"""A curve of the training that is longer is thinned."""

LONGEST = 5000
"""A longer text, such as a list of thousands of classes, is cut; run.json has all."""

LONGEST_NAME = 120
"""Bytes of a name: MLflow takes 250 with the group, and file systems 255."""

HASHED = re.compile(r"(^| )[0-9a-f]{12}$")

FILES = (
    *(layout.RECORD, layout.CRATE, layout.JOBS, layout.SUMMARY),
    *(layout.MODEL_CARD, layout.CONFIG, layout.CURVES, layout.PACKAGE),
    *(layout.METRICS, layout.METRICS_TABLE, layout.GALLERY, layout.CALIBRATION_PLOT),
    *(layout.CONFUSION_PLOT, layout.ERRORS_PLOT, layout.SCORE_CURVES_PLOT),
    *(layout.OVERVIEW, layout.DATA_CARD_PLOTS, layout.SAMPLES),
)
PLACES = {"iter", "epoch", "mode"}
"""Say where a line of the training is, and are no metrics."""


@dataclass(frozen=True)
class Point:
    """A value of a metric after ``step`` iterations; those of the end have step 0."""

    name: str
    value: float
    step: int


class TrackedRun:
    """What a tracker is told of a run with a record; DataError when there is none."""

    def __init__(self, path: Path) -> None:
        self._run = ResultsFolder(path)
        self._file = self._run.file(layout.RECORD)
        if self._run.record is None:
            raise DataError(
                f"{path}: has no {self._file.name}; make it with mmdet-flow step record"
            )
        self._record = self._run.record

    @property
    def path(self) -> Path:
        return self._run.path

    @property
    def name(self) -> str:
        return self._record["name"]

    @property
    def campaign(self) -> str | None:
        return self._record["campaign"]

    @cached_property
    def sha256(self) -> str:
        """What tells this run from others of the same name: that of its record."""
        return sha256_of(self._file)

    @cached_property
    def times(self) -> tuple[int, int]:
        """Begin and end in milliseconds since 1970; of the record, if not known."""
        known = [job for job in self._run.jobs["jobs"].values() if job["started"]]
        if not known:
            return (int(1000 * self._file.stat().st_mtime),) * 2
        return min(_milliseconds(job["started"]) for job in known), max(
            _milliseconds(end_of(job)) for job in known
        )

    @property
    def params(self) -> dict[str, str]:
        """The config of the experiment, such as model.seed, and what was labelled."""
        config = self._record["config"] or {}
        params = {tracked_name(key): value[:LONGEST] for key, value in flat(config)}
        params["labelled_images"] = str(self._run.labelled_images)
        if (number := self._record.get("round")) is not None:
            params["round"] = str(number)
        return params

    @property
    def tags(self) -> dict[str, str]:
        """Hashes, versions and the machine."""
        record, workflow = self._record, self._record["workflow"]
        git = workflow["git"] or {}
        checkpoint = record["outputs"].get(str(layout.CHECKPOINT), {})
        tags = {
            "sha256.record": self.sha256,
            "sha256.checkpoint": checkpoint.get("sha256"),
            "sha256.classes": record["classes"]["sha256"],
            "sha256.recipe": (record["training"] or {}).get("sha256"),
            "version.mmdet-flow": workflow["version"],
            "git.commit": git.get("commit"),
            "git.dirty": str(git["dirty"]).lower() if git else None,
        }
        for name, own in record["data"].items():
            tags[f"sha256.{name}.annotations"] = own["annotations_sha256"]
            tags[f"sha256.{name}.images"] = own["images_sha256"]
        for name in record["classes"]["names"]:
            if (tracked := tracked_name(name)) != name:
                tags[f"class.{tracked}"] = name[:LONGEST]
        return {name: value for name, value in tags.items() if value}

    @property
    def description(self) -> str:
        """The summary of the run, as Markdown."""
        path = self._run.file(layout.SUMMARY)
        text = read_text(path) if path.is_file() else ""
        return "".join(f"    {line}\n" for line in text.splitlines())[:LONGEST]

    def files(self) -> list[Path]:
        """Return what is kept beside the figures, by its path."""
        return sorted(path for path in map(self._run.file, FILES) if path.is_file())

    def points(self) -> list[Point]:
        """Return all metrics: of training, validation and test, and of speed."""
        lines = self._run.training_lines
        train = [line for line in lines if line["mode"] == "train"]
        val = [_without_unknown(line) for line in lines if line["mode"] == "val"]
        every = [
            *_points("train", _thin(train)),
            *_points("validation", val),
            # Of the step 0 alone, MLflow draws bars.
            *_points("", [{"iter": 0, **self._final()}]),
        ]
        return [point for point in every if math.isfinite(point.value)]

    def _final(self) -> dict[str, float | None]:
        """Return the figures of the finished run."""
        run, figures = self._run, {}
        for iou_type in run.metrics["metrics"]:
            for name in METRICS:
                figures[f"test/{iou_type}_{name}"] = run.figure(iou_type, name)
            for name, value in run.per_class(iou_type).items():
                figures[f"test {iou_type} by class/{tracked_name(name)}"] = value
        total = name_apart(ALL, run.metrics["scores"])
        kept = run.metrics["at_scores"][total]
        for name in ("precision", "recall", "f1"):
            figures[f"test/{name}"] = kept[name]
        figures["cost/train_minutes"] = run.train_minutes
        figures["cost/images_per_second"] = run.images_per_second
        figures["cost/checkpoint_mb"] = run.checkpoint_mb
        return figures


def _points(group: str, lines: Iterable[dict]) -> Iterator[Point]:
    for line in lines:
        for key, value in line.items():
            if key not in PLACES and value is not None:
                name = f"{group}/{tracked_name(key)}" if group else key
                yield Point(name, float(value), line["iter"])


def _without_unknown(line: dict) -> dict:
    """Return a validation without what mmdet cannot tell, for which it writes -1."""
    return {key: value for key, value in line.items() if value != -1}


def _thin(lines: list[dict]) -> list[dict]:
    """Return at most POINTS of the lines, evenly, and always the last."""
    every = math.ceil(len(lines) / POINTS) or 1
    return lines[::-1][::every][::-1]


def tracked_name(name: str) -> str:
    """Return a name, or one that every store of MLflow takes in place of it.

    That has a hash at its end, so different names stay apart: also those that a store
    of files would have as a folder and a file in it.
    """
    plain = re.fullmatch(r"[\w.-]+( [\w.-]+)*", name) and name.strip(".")
    if plain and len(name.encode()) <= LONGEST_NAME and not HASHED.search(name):
        return name
    words = " ".join(re.sub(r"[^\w.-]", "_", name).strip(".").split())
    short = words.encode()[: LONGEST_NAME - 20].decode(errors="ignore")
    return f"{short} {hashlib.sha256(name.encode()).hexdigest()[:12]}".strip()


def _milliseconds(time: str) -> int:
    return round(1000 * datetime.fromisoformat(time).timestamp())
