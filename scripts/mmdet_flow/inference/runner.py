"""The way of many images through a predictor: overlapped, in order, accounted for."""

import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mmdet_flow import cli
from mmdet_flow.errors import DataError, FlowError
from mmdet_flow.files import Identity, as_text
from mmdet_flow.formats.coco_results import to_coco_results
from mmdet_flow.formats.tables import object_rows
from mmdet_flow.image_windows import WindowedImage, open_large
from mmdet_flow.images import (
    decode,
    hash_file,
    opened,
    read_file,
    require_unchanged,
)
from mmdet_flow.inference.folder import is_young
from mmdet_flow.inference.journal import Journal, Outcome
from mmdet_flow.inference.output import Output
from mmdet_flow.inference.predictor import Prediction, Predictor


@dataclass
class Loaded:
    """An image in hand: what it was when it was read, its pixels, and its outcome.

    ``seen`` is None where it could not be read, ``pixels`` where it fails. ``files``
    are open as long as pixels are read of them.
    """

    path: Path
    outcome: Outcome
    seen: Identity | None = None
    pixels: np.ndarray | WindowedImage | None = None
    files: ExitStack = field(default_factory=ExitStack)


@dataclass(frozen=True)
class Runner:
    """Predicts for images and stores the results.

    ``rows`` and ``coco`` say which rows the outcomes shall hold. ``waits`` says that a
    broken image will be offered again while its writer may only be pausing.
    """

    predictor: Predictor
    output: Output
    journal: Journal
    batch_size: int
    threads: int
    max_pixels: int
    rows: bool = False
    coco: bool = False
    waits: bool = False

    def run(self, images: Iterable[Path | None]) -> Iterator[Outcome]:
        """Yield the outcome of each image, in their order, when it is on disk.

        None among the images says that no more is at hand: what waits is finished.
        While one batch is in the network, others are read, finished or written.
        """
        # One batch in hand and enough in work to keep all threads of the engine busy.
        workers = 2 + self.threads // self.batch_size
        reading: deque[Future] = deque()
        pending: deque[Future] = deque()
        with ThreadPoolExecutor(workers, "batch") as pool:
            for batch in self._batches(images):
                if batch:
                    reading.append(pool.submit(self._read, batch))
                while reading and (not batch or len(reading) > 1):
                    loaded = [
                        one for one in reading.popleft().result() if self._name(one)
                    ]
                    pending.append(pool.submit(self._process, loaded))
                while pending and (not batch or len(pending) > workers):
                    yield from self._finish(pending.popleft())

    def _batches(self, images: Iterable[Path | None]) -> Iterator[list[Path]]:
        """Yield lists of images, and an empty list where all shall be finished."""
        batch: list[Path] = []
        for image in images:
            if image is not None:
                batch.append(image)
            if batch and (image is None or len(batch) == self.batch_size):
                yield batch
                batch = []
            if image is None:
                yield []
        if batch:
            yield batch
        yield []

    def _read(self, batch: list[Path]) -> list[Loaded]:
        """Read and decode a batch; in a thread of its own."""
        return [self._load(path) for path in batch]

    def _load(self, path: Path) -> Loaded:
        loaded = Loaded(path, Outcome(path.name, path.name))
        try:
            if self.predictor.takes_windows and self._open_large(loaded):
                return loaded
            encoded, loaded.seen = read_file(path, self.max_pixels)
            loaded.outcome.sha256 = hashlib.sha256(encoded).hexdigest()
            loaded.pixels = decode(encoded, self.max_pixels)
        except DataError as error:
            loaded.outcome.error = _reason(error, path)
        return loaded

    def _open_large(self, loaded: Loaded) -> bool:
        """Open an image that is too large to unpack; False for all others."""
        path, stream = loaded.path, loaded.files.enter_context(opened(loaded.path))
        image = open_large(stream, self.max_pixels)
        if image is None:
            return False
        self.output.require_windows()
        loaded.outcome.sha256, loaded.seen = hash_file(path)
        require_unchanged(path, stream, loaded.seen)
        loaded.pixels = image
        return True

    def _name(self, loaded: Loaded) -> bool:
        """Claim the names of an image's files; False if it is to be looked at later."""
        if loaded.pixels is None:
            if self.waits and not os.path.lexists(loaded.path):
                return False  # someone took it away
            return not (self.waits and is_young(loaded.path))
        outcome = loaded.outcome
        try:
            name = self.output.claim(loaded.path, outcome.sha256, self.journal)
        except DataError as error:
            loaded.pixels, outcome.error = None, _reason(error, loaded.path)
        else:
            outcome.name = name
        return True

    def _process(self, batch: list[Loaded]) -> list[Loaded]:
        """Predict and write a batch; in a thread of its own."""
        readable = [
            (one.outcome, one.pixels) for one in batch if one.pixels is not None
        ]
        for outcome, pixels, found in self._predict(readable):
            self.output.store(outcome.file, outcome.name, found, pixels)
            self._describe(outcome, found)
        for one in batch:
            one.pixels = None
            one.files.close()
        return batch

    def _predict(self, readable: list) -> Iterator[tuple]:
        """Yield images with their predictions; a failure stays with its image."""
        try:
            found = self.predictor.predict([pixels for _, pixels in readable])
        except Exception as error:
            if len(readable) > 1:
                for one in readable:
                    yield from self._predict([one])
            else:
                ((outcome, pixels),) = readable
                reason = _why(error, pixels.shape)
                outcome.error = f"{as_text(outcome.file)}: {as_text(reason)}"
            return
        for (outcome, pixels), prediction in zip(readable, found, strict=True):
            yield outcome, pixels, prediction

    def _describe(self, outcome: Outcome, found: Prediction) -> None:
        outcome.width, outcome.height = found.width, found.height
        outcome.status = "ok" if found.objects else "empty"
        outcome.n_objects = len(found.objects)
        outcome.max_score = max((item.score for item in found.objects), default=None)
        if self.rows:
            outcome.objects = object_rows(
                as_text(outcome.file), found.width, found.height, found.objects
            )
        if self.coco:
            categories = range(1, len(found.detections.classes) + 1)
            rows = to_coco_results(as_text(outcome.file), found.detections, categories)
            outcome.coco = rows["segm"] or rows["bbox"]

    def _finish(self, done: Future) -> Iterator[Outcome]:
        """Write down what was done, and only then let go of the images."""
        for one in done.result():
            outcome = one.outcome
            self.journal.add(outcome)
            if outcome.status == "failed":
                cli.log.error("%s", outcome.error)
                self.output.finish_failed(one.path, one.seen, outcome, self.journal)
            else:
                cli.log.debug("%s: %d objects", one.path.name, outcome.n_objects)
                self.output.forget_failure(outcome, self.journal)
                self.output.finish(one.path, one.seen, outcome)
            yield outcome


