"""How far those who labelled the same images agree with each other.

Objects of two annotators are paired one to one, whatever their class, so that their
boxes have most in common. From the pairs follow

* F1, or Dice's coefficient: twice the objects that both have, with the same class, over
  all objects of both. It is the F1 that one annotator would get if he were measured by
  the other. Hripcsak and Rothschild, "Agreement, the F-Measure, and Reliability in
  Information Retrieval" (2005), say why it stands for kappa where nobody can count the
  places without an object;
* the kappa of Cohen, "A Coefficient of Agreement for Nominal Scales" (1960), of the
  classes of objects that both have;
* the mean intersection over union of these, by boxes and by outlines.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np

from mmdet_flow.contents import ALL, name_apart
from mmdet_flow.dataset.annotations import AnnotatedObject
from mmdet_flow.dataset.coco_object import as_coco
from mmdet_flow.dataset.difference import Change, cells_of, changes_of
from mmdet_flow.dataset.labelled import LabelledImage, pair_up
from mmdet_flow.errors import DataError
from mmdet_flow.evaluation.assignment import to_rle
from mmdet_flow.evaluation.bootstrap import SAMPLES, draw_weights, interval_of
from mmdet_flow.evaluation.evaluate import to_csv
from mmdet_flow.files import write_if_changed, write_json
from mmdet_flow.words import counted

IOU = 0.5
"""Boxes with less in common are of two objects, as in the evaluation of a model."""

OTHER_CLASS = "class"
"""What a table calls it that both have an object and give it two classes."""

COLUMNS = (
    *("first", "second", "class", "objects_first", "objects_second", "same"),
    *("f1", "f1_low", "f1_high", "mean_iou", "mean_mask_iou"),
)
PLACES = ("x", "y", "width", "height")
DISAGREEMENTS = (
    *("first", "second", "file", "sha256", "disagreement", "iou"),
    *("class_first", *(f"{name}_first" for name in PLACES)),
    *("class_second", *(f"{name}_second" for name in PLACES)),
)


@dataclass(frozen=True)
class Annotator:
    """Somebody, or a file or folder of his, with what he labelled."""

    name: str
    images: Sequence[LabelledImage]


@dataclass(frozen=True)
class Agreement:
    """Two annotators, and what both made of each image that both labelled.

    Attributes:
        changes: for each image, how the objects of the second one are to those of the
            first.
    """

    first: str
    second: str
    images: Sequence[LabelledImage]
    changes: Sequence[Sequence[Change]]

    @property
    def classes(self) -> list[str]:
        """Return the classes that one of them used."""
        return sorted({label for one in self._all() for label in _labels(one) if label})

    @property
    def both(self) -> list[Change]:
        """Return the objects that both have, whatever their class."""
        return [one for one in self._all() if None not in _labels(one)]

    def disagreements(self) -> Iterator[tuple[str, Change]]:
        """Yield each object that only one has, or that has two classes."""
        for one in self._all():
            first, second = _labels(one)
            if first is None or second is None:
                yield ("only_second" if first is None else "only_first"), one
            elif first != second:
                yield OTHER_CLASS, one

    def counts(self, label: str | None = None) -> np.ndarray:
        """Return how many objects of a class, or all, are there: (images, 3).

        The columns are those of the first, of the second, and what is the same in both.
        """
        return np.array([_counts(found, label) for found in self.changes])

    def _all(self) -> Iterator[Change]:
        return (one for found in self.changes for one in found)


def _labels(change: Change) -> tuple[str | None, str | None]:
    first, second = change.before, change.after
    return first and first.label, second and second.label


def _counts(changes: Iterable[Change], label: str | None) -> tuple[int, int, int]:
    pairs = [_labels(one) for one in changes]
    firsts, seconds = (
        [one[side] for one in pairs if one[side] and label in (None, one[side])]
        for side in (0, 1)
    )
    same = [one for one, other in pairs if one == other and label in (None, one)]
    return len(firsts), len(seconds), len(same)


def agreements(annotators: Sequence[Annotator], iou: float = IOU) -> list[Agreement]:
    """Return how far each two agree; DataError where no two labelled the same image."""
    found = [_agreement(*pair, iou) for pair in combinations(annotators, 2)]
    shared = [one for one in found if one.images]
    if not shared:
        names = ", ".join(one.name for one in annotators)
        raise DataError(
            f"{names}: no image is labelled by two annotators; name what was labelled "
            "twice"
        )
    return shared


def _agreement(first: Annotator, second: Annotator, iou: float) -> Agreement:
    pairs = [
        (one, other)
        for one, other in pair_up(first.images, second.images)
        if one and other
    ]
    return Agreement(
        first.name,
        second.name,
        [one for one, _ in pairs],
        [list(changes_of(other, one.objects, iou)) for one, other in pairs],
    )


def f1_of(counts: np.ndarray) -> np.ndarray:
    """Return F1 (...) of counts (..., 3): of both sides, and the same; NaN for none."""
    first, second, same = np.moveaxis(np.asarray(counts, float), -1, 0)
    total = first + second
    return np.divide(2 * same, total, out=np.full_like(total, np.nan), where=total > 0)


def kappa_of(pairs: Sequence[tuple[str, str]]) -> float | None:
    """Return Cohen's kappa of pairs of classes; None where there is but one class."""
    if not pairs:
        return None
    seen = np.mean([one == other for one, other in pairs])
    first, second = (Counter(one[side] for one in pairs) for side in (0, 1))
    chance = sum(first[label] * second[label] for label in first) / len(pairs) ** 2
    return None if chance == 1 else float((seen - chance) / (1 - chance))


