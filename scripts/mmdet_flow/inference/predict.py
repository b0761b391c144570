"""Prediction for the images of a folder: one pass, or a watch that a signal ends."""

import itertools
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path

from mmdet_flow import cli
from mmdet_flow.errors import DataError
from mmdet_flow.files import (
    StoredFile,
    as_text,
    require_writable,
    require_writable_folder,
    sha256_of,
    write_json,
)
from mmdet_flow.formats.coco_results import image_ids, write_coco_results
from mmdet_flow.formats.tables import (
    IMAGES_HEADER,
    OBJECTS_HEADER,
    require_writer,
    write_table,
)
from mmdet_flow.inference.folder import only_process, watch
from mmdet_flow.inference.journal import Journal, Outcome
from mmdet_flow.inference.output import Output
from mmdet_flow.inference.precision import precision_to_use
from mmdet_flow.inference.predictor import ModelOptions, Predictor
from mmdet_flow.words import counted

MANIFEST_HEADER = ("file", "sha256", "status", "n_objects", "error")


@dataclass(frozen=True)
class Summaries:
    """Where the files on all images go; None is not wanted."""

    objects_csv: Path | None = None
    images_csv: Path | None = None
    coco_results: Path | None = None
    manifest: Path | None = None
    speed: Path | None = None

    def paths(self) -> dict[str, Path]:
        """Return those that are wanted, by name."""
        named = {one.name: getattr(self, one.name) for one in fields(self)}
        return {name: path for name, path in named.items() if path is not None}

    def tables(self) -> list[Path]:
        """Return those that are tables."""
        named = (self.objects_csv, self.images_csv, self.manifest)
        return [path for path in named if path is not None]