def _reason(error: DataError, path: Path) -> str:
    """Return why an image fails; tables name no folder of this machine."""
    reason = str(error).removeprefix(f"{path}: ")
    return f"{as_text(path.name)}: {as_text(reason)}"


def _why(error: Exception, shape: tuple[int, ...]) -> str:
    """Return why an image of (height, width, ...) could not be predicted.

    Its windows are read meanwhile; what is wrong with these says what to do itself.
    """
    if isinstance(error, FlowError):
        return str(error)
    reason = (str(error).strip().splitlines() or [""])[0]
    return (
        f"an image of {shape[1]} x {shape[0]} pixels that the model cannot take "
        f"({type(error).__name__}: {reason}); change its size"
    )


def is_done(
    image: Path, journal: Journal, output: Output, complete: Callable[[Outcome], bool]
) -> bool:
    """Whether an earlier run predicted this very image; it is then let go of.

    ``complete`` says whether an outcome holds all that is asked for now.
    """
    try:
        sha256, seen = hash_file(image)
    except DataError:
        return False
    outcome = journal.get(image.name, sha256)
    if outcome is None or outcome.status == "failed" or not complete(outcome):
        return False
    if outcome.sha256 != sha256 or not output.has(outcome, journal):
        return False
    output.finish(image, seen, outcome)
    return True
