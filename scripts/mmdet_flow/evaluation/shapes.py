"""What pages draw over an image: outlines of what is annotated and what was found."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mmdet_flow.colours import PALETTE
from mmdet_flow.detections import Mask
from mmdet_flow.evaluation.assignment import (
    IGNORED,
    MISSED,
    TRUE_POSITIVE,
    Assignment,
    to_rle,
)
from mmdet_flow.evaluation.label_errors import LabelError
from mmdet_flow.fonts import drawable, letters, runs_of
from mmdet_flow.formats.label_places import place_labels
from mmdet_flow.formats.objects import Outlines, trace

LONGER_SIDE = 800
"""Pictures are made smaller than this, in pixels: a page of 200 has about 20 MB."""

JPEG_QUALITY = 80
MARGIN = 0.5
"""Around a candidate, in sides of its box."""

TRUTH, FOUND = "truth", "found"
DESCRIPTIONS = {
    TRUE_POSITIVE: "true positive",
    "classification": "classification error",
    "localisation": "localisation error",
    "both": "both errors",
    "duplicate": "duplicate",
    "background": "background",
    MISSED: "missed",
}
LEGEND = (
    (TRUTH, "", "annotated"),
    *(
        (TRUTH if name == MISSED else FOUND, name, text)
        for name, text in DESCRIPTIONS.items()
    ),
)
"""Role, error and meaning of each colour of an outline."""


FAR, NEAR = "far", "near"
LETTERS = {FAR: 0.028, NEAR: 0.012}
"""Of names in a small drawing, and in one that is enlarged, in parts of its sides."""

HIGH, BASE, MARGIN_OF_NAME = 1.25, 0.95, 0.15
"""Of a name in sizes of its letters: its height, its base line, what is beside it."""


class Label(NamedTuple):
    """Where a name stands: in a box, where its base line begins at x, y.

    Attributes:
        kind: FAR or NEAR.
        box: x, y, width and height.
        size: of its letters.
    """

    kind: str
    box: tuple[float, ...]
    x: float
    y: float
    size: float


class Shape(NamedTuple):
    """An outline with its tool tip, and a name, which stands where there is room.

    Attributes:
        role: TRUTH or FOUND.
        error: what became of it; "" for an annotated object that was found.
        label: the position of its class in the class list.
        labels: those that it is about, with spaces between them.
        path: of SVG, in pixels.
        name: "" for none.
        box: x, y, width and height.
        places: of its name, at most one of a kind.
    """

    role: str
    error: str
    label: int
    labels: str
    path: str
    text: str
    name: str
    box: Sequence[float]
    places: tuple[Label, ...] = ()

    @property
    def colour(self) -> int:
        """The place of its class in the palette."""
        return self.label % len(PALETTE)


@dataclass(frozen=True)
class Drawing:
    """A part of an image with outlines over it.

    Attributes:
        image: its position, by which a page knows its picture.
        view: left, top, width and height of the part, in pixels.
        label: what it is, for those who do not see it.
        jpeg: the picture; None where the page has it already.
    """

    image: int
    view: tuple[int, int, int, int]
    label: str
    shapes: Sequence[Shape]
    jpeg: bytes | None = None


@dataclass(frozen=True)
class Drawings:
    """The drawings of what one model found; ``iou_type`` is "bbox" or "segm"."""

    classes: Sequence[str]
    iou_type: str
    kept: Assignment

    def whole(self, index: int, told: str, jpeg: bytes | None = None) -> Drawing:
        """Return an image with all its outlines, the best detection on top.

        As many of their names are shown as can be read, those of errors first.
        """
        image = self.kept.images[index]
        shapes = [*self._truths(index), *self._detections(index)]
        label = f"{image['file_name']}: {told}"
        view = (0, 0, image["width"], image["height"])
        return Drawing(index, view, label, _with_places(shapes, view), jpeg)

    def around(self, one: LabelError) -> Drawing:
        """Return a candidate for an error, with the annotation that it doubts."""
        x, y, width, height = one.bbox
        side = max(width, height, 1) * (1 + 2 * MARGIN)
        left, top = x + width / 2 - side / 2, y + height / 2 - side / 2
        shapes = [self._detection(one.row)]
        if one.annotated is not None:
            shapes.insert(0, self._truth(int(self.kept.target[one.row])))
        view = (round(left), round(top), round(side), round(side))
        return Drawing(one.image, view, f"{one.file}: {one.suspicion}", shapes)

    def _truths(self, index: int) -> Iterator[Shape]:
        kept = self.kept
        rows = np.flatnonzero((kept.object_image == index) & (kept.state != IGNORED))
        return (self._truth(int(row)) for row in rows)

    def _truth(self, row: int) -> Shape:
        kept = self.kept
        item, label = kept.objects[row], int(kept.object_label[row])
        missed = kept.state[row] == MISSED
        text = f"annotated: {self.classes[label]}"
        return Shape(
            TRUTH,
            MISSED if missed else "",
            label,
            str(label),
            outline(item, kept.images[kept.object_image[row]], self.iou_type),
            f"{text}, missed" if missed else text,
            self.classes[label] if missed else "",
            item["bbox"],
        )

    def _detections(self, index: int) -> Iterator[Shape]:
        kept = self.kept
        rows = np.flatnonzero((kept.image == index) & (kept.outcome != IGNORED))
        return (self._detection(int(row)) for row in reversed(rows))

    def _detection(self, row: int) -> Shape:
        kept = self.kept
        item, outcome = kept.rows[row], str(kept.outcome[row])
        label, target = int(kept.label[row]), int(kept.target[row])
        labels = str(label)
        name = f"{self.classes[label]} {kept.score[row]:.2f}"
        text = f"{name}: {DESCRIPTIONS[outcome]}"
        if target >= 0:
            annotated = int(kept.object_label[target])
            labels = " ".join(map(str, sorted({label, annotated})))
            text += f", annotated {self.classes[annotated]}, IoU {kept.iou[row]:.2f}"
        return Shape(
            FOUND,
            outcome,
            label,
            labels,
            outline(item, kept.images[kept.image[row]], self.iou_type),
            text,
            name,
            item["bbox"],
        )


def _with_places(shapes: Sequence[Shape], view: Sequence[int]) -> list[Shape]:
    """Return shapes with places for their names, the errors and the best ones first."""
    shapes = list(shapes)
    named = [number for number, one in enumerate(shapes) if one.name]
    # The best detections are the last ones, and on top.
    named.sort(key=lambda number: (shapes[number].error == TRUE_POSITIVE, -number))
    beside = 2 * MARGIN_OF_NAME
    lengths = [_length(shapes[number].name) + beside for number in named]
    boxes = [shapes[number].box for number in named]
    for kind, part in LETTERS.items():
        size = max(view[2:]) * part
        sizes = [(length * size, HIGH * size) for length in lengths]
        places = place_labels(boxes, sizes, view)
        for number, place, own in zip(named, places, sizes, strict=True):
            if place:
                x, y = place[0] + MARGIN_OF_NAME * size, place[1] + BASE * size
                box = tuple(round(value, 1) for value in (*place, *own))
                label = Label(kind, box, round(x, 1), round(y, 1), round(size, 2))
                both = (*shapes[number].places, label)
                shapes[number] = shapes[number]._replace(places=both)
    return shapes


@cache
def _length(text: str) -> float:
    """Return how long a text is in a wide font, in sizes of its letters."""
    fine = 100
    parts = runs_of(drawable(text))
    return sum(letters(font, fine).getlength(part) for font, part in parts) / fine


def outline(item: dict, image: dict, iou_type: str) -> str:
    """Return the outline of an annotation or a result as an SVG path, in pixels."""
    segmentation = item.get("segmentation")
    if iou_type == "bbox" or not segmentation:
        x, y, width, height = (round(value, 1) for value in item["bbox"])
        return f"M{x:g} {y:g}h{width:g}v{height:g}h{-width:g}z"
    if isinstance(segmentation, list):
        parts = [np.reshape(part, (-1, 2)) for part in segmentation]
    else:
        from pycocotools import mask as coco_mask

        pixels = coco_mask.decode(to_rle(segmentation, image)).astype(bool)
        parts = trace(Mask.of_image(pixels), Outlines())
    return "".join(
        "M" + "L".join(f"{x:.0f} {y:.0f}" for x, y in part) + "z" for part in parts
    )


def jpeg_of(path: Path) -> bytes:
    """Return a picture, made smaller where it is large, as JPEG."""
    import cv2

    from mmdet_flow.images import read_image

    image = read_image(path)[1]
    shrink = LONGER_SIDE / max(image.shape[:2])
    if shrink < 1:
        size = (round(image.shape[1] * shrink), round(image.shape[0] * shrink))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1]
    return encoded.tobytes()