@dataclass(frozen=True)
class Task:
    """What is predicted, by which model, and what is made of it.

    Attributes:
        folder: that of the images.
        in_place: whether the results go into the same folder.
    """

    folder: Path
    model: ModelOptions
    output: Output
    summaries: Summaries
    in_place: bool
    batch_size: int
    max_pixels: int

    def settings(self) -> dict:
        """Return what decides the bytes of the results, for the journal."""
        model, outlines, output = self.model, self.model.outlines, self.output
        checkpoint, config = map(_identity, (model.checkpoint, model.config))
        return {
            # The scores themselves, whatever else is new in their file.
            "score": model.scores.value,
            "fit_bbox_to_polygon": outlines.fit_bbox_to_polygon,
            "bbox_as_fallback": outlines.bbox_as_fallback,
            "simplify_polygons": outlines.simplify,
            "mask_nth": outlines.nth,
            "fully_connected": outlines.fully_connected,
            "backend": model.backend,
            # "auto" is another one after it was measured.
            "precision": precision_to_use(
                asked=model.precision,
                checkpoint=model.checkpoint,
                model_sha256=checkpoint,
                backend=model.backend,
                device=model.device,
            ),
            "output_width_height": output.width_height,
            "output_minrect": output.minrect,
            "max_pixels": self.max_pixels,
            "results": output.suffixes,
            "checkpoint": checkpoint,
            "config": config,
            **({"tiles": str(model.tiles)} if model.tiles else {}),
        }

    def is_complete(self, outcome: Outcome) -> bool:
        """Whether an outcome holds the rows that are asked for."""
        return not (
            (self.summaries.objects_csv and outcome.objects is None)
            or (self.summaries.coco_results and outcome.coco is None)
        )

    def runner(self, journal: Journal, waits: bool):
        """Load the model; ``waits`` says that images arrive one by one."""
        from mmdet_flow.inference.runner import Runner

        return Runner(
            predictor=Predictor.from_options(self.model),
            output=self.output,
            journal=journal,
            batch_size=self.batch_size,
            threads=self.model.threads,
            max_pixels=self.max_pixels,
            rows=self.summaries.objects_csv is not None,
            coco=self.summaries.coco_results is not None,
            waits=waits,
        )

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other processes out; say at once where nothing can be written."""
        _require_places(self)
        takes = self.output.after != "keep" and not self.in_place
        with only_process(self.output.folder, *([self.folder] if takes else [])):
            yield


def _identity(file: StoredFile | None) -> str:
    """Return the SHA-256 of a file; where there is none, its name."""
    return sha256_of(file) if file is not None and file.is_file() else str(file)


def predict_images(
    task: Task,
    images: Sequence[Path],
    *,
    whole: bool,
    max_files: int = -1,
    max_failures: int = 0,
) -> None:
    """Predict for images of the folder, but for those that were predicted before.

    ``whole`` says that they are all of the folder, so that what a killed run moved away
    is part of it. ``max_files`` are predicted at most, if that is not negative. Raises
    DataError when more than ``max_failures`` of all failed.
    """
    keeps = task.output.after == "keep"
    with task.alone():
        images_stay = task.folder if keeps else None
        journal = Journal(task.output.folder, task.settings(), images_stay)
        earlier = set(journal.files)
        todo = _not_done(task, images, journal)
        now = len(todo) if max_files < 0 else min(max_files, len(todo))
        waiting = {image.name for image in todo[now:]}
        speed = _run(task, journal, todo[:now])
        if task.summaries.speed:
            write_json(task.summaries.speed, speed)
        files = list(dict.fromkeys(image.name for image in images))
        if whole and earlier and not keeps:
            files = sorted({*files, *earlier})
        # Of an image that waits again, an earlier outcome does not count.
        done = [file for file in files if file not in waiting]
        counts, stays = _count(journal.outcomes(done), task.folder)
        _write_summaries(task.summaries, journal, files)
        # What could not be taken away is known the next time.
        journal.close(remove=not (waiting or keeps or stays))
    total = counts.total() + len(waiting)
    cli.log.info(
        "%s: %d with objects, %d empty, %d failed, %d left",
        counted(total, "image"),
        counts["ok"],
        counts["empty"],
        counts["failed"],
        len(waiting),
    )
    if counts["failed"] > max_failures:
        raise DataError(
            f"{counts['failed']} of {counted(total, 'image')} failed and "
            f"--max_failures is {max_failures}; the reasons are in {task.output.failed}"
        )


def _not_done(task: Task, images: Sequence[Path], journal: Journal) -> list[Path]:
    """Return the images that no earlier run predicted, or not all of what is asked."""
    from mmdet_flow.inference.runner import is_done

    known = set(journal.files)
    todo = [
        image
        for image in images
        if image.name not in known
        or not is_done(image, journal, task.output, task.is_complete)
    ]
    if len(todo) < len(images):
        before = counted(len(images) - len(todo), "image")
        cli.log.info("%s predicted before", before)
    return todo


def _count(outcomes: Iterable[Outcome], folder: Path) -> tuple[Counter[str], bool]:
    """Return what became of images, and whether one that went well is still there."""
    counts, stays = Counter(), False
    for outcome in outcomes:
        counts[outcome.status] += 1
        place = folder / outcome.file
        stays |= outcome.status != "failed" and os.path.lexists(place)
    return counts, stays


def _run(task: Task, journal: Journal, images: list[Path]) -> dict:
    """Predict; say and return how fast that was, loading aside."""
    if not images:
        return {"images": 0, "seconds": 0.0, "engine": None}
    runner = task.runner(journal, waits=False)
    started, failed = time.monotonic(), 0
    for outcome in cli.progress(runner.run(images), len(images), "images"):
        failed += outcome.status == "failed"
    seconds = time.monotonic() - started
    engine = runner.predictor.detector.meta["engine"]
    if failed < len(images):  # what cannot be read says nothing of the engine
        cli.log.info("%.2f images/s with %s", (len(images) - failed) / seconds, engine)
    return {"images": len(images), "seconds": round(seconds, 3), "engine": engine}


def predict_arrivals(
    task: Task, wait: float, use_watchdog: bool, max_files: int = -1
) -> None:
    """Predict for images as they arrive, until a signal comes.

    ``wait`` is the time between looks at the folder, in seconds; ``max_files`` of each
    look are predicted, if that is not negative.
    """
    stop = threading.Event()
    with task.alone():
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        journal = Journal(task.output.folder, task.settings())
        runner = task.runner(journal, waits=True)
        cli.log.info("waiting for images in %s", task.folder)
        failed = task.output.failed
        arrivals = watch(task.folder, wait, use_watchdog, stop, max_files, failed)
        for outcome in runner.run(arrivals):
            journal.release(outcome.file, outcome.sha256)
        journal.close(remove=True)


def _require_places(task: Task) -> None:
    """Say at once where nothing can be written, or taken away."""
    output = task.output
    require_writable_folder(output.folder)
    if output.failed.exists() and not output.failed.is_dir():
        raise DataError(
            f"{output.failed}: is no folder, but images that fail go there; move it"
        )
    if output.tmp is not None:
        require_writable_folder(output.tmp)
    for path in task.summaries.tables():
        require_writer(path)
    for path in task.summaries.paths().values():
        require_writable(path)
    if output.after != "keep" and not os.access(task.folder, os.W_OK):
        raise DataError(
            f"{task.folder}: images cannot be taken from a folder that is read-only; "
            "add --keep_input"
        )


def _write_summaries(
    summaries: Summaries, journal: Journal, files: Sequence[str]
) -> None:
    """Write the files that tell of all images, in the order of the images."""

    def rows_of(name: str):
        rows = (getattr(outcome, name) or [] for outcome in journal.outcomes(files))
        return itertools.chain.from_iterable(rows)

    if summaries.objects_csv:
        write_table(summaries.objects_csv, OBJECTS_HEADER, rows_of("objects"))
    if summaries.coco_results:
        ids = image_ids(map(as_text, files))
        rows = (
            row | {"image_id": ids[as_text(outcome.file)]}
            for outcome in journal.outcomes(files)
            for row in outcome.coco or []
        )
        write_coco_results(summaries.coco_results, rows)
    for path, header in (
        (summaries.images_csv, IMAGES_HEADER),
        (summaries.manifest, MANIFEST_HEADER),
    ):
        if path:
            rows = (_cells(one, header) for one in journal.outcomes(files))
            write_table(path, header, rows)


def _cells(outcome: Outcome, header: tuple[str, ...]) -> list:
    values = [getattr(outcome, name) for name in header]
    values = [as_text(value) if isinstance(value, str) else value for value in values]
    return ["" if value is None else value for value in values]
