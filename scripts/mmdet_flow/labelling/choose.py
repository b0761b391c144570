"""The images to label next, as a list, with a table and a picture of the choice."""

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mmdet_flow import cli
from mmdet_flow.dataset.labelled import Known, LabelledImage
from mmdet_flow.dataset.predictions import (
    PredictedImage,
    predictions_below,
    read_predictions,
)
from mmdet_flow.errors import DataError
from mmdet_flow.files import (
    as_text,
    keep_apart,
    only_writer,
    write_if_changed,
    write_json,
)
from mmdet_flow.images import read_image
from mmdet_flow.labelling.base import Base
from mmdet_flow.labelling.picture import draw_choice
from mmdet_flow.labelling.ranking import (
    METHODS,
    SOURCES,
    Method,
    Ranking,
    rank,
    uncertainty,
)

CHOICE = "choice"
FILES = tuple(f"{CHOICE}.{end}" for end in ("txt", "csv", "json", "png"))

COLUMNS = ("rank", "chosen", "file", "sha256", "uncertainty", "objects", "distance")

Embed = Callable[[np.ndarray], np.ndarray]
"""What returns a vector (d,) for an image (height, width, 3) uint8 BGR."""


@dataclass(frozen=True)
class Candidates:
    """The images of which some are to be labelled.

    Attributes:
        images: each content once, and none that is labelled.
        labelled: the images that are, but for those of the test split.
    """

    images: list[PredictedImage]
    labelled: list[LabelledImage]


def choose(
    predictions: Path,
    images: Path | None,
    before: Base | None,
    count: int,
    method: Method,
    output: Path,
    embed: Embed | None = None,
) -> None:
    """Write ``choice.txt``, a list of images to label, with a table and a picture.

    Images that are labelled already, of the test split too, are no candidates. What is
    labelled are centres of the spread. ``embed`` is needed for methods that look.
    Raises DataError where no candidate is left.
    """
    keep_apart(output, predictions_below(predictions), *filter(None, [images]))
    candidates = _candidates(read_predictions(predictions, images), before)
    doubts = np.array([_doubt(one, method) for one in candidates.images])
    features = centres = None
    if method.looks:
        features = _embedded([one.image for one in candidates.images], embed)
        centres = _embedded([one.file for one in candidates.labelled], embed)
    ranking = rank(count, method, doubts, features, centres)
    count = min(count, len(candidates.images))
    with only_writer(output):
        chosen = [candidates.images[i] for i in ranking.order[:count]]
        _write_table(candidates.images, doubts, ranking, count, output)
        _write_about(method, count, len(candidates.images), output)
        draw_choice(chosen, features, centres, ranking, output / f"{CHOICE}.png")
        names = "".join(f"{as_text(one.image.name)}\n" for one in chosen)
        write_if_changed(output / f"{CHOICE}.txt", names)
    total = len(candidates.images)
    cli.log.info("chose %d of %d images: %s", count, total, METHODS[method.name])


def _candidates(found: Sequence[PredictedImage], before: Base | None) -> Candidates:
    data = before.data.images if before else []
    known, seen, kept = Known(data), set(), []
    labelled, copies = 0, 0
    for one in cli.progress(found, len(found), "looked up"):
        image = LabelledImage(one.name, one.image, one.sha256, one.size, ())
        if known.find(image):
            labelled += 1
        elif one.sha256 in seen:
            copies += 1
        else:
            seen.add(one.sha256)
            kept.append(one)
    if labelled or copies:
        cli.log.info("left aside: %d labelled before, %d as copies", labelled, copies)
    if not kept:
        raise DataError(
            "no image is left to choose: all that were predicted are labelled"
        )
    learned = [one for one in data if not (before and before.is_tested([one.name]))]
    return Candidates(kept, learned)


def _doubt(one: PredictedImage, method: Method) -> float:
    scores = [item.score for item in one.objects if item.score is not None]
    return uncertainty(scores, method.aggregate)


def _embedded(files: Sequence[Path], embed: Embed) -> np.ndarray:
    """Return the features (n, d) of image files."""
    read = (embed(read_image(path)[1]) for path in files)
    return np.array(list(cli.progress(read, len(files), "looked at")))


def _write_table(
    images: Sequence[PredictedImage],
    doubts: np.ndarray,
    ranking: Ranking,
    count: int,
    output: Path,
) -> None:
    """Write a row for each image, in the order in which to label them."""
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(COLUMNS)
    for place, index in enumerate(ranking.order.tolist(), 1):
        one, distance = images[index], ranking.distance[index]
        row = (place, int(place <= count), as_text(one.image.name), one.sha256)
        row += (round(float(doubts[index]), 6), len(one.objects))
        writer.writerow(
            (*row, round(float(distance), 6) if distance == distance else "")
        )
    write_if_changed(output / f"{CHOICE}.csv", table.getvalue())


def _write_about(method: Method, count: int, total: int, output: Path) -> None:
    about = {
        "method": method.name,
        "means": METHODS[method.name],
        "source": SOURCES[method.name],
        "aggregate": method.aggregate,
        "pool": method.pool,
        "seed": method.seed,
        "chosen": count,
        "images": total,
    }
    write_json(output / f"{CHOICE}.json", about)
