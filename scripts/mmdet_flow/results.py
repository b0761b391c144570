"""The results folder of an experiment: its layout, and what its files say.

Somebody else may have written these files, so each is checked when it is read.
"""

import contextlib
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from mmdet_flow import contents, layout
from mmdet_flow.errors import DataError, ModelError, UsageError
from mmdet_flow.files import (
    place_of,
    places_around,
    read_json,
    read_json_lines,
    read_table,
    read_text,
)

if TYPE_CHECKING:
    from mmengine.config import Config
    from pydantic import TypeAdapter

    from mmdet_flow.dataset.coco import CocoFile
    from mmdet_flow.model.changes import Change
    from mmdet_flow.model.checkpoint import Checkpoint

MISFITS = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What code raises that is given other keys and types than those that it wrote."""

LONGEST = 200

SECTIONS = (
    *("default_hooks", "model", "optim_wrapper", "randomness", "test_dataloader"),
    *("train_cfg", "train_dataloader"),
)
"""Of a config, that each training here has."""

OF_SHARD = re.compile(
    "|".join(
        str(place).replace("{shard}", r"(\d+)")
        for place in (
            layout.SHARD,
            layout.PREDICTION_SPEED,
            layout.PREDICTION_BENCHMARK,
        )
    )
)

ESTIMATED_AFTER = 20
"""Iterations of a job that come before its estimate, which says how many are left."""


@contextlib.contextmanager
def as_written(*folders: Path) -> Iterator[None]:
    """Let values that are not as our commands write them be an error of their folder.

    Raises DataError; under ``--debug`` its traceback says which value it is.
    """
    try:
        yield
    except MISFITS as error:
        what = " ".join(f"{type(error).__name__}: {error}".split())[:LONGEST]
        raise DataError(
            f"{', '.join(map(str, folders))}: a file there is not as mmdet-flow writes "
            f"it ({what}); make it again, --debug shows what it is for"
        ) from error


def keep_results(
    outputs: Iterable[Path | None],
    folders: Iterable[Path],
    made: Collection[layout.Place] = (),
) -> None:
    """UsageError if a file would be written over one of a results folder, by any name.

    Those in ``made`` are what is written. Files of results are told by their places.
    """
    around = {one: places_around(one) for one in outputs if one}
    others = [place for place in layout.PLACES if place not in made]
    for folder in folders:
        patterns = map(layout.pattern, others)
        found = {place_of(one) for pattern in patterns for one in folder.glob(pattern)}
        for output, places in around.items():
            if places & found:
                raise UsageError(
                    f"{output}: is one of the results in {folder}, which are read; "
                    "name another output"
                )


@cache
def _adapter(expected: type) -> "TypeAdapter":
    """Return what checks values of a type; making it takes longer than its work."""
    from pydantic import TypeAdapter

    return TypeAdapter(expected)


@dataclass(frozen=True)
class ResultsFolder:
    """The results folder ``path``; each attribute reads its file when it is asked for.

    What an experiment need not have is None, or empty, where it is missing. DataError,
    or ModelError for the model, where a file is missing that each experiment has, or is
    not as our commands write it.
    """

    path: Path

    @property
    def name(self) -> str:
        return self.path.resolve().name

    def file(self, place: layout.Place, **values: object) -> Path:
        """Return where a file of the layout is, or would be."""
        return self.path / layout.fill(place, experiment=self.name, **values)

    def files(self, place: layout.Place) -> list[Path]:
        """Return the files that a place with wildcards stands for, in their order.

        Those of shards that an earlier list of images had are not of this run.
        """
        found = sorted(self.path.glob(layout.pattern(place)))
        listed = {path.stem for path in self.file(layout.LISTS).glob("*.txt")}
        shards = ((path, self._shard_of(path)) for path in found)
        return [
            path for path, shard in shards if not listed or shard in {None, *listed}
        ]

    def _shard_of(self, path: Path) -> str | None:
        """Return the number of the shard that a file is of, None if it is of none."""
        found = OF_SHARD.match(path.relative_to(self.path).as_posix())
        return found and found[found.lastindex]

    def require(self, *places: layout.Place) -> "ResultsFolder":
        """Return the folder itself; DataError where one of these files is missing."""
        for place in places:
            if not (self.path / place).is_file():
                raise DataError(
                    f"{self.path}: has no {place}; give the results folder of an "
                    "experiment that has run to its end"
                )
        return self

    def _read(self, path: Path, expected: type):
        """Return the content of a JSON file, which has to be of a type."""
        from pydantic import ValidationError

        content = read_json(path)
        try:
            _adapter(expected).validate_python(content, strict=True)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"])) or "all of it"
            what = " ".join(f"{place}: {first['msg']}".split())[:LONGEST]
            raise DataError(
                f"{path}: is not as mmdet-flow writes it ({what}); make it again"
            ) from None
        return content

    def _read_if_there(self, path: Path, expected: type):
        return self._read(path, expected) if path.is_file() else None

    # The data

    @cached_property
    def check_report(self) -> contents.CheckReport:
        """The report of the check of the annotations."""
        return self._read(self.file(layout.REPORT), contents.CheckReport)

    @cached_property
    def data_card(self) -> contents.DataCard:
        return self._read(self.file(layout.DATA_CARD), contents.DataCard)

    def split_file(self, name: str) -> Path:
        """Return the annotations of "train", "val", "trainval" or "test"."""
        return self.file(layout.SPLIT, split=name)

    def split(self, name: str) -> "CocoFile":
        """Return the annotations of a split, read anew: they may be large."""
        from mmdet_flow.dataset.coco import CocoFile

        return CocoFile.read(self.split_file(name))

    @cached_property
    def labelled_images(self) -> int:
        """How many images were labelled to train and validate, those tested aside."""
        names = {
            name: {image["file_name"] for image in self.split(name).images}
            for name in ("train", "val", "test")
        }
        return len((names["train"] | names["val"]) - names["test"])

    @cached_property
    def tiles(self) -> contents.TileReport | None:
        """The account of the tiles that the model was trained on, if it was."""
        return self._read_if_there(self.file(layout.TILE_REPORT), contents.TileReport)

    # The model

    @cached_property
    def checkpoint(self) -> "Checkpoint":
        """The published checkpoint, without its weights, which are large."""
        from mmdet_flow.model.checkpoint import load_checkpoint

        return replace(load_checkpoint(self.file(layout.CHECKPOINT)), state_dict={})

    @cached_property
    def checkpoint_mb(self) -> float:
        """The size of the checkpoint in millions of bytes."""
        return round(self.file(layout.CHECKPOINT).stat().st_size / 1e6, 1)

    @cached_property
    def config(self) -> "Config":
        """The config that the weights were trained with."""
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
    def base_config(self) -> "Config | None":
        """The config of the model zoo that the model's was fitted from."""
        from mmdet_flow.model.config_text import read_config_text

        path = self.file(layout.BASE_CONFIG)
        return read_config_text(read_text(path), path) if path.is_file() else None

    @property
    def base(self) -> str | None:
        """The name of the base config."""
        from mmdet_flow.model.changes import EXPORTED_FROM

        return self.base_config and self.base_config.get(EXPORTED_FROM)

    @cached_property
    def changes(self) -> "list[Change]":
        """What the config changes in its base; nothing where that is missing."""
        from mmdet_flow.model.changes import changes_of_base

        base = self.base_config
        return list(changes_of_base(base, self.config)) if base is not None else []

    @cached_property
    def precisions(self) -> contents.Precisions | None:
        """What mmdet-flow evaluate precision measured of this model."""
        from mmdet_flow.inference.precision import precision_file

        path = precision_file(self.file(layout.CHECKPOINT))
        content = self._read_if_there(path, contents.Precisions)
        mine = content and content["model_sha256"] == self.checkpoint.sha256
        return content if mine else None

    # The training

    @cached_property
    def recipe(self) -> contents.Recipe | None:
        """What the training was begun with."""
        return self._read_if_there(self.file(layout.RECIPE), contents.Recipe)

    @cached_property
    def estimate(self) -> contents.Estimate | None:
        return self._read_if_there(self.file(layout.ESTIMATE), contents.Estimate)

    @cached_property
    def training_lines(self) -> list[dict]:
        """The metrics of each iteration and each validation, in their order."""
        return read_json_lines(self.file(layout.TRAINING_LINES))

    @cached_property
    def validations(self) -> list[dict[str, str]]:
        """The metrics of each validation as a table."""
        return read_table(self.file(layout.VALIDATIONS))

    # The evaluation

    @cached_property
    def thresholds(self) -> contents.Thresholds | None:
        return self._read_if_there(self.file(layout.THRESHOLDS), contents.Thresholds)

    @cached_property
    def metrics(self) -> contents.Metrics:
        return self._read(self.file(layout.METRICS), contents.Metrics)

    def figure(self, iou_type: str, metric: str) -> float | None:
        """Return a metric of boxes ("bbox") or masks ("segm"), None for n/a."""
        return self.metrics["metrics"].get(iou_type, {}).get(metric)

    def interval(self, iou_type: str, metric: str) -> contents.Range | None:
        """Return [low, high] of a metric, None where it was not estimated."""
        return self.metrics["intervals"].get(iou_type, {}).get(metric)

    def per_class(self, iou_type: str) -> dict[str, float | None]:
        """Return the mAP of each class."""
        return self.metrics["metrics"].get(iou_type, {}).get("per_class", {})

    @cached_property
    def image_results(self) -> list[dict[str, str]]:
        """The test images, the worst first."""
        return read_table(self.file(layout.IMAGE_RESULTS))

    # The predictions

    @cached_property
    def predicted(self) -> Counter[str]:
        """How many images were predicted with which status."""
        from mmdet_flow.formats.tables import column

        path = self.file(layout.PREDICTED_IMAGES)
        return Counter(column(path, "status") if path.is_file() else ())

    @cached_property
    def failed_images(self) -> list[str]:
        """Why images were not predicted: of each its name and the reason."""
        from mmdet_flow.formats.tables import column

        path = self.file(layout.PREDICTED_IMAGES)
        return (
            list(filter(None, column(path, "error")))
            if self.predicted["failed"]
            else []
        )

    # What was measured of jobs, and the record

    @cached_property
    def benchmarks(self) -> dict[str, dict[str, str]]:
        """What Snakemake measured of each job, the last time where it ran again."""
        tables = {
            path.stem: read_table(path, delimiter="\t")
            for path in self.files(layout.BENCHMARK)
        }
        return {name: rows[-1] for name, rows in tables.items() if rows}

    @cached_property
    def speeds(self) -> list[contents.Speed]:
        """How fast the images of each shard were predicted."""
        paths = self.files(layout.PREDICTION_SPEED)
        return [self._read(path, contents.Speed) for path in paths]

    @property
    def images_per_second(self) -> float | None:
        """How fast images were predicted, loading aside; None if that is not known."""
        seconds = sum(one["seconds"] for one in self.speeds)
        images = sum(one["images"] for one in self.speeds)
        return round(images / seconds, 2) if seconds else None

    @cached_property
    def train_minutes(self) -> float | None:
        """How long the training took, None if that is not known.

        That of its job; of a training that was resumed, whose last job alone is
        measured, that of all its iterations at their usual speed.
        """
        measured = self.benchmarks.get(layout.TRAINING_BENCHMARK.stem)
        job = float(measured["s"]) if measured else None
        iterations = max((line["iter"] for line in self.training_lines), default=0)
        if self.estimate and iterations:
            all_of_them = iterations * self.estimate["seconds_per_iteration"]
            seen = self.estimate["iterations"] + ESTIMATED_AFTER
            if job is None or seen < iterations or job < all_of_them / 2:
                job = all_of_them
        return None if job is None else round(job / 60, 2)

    @cached_property
    def record(self) -> contents.Record | None:
        """What mmdet-flow step record wrote: hashes, config, versions and commands."""
        return self._read_if_there(self.file(layout.RECORD), contents.Record)

    @cached_property
    def jobs(self) -> contents.Jobs:
        """Machine and times of the jobs; empty if they are not known."""
        path = self.file(layout.JOBS)
        return self._read_if_there(path, contents.Jobs) or {"machine": {}, "jobs": {}}
