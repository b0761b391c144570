"""What differs between two data sets: which objects were corrected, added, removed."""

import csv
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import sqrt
from pathlib import Path

import numpy as np

from mmdet_flow.dataset.annotations import AnnotatedObject, Box
from mmdet_flow.dataset.labelled import LabelledImage, pair_up
from mmdet_flow.files import write_if_changed, write_json
from mmdet_flow.words import counted

IOU = 0.1
"""Two boxes with less in common are of two objects: the background threshold of Bolya
et al., "TIDE: A General Toolbox for Identifying Object Detection Errors" (2020)."""

TOLERANCE = 0.5
"""Pixels that an edge may be away and still is where it was: tools round to whole
pixels."""

MOVED, RESHAPED, RELABELLED = "moved", "reshaped", "relabelled"
ADDED, REMOVED, UNCHANGED = "added", "removed", "unchanged"

COLUMNS = (
    *("file", "sha256", "change", "iou"),
    *("before", "x_before", "y_before", "width_before", "height_before"),
    *("after", "x_after", "y_after", "width_after", "height_after"),
)


@dataclass(frozen=True)
class Change:
    """What became of an object.

    Attributes:
        image: the image, as it is after.
        before, after: the object, or None where it was not there.
        kinds: MOVED or RESHAPED, RELABELLED, both; or ADDED, REMOVED, UNCHANGED alone.
        iou: of the two boxes.
    """

    image: LabelledImage
    before: AnnotatedObject | None
    after: AnnotatedObject | None
    kinds: tuple[str, ...]
    iou: float = 0.0

    @property
    def is_correction(self) -> bool:
        return None not in (self.before, self.after) and UNCHANGED not in self.kinds

    def row(self) -> tuple:
        """Return the row of a table."""
        start = (self.image.name, self.image.sha256, "+".join(self.kinds))
        iou = "" if None in (self.before, self.after) else round(self.iou, 4)
        return (*start, iou, *cells_of(self.before), *cells_of(self.after))


def cells_of(item: AnnotatedObject | None) -> tuple:
    """Return class and box of an object for a table; empty where there is none."""
    if item is None:
        return ("",) * 5
    return item.label, *(round(value, 4) for value in item.bbox)


@dataclass(frozen=True)
class Difference:
    """The difference of two data sets.

    Attributes:
        changes: of all objects in images that both have, unchanged ones too.
        both: images in both, as they are after.
        only_before, only_after: images in one.
    """

    changes: list[Change]
    both: list[LabelledImage]
    only_before: list[LabelledImage]
    only_after: list[LabelledImage]

    @property
    def counts(self) -> Counter:
        """Return the objects of each kind; one that is corrected may be of two."""
        counts = Counter(kind for one in self.changes for kind in one.kinds)
        counts["corrected"] = sum(one.is_correction for one in self.changes)
        counts["before"] = sum(one.before is not None for one in self.changes)
        counts["after"] = sum(one.after is not None for one in self.changes)
        return counts

    @property
    def hand_work(self) -> int:
        """Return how many objects somebody had to touch."""
        counts = self.counts
        return counts["corrected"] + counts[ADDED] + counts[REMOVED]


def difference(
    before: Sequence[LabelledImage],
    after: Sequence[LabelledImage],
    iou: float = IOU,
    tolerance: float = TOLERANCE,
) -> Difference:
    """Compare two data sets, image by image of the same content."""
    pairs = pair_up(before, after)
    both = [(one, other) for one, other in pairs if one and other]
    changes = [
        change
        for one, other in both
        for change in changes_of(other, one.objects, iou, tolerance)
    ]
    return Difference(
        changes,
        [other for _, other in both],
        [one for one, other in pairs if other is None],
        [other for one, other in pairs if one is None],
    )


def changes_of(
    image: LabelledImage,
    before: Sequence[AnnotatedObject],
    iou: float = IOU,
    tolerance: float = TOLERANCE,
) -> Iterator[Change]:
    """Yield what became of each object of an image, in the order of before and after.

    Objects are paired one to one, whatever their class, so that their boxes have most
    in common (linear assignment); of equal pairs, those of one class.
    """
    after = image.objects
    overlaps = box_ious(before, after)
    same = [[a.label == b.label for b in after] for a in before]
    pairs = assigned(overlaps, np.reshape(same, overlaps.shape), iou)
    for row, item in enumerate(before):
        column = pairs.get(row)
        if column is None:
            yield Change(image, item, None, (REMOVED,))
        else:
            kinds = _kinds(item, after[column], tolerance)
            yield Change(image, item, after[column], kinds, overlaps[row, column])
    for column in sorted(set(range(len(after))).difference(pairs.values())):
        yield Change(image, None, after[column], (ADDED,))


def box_ious(
    before: Sequence[AnnotatedObject], after: Sequence[AnnotatedObject]
) -> np.ndarray:
    """Return the intersection over union of the boxes of objects (before, after)."""
    one, other = (_corners(items)[:, :, None] for items in (before, after))
    low = np.maximum(one[:2], other[:2].swapaxes(1, 2))
    high = np.minimum(one[2:], other[2:].swapaxes(1, 2))
    common = np.prod(np.clip(high - low, 0, None), axis=0)
    areas = [np.prod(corners[2:] - corners[:2], axis=0) for corners in (one, other)]
    union = areas[0] + areas[1].T - common
    return np.divide(common, union, out=np.zeros_like(common), where=union > 0)


def _corners(items: Sequence[AnnotatedObject]) -> np.ndarray:
    """Return left, top, right and bottom of boxes (4, n)."""
    x, y, width, height = np.array([one.bbox for one in items], float).reshape(-1, 4).T
    return np.array([x, y, x + width, y + height])