def report_of(found: Agreement, samples: int = SAMPLES) -> dict:
    """Return all figures of two annotators as plain values; None is n/a."""
    both = [(one, mask_iou(one)) for one in found.both]
    weights = draw_weights(len(found.images), samples, seed=0)
    names = [None, *found.classes]
    rows = {name: _figures(found, both, name, weights) for name in names}
    return {
        "first": found.first,
        "second": found.second,
        "images": len(found.images),
        **rows[None],
        "both": len(both),
        "kappa": _rounded(kappa_of([_labels(one) for one, _ in both])),
        "by_class": {name: rows[name] for name in names[1:]},
        "other_class": _other_class(found),
    }


def _other_class(found: Agreement) -> dict[str, int]:
    """Return how often both have an object, by the two classes that they give it."""
    pairs = Counter(
        " and ".join(_labels(one))
        for what, one in found.disagreements()
        if what == OTHER_CLASS
    )
    return dict(sorted(pairs.items()))


def _figures(
    found: Agreement,
    both: Sequence[tuple[Change, float | None]],
    label: str | None,
    weights: np.ndarray,
) -> dict:
    """Return the figures of a class, or all.

    ``both`` has the mask IoU of each object that both have. The weights (samples,
    images) are how often each image is drawn.
    """
    counts = found.counts(label)
    first, second, same = counts.sum(0).tolist()
    value = float(f1_of(counts.sum(0)))
    # An image that is drawn again is always the same.
    varies = (counts[:, :2].sum(1) > 0).sum() > 1
    low, high = (varies and interval_of(f1_of(weights @ counts))) or (None, None)
    shared = [
        (one.iou, mask)
        for one, mask in both
        if label is None or _labels(one) == (label, label)
    ]
    return {
        "objects_first": first,
        "objects_second": second,
        "same": same,
        "f1": _rounded(value),
        "f1_low": low,
        "f1_high": high,
        "mean_iou": _mean([iou for iou, _ in shared]),
        "mean_mask_iou": _mean([mask for _, mask in shared if mask is not None]),
    }


def mask_iou(change: Change) -> float | None:
    """Return the IoU of two outlines or masks; None where one of them is a box."""
    from pycocotools import mask as coco_mask

    width, height = change.image.size
    shapes = [_shape(item) for item in (change.before, change.after)]
    if None in shapes:
        return None
    image = {"width": width, "height": height}
    one, other = (to_rle(shape, image) for shape in shapes)
    return float(coco_mask.iou([one], [other], [0])[0, 0])


def _shape(item: AnnotatedObject) -> list | dict | None:
    return as_coco(item)["segmentation"] or None


def _mean(values: Sequence[float]) -> float | None:
    return _rounded(float(np.mean(values))) if values else None


def _rounded(value: float | None) -> float | None:
    return None if value is None or np.isnan(value) else round(value, 4)


def summary(report: dict, iou: float) -> str:
    """Return the figures of two annotators in one line."""
    f1, low, high = (report[f"f1{end}"] for end in ("", "_low", "_high"))
    if f1 is None:
        return f"{_who(report)}: neither has an object"
    between = "" if low is None else f", {low:.2f} to {high:.2f}"
    line = (
        f"{_who(report)}: F1 {f1:.2f}{between}, at an IoU of {iou:g}; of "
        f"{report['objects_first']} and {report['objects_second']} objects "
        f"{report['same']} are the same"
    )
    if others := report["both"] - report["same"]:
        have = "has" if others == 1 else "have"
        line += f", {others} {have} another class"
    if report["kappa"] is not None:
        line += f" (kappa {report['kappa']:.2f})"
    if report["mean_iou"] is not None:
        line += f"; mean IoU {report['mean_iou']:.2f}"
    if report["mean_mask_iou"] is not None:
        line += f", of outlines {report['mean_mask_iou']:.2f}"
    return line


def _who(report: dict) -> str:
    images = counted(report["images"], "image")
    return f"{report['first']} and {report['second']}, {images}"


def write_agreements(
    found: Sequence[Agreement], reports: Sequence[dict], iou: float, folder: Path
) -> None:
    """Write agreement.json, a table of it, and where they disagree, as tables."""
    write_json(folder / "agreement.json", {"iou": iou, "pairs": list(reports)})
    write_if_changed(
        folder / "agreement.csv",
        to_csv(COLUMNS, (row for one in reports for row in _rows(one))),
    )
    write_if_changed(
        folder / "disagreements.csv",
        to_csv(DISAGREEMENTS, (row for one in found for row in _disagreements(one))),
    )


def _rows(report: dict) -> Iterator[list]:
    by_class = report["by_class"]
    for name, figures in {name_apart(ALL, by_class): report, **by_class}.items():
        yield [
            *(report["first"], report["second"], name),
            *(figures[column] for column in COLUMNS[3:]),
        ]


def _disagreements(found: Agreement) -> Iterator[list]:
    for what, one in found.disagreements():
        iou = "" if None in _labels(one) else round(one.iou, 4)
        yield [
            *(found.first, found.second, one.image.name, one.image.sha256, what, iou),
            *(cell for item in (one.before, one.after) for cell in cells_of(item)),
        ]
