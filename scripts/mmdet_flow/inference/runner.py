"""The way of many images through a predictor: overlapped, in order, accounted for."""

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from mmdet_flow import cli
from mmdet_flow.errors import DataError
from mmdet_flow.formats.coco_results import image_id_of, to_coco_results
from mmdet_flow.formats.tables import object_rows
from mmdet_flow.inference.images import read_image
from mmdet_flow.inference.journal import Journal, Outcome
from mmdet_flow.inference.output import Output
from mmdet_flow.inference.predictor import Prediction, Predictor


@dataclass(frozen=True)
class Runner:
    """Predicts for images and stores the results.

    ``rows`` and ``coco`` say which rows the outcomes shall hold.
    """

    predictor: Predictor
    output: Output
    journal: Journal
    batch_size: int
    threads: int
    max_pixels: int
    rows: bool = False
    coco: bool = False

    def run(self, images: Iterable[Path | None]) -> Iterator[Outcome]:
        """Yield the outcome of each image, in their order, when it is on disk.

        None among the images says that no more is at hand: what waits is finished.
        While one batch is in the network, others are read, finished or written.
        """
        # One batch in hand and enough in work to keep all threads of the engine busy.
        workers = 2 + self.threads // self.batch_size
        pending: deque[Future] = deque()
        with ThreadPoolExecutor(workers, "batch") as pool:
            for batch in self._batches(images):
                if batch:
                    named = [(p, self.output.name_for(p, self.journal)) for p in batch]
                    pending.append(pool.submit(self._process, named))
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

    def _process(self, batch: list[tuple[Path, str]]) -> list[tuple[Path, Outcome]]:
        """Read, predict and write a batch; in a thread of its own."""
        outcomes, readable = [], []
        for path, name in batch:
            outcome = Outcome(path.name, name)
            outcomes.append((path, outcome))
            try:
                encoded, pixels = read_image(path, self.max_pixels)
            except DataError as error:
                # The reason goes into tables, which name no folder of this machine.
                outcome.error = str(error).replace(str(path), path.name)
                continue
            outcome.sha256 = hashlib.sha256(encoded).hexdigest()
            readable.append((outcome, pixels))
        for outcome, pixels, found in self._predict(readable):
            self.output.store(outcome.file, outcome.name, found, pixels)
            self._describe(outcome, found)
        return outcomes

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
                size = f"{pixels.shape[1]} x {pixels.shape[0]}"
                reason = (str(error).strip().splitlines() or [""])[0]
                outcome.error = (
                    f"{outcome.file}: an image of {size} pixels that the model cannot "
                    f"take ({type(error).__name__}: {reason}); change its size"
                )
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
                outcome.file, found.width, found.height, found.objects
            )
        if self.coco:
            categories = range(1, len(found.detections.classes) + 1)
            file = image_id_of(outcome.file)
            rows = to_coco_results(file, found.detections, categories)
            outcome.coco = rows["segm"] or rows["bbox"]

    def _finish(self, done: Future) -> Iterator[Outcome]:
        """Write down what was done, and only then let go of the images."""
        try:
            for path, outcome in done.result():
                self.journal.add(outcome)
                if outcome.status == "failed":
                    cli.log.error("%s", outcome.error)
                    self.output.finish_failed(path, outcome.error)
                else:
                    cli.log.debug("%s: %d objects", path.name, outcome.n_objects)
                    self.output.forget_failure(path)
                    self.output.finish(path, outcome.name)
                yield outcome
        except OSError as error:
            raise DataError(
                f"{error.filename or self.output.folder}: {error.strerror}; what was "
                "done is kept, run again when this is mended"
            ) from None


def is_done(
    image: Path, journal: Journal, output: Output, complete: Callable[[Outcome], bool]
) -> bool:
    """Whether an earlier run predicted this very image; it is then let go of.

    ``complete`` says whether an outcome holds all that is asked for now.
    """
    outcome = journal.get(image.name)
    if outcome is None or outcome.status == "failed" or not complete(outcome):
        return False
    if not output.has(outcome.name):
        return False
    try:
        same = hashlib.sha256(image.read_bytes()).hexdigest() == outcome.sha256
    except OSError:
        return False
    if same:
        output.finish(image, outcome.name)
    elif output.after != "keep":
        journal.release(image.name)  # another image of the same name
    return same