def assigned(overlaps: np.ndarray, same: np.ndarray, least: float) -> dict[int, int]:
    """Return the column of each row that has one, so that pairs overlap most in sum.

    Args:
        overlaps: intersections over unions (rows, columns).
        same: bool (rows, columns), which of equal pairs is preferred.
        least: what a pair has to have in common.
    """
    from scipy.optimize import linear_sum_assignment

    enough = (overlaps >= least) & (overlaps > 0)
    worth = np.where(enough, overlaps + 1e-6 * same, 0)
    rows, columns = linear_sum_assignment(worth, maximize=True)
    pairs = zip(rows.tolist(), columns.tolist(), strict=True)
    return {row: column for row, column in pairs if enough[row, column]}


def _kinds(
    before: AnnotatedObject, after: AnnotatedObject, tolerance: float
) -> tuple[str, ...]:
    kinds = []
    if not _same_shape(before, after, (0, 0), tolerance):
        shift = tuple(
            b - a for a, b in zip(before.bbox[:2], after.bbox[:2], strict=True)
        )
        is_moved = _same_shape(before, after, shift, tolerance)
        kinds.append(MOVED if is_moved else RESHAPED)
    if before.label != after.label:
        kinds.append(RELABELLED)
    return tuple(kinds) or (UNCHANGED,)


def _same_shape(
    before: AnnotatedObject,
    after: AnnotatedObject,
    shift: Sequence[float],
    tolerance: float,
) -> bool:
    """Whether two objects have the same box and outline once the first is shifted."""
    away = np.abs(
        _corners([before]) + [[v] for v in (*shift, *shift)] - _corners([after])
    )
    if away.max() > tolerance:
        return False
    if before.mask or after.mask:
        return before.mask == after.mask
    one, other = _outlines(before, shift), _outlines(after)
    if one is None and other is None:
        return True
    one, other = (
        one or _outline_of(before.bbox, shift),
        other or _outline_of(after.bbox),
    )
    return _apart(one, other) <= tolerance * sqrt(2)


Points = list[np.ndarray]
"""The points (n, 2) of the outlines of an object."""


def _outlines(item: AnnotatedObject, shift: Sequence[float] = (0, 0)) -> Points | None:
    if not item.polygons:
        return None
    return [np.reshape(part, (-1, 2)) + shift for part in item.polygons]


def _outline_of(bbox: Box, shift: Sequence[float] = (0, 0)) -> Points:
    x, y, width, height = bbox
    corners = [(x, y), (x + width, y), (x + width, y + height), (x, y + height)]
    return [np.array(corners) + shift]


def _apart(one: Points, other: Points) -> float:
    """Return how far two sets of outlines are from each other at most (Hausdorff)."""
    from shapely import MultiLineString, hausdorff_distance

    lines = (
        MultiLineString([np.vstack([ring, ring[:1]]) for ring in rings])
        for rings in (one, other)
    )
    return float(hausdorff_distance(*lines))


def summary(found: Difference) -> str:
    """Return the difference in one line."""
    counts = found.counts
    kinds = ", ".join(f"{counts[one]} {one}" for one in (MOVED, RESHAPED, RELABELLED))
    line = (
        f"{counted(len(found.both), 'image')}: of {counted(counts['before'], 'object')}"
        f" {counts['corrected']} corrected ({kinds}), {counts[REMOVED]} removed, "
        f"{counts[ADDED]} added"
    )
    for images, when in ((found.only_before, "before"), (found.only_after, "after")):
        if images:
            are = "image is" if len(images) == 1 else "images are"
            line += f"; {len(images)} {are} only {when}, such as {images[0].name}"
    return line


def report_of(found: Difference, iou: float, tolerance: float) -> dict:
    """Return the counts as plain values, of all objects and by class.

    The class is the one before, or after where an object was added.
    """
    counts = found.counts
    kinds = (UNCHANGED, "corrected", MOVED, RESHAPED, RELABELLED, ADDED, REMOVED)
    return {
        "images": {
            "both": len(found.both),
            "changed": len({id(one.image) for one in _touched(found)}),
            "only_before": [one.name for one in found.only_before],
            "only_after": [one.name for one in found.only_after],
        },
        "objects": {name: counts[name] for name in ("before", "after", *kinds)},
        "hand_work": found.hand_work,
        "by_class": _by_class(found, kinds),
        "relabelled": _relabelled(found),
        "iou": iou,
        "tolerance": tolerance,
    }


def _touched(found: Difference) -> list[Change]:
    return [one for one in found.changes if UNCHANGED not in one.kinds]


def _by_class(found: Difference, kinds: Sequence[str]) -> dict[str, dict[str, int]]:
    by_class: dict[str, Counter] = {}
    for one in found.changes:
        counts = by_class.setdefault((one.before or one.after).label, Counter())
        counts.update(one.kinds)
        counts["corrected"] += one.is_correction
    return {
        name: {kind: by_class[name][kind] for kind in kinds}
        for name in sorted(by_class)
    }


def _relabelled(found: Difference) -> dict[str, int]:
    pairs = Counter(
        f"{one.before.label} -> {one.after.label}"
        for one in found.changes
        if RELABELLED in one.kinds
    )
    return dict(sorted(pairs.items()))


def write_difference(found: Difference, report: dict, folder: Path, name: str) -> None:
    """Write the counts as JSON, and a row for each object that changed as CSV."""
    write_json(folder / f"{name}.json", report)
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(one.row() for one in _touched(found))
    content = table.getvalue().encode("utf-8", "surrogateescape")
    write_if_changed(folder / f"{name}.csv", content)
