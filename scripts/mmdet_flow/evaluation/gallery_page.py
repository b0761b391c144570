"""The HTML of the gallery: pictures with outlines, in one file."""

import base64
import html
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from string import Template

import numpy as np

from mmdet_flow.evaluation.assignment import (
    CORRECT,
    IGNORED,
    IOU,
    MISSED,
    Assignment,
    to_rle,
)
from mmdet_flow.evaluation.label_errors import LabelError
from mmdet_flow.evaluation.per_image import ImageResult
from mmdet_flow.formats.objects import Outlines, trace

LONGER_SIDE = 800
"""Pictures are made smaller than this, in pixels: a page of 200 has about 20 MB."""

JPEG_QUALITY = 80
MARGIN = 0.5
"""Around a candidate, in sides of its box."""

DESCRIPTIONS = {
    CORRECT: "right",
    "classification": "wrong class",
    "localisation": "wrong place",
    "both": "wrong class and place",
    "duplicate": "found twice",
    "background": "nothing there",
    MISSED: "missed",
}


@dataclass(frozen=True)
class Page:
    """What all parts of a page share; ``lowest`` (classes,) are the scores kept."""

    title: str
    classes: Sequence[str]
    kind: str
    kept: Assignment
    lowest: np.ndarray

    def html(
        self,
        results: Sequence[ImageResult],
        candidates: Sequence[LabelError],
        images: Path,
    ) -> str:
        """Return the page of these images, whose files are in ``images``."""
        template = resources.files(__package__) / "gallery.html"
        return Template(template.read_text(encoding="utf-8")).substitute(
            title=html.escape(self.title),
            style=page_style(),
            about=html.escape(self._about(len(results))),
            classes=_options(enumerate(self.classes)),
            errors=_options(self._named_errors(results)),
            legend=legend(),
            candidates="\n".join(self._candidate(one) for one in candidates)
            or "<p>None: where the model is sure, it agrees with the annotations.</p>",
            cards="\n".join(self._card(result, images) for result in results),
        )

    def _about(self, shown: int) -> str:
        total = len(self.kept.images)
        which = f"all {total}" if shown == total else f"the worst {shown} of {total}"
        scores = ", ".join(
            f"{name} {value:g}"
            for name, value in zip(self.classes, self.lowest, strict=True)
        )
        what = {"bbox": "box", "segm": "mask"}[self.kind]
        return (
            f"Shown: {which} images, the worst first. A detection is right if its "
            f"{what} and that of an object of its class have an IoU of {IOU} or more. "
            f"Lowest scores kept: {scores}."
        )

    def _named_errors(self, results: Sequence[ImageResult]) -> list[tuple[str, str]]:
        counts = Counter()
        for result in results:
            counts.update({CORRECT: result.right, **result.errors})
        return [
            (name, f"{text} ({counts[name]})") for name, text in DESCRIPTIONS.items()
        ]

    def _card(self, result: ImageResult, images: Path) -> str:
        f1 = "n/a" if result.f1 is None else f"{result.f1:.2f}"
        file = html.escape(result.file)
        told = (
            f"{result.objects} annotated, {result.right} right, {result.wrong} wrong, "
            f"{result.not_found} not found"
        )
        return (
            f'<figure class="card" id="image-{result.index}">'
            f"{self.drawing(result.index, self.picture(result.index, images), told)}"
            f'<figcaption><button type="button" class="enlarge" aria-pressed="false">'
            f"<b>{file}</b></button> F1 {f1}<br>{told}</figcaption></figure>"
        )

    def picture(self, index: int, images: Path) -> str:
        """Return an image as an SVG element, to which others can refer."""
        image = self.kept.images[index]
        return (
            f'<image id="picture-{index}" width="{image["width"]}"'
            f' height="{image["height"]}" preserveAspectRatio="none"'
            f' href="{_data_uri(images / image["file_name"])}"/>'
        )

    def drawing(self, index: int, picture: str, told: str) -> str:
        """Return the SVG of an image: its picture, with all outlines over it."""
        image = self.kept.images[index]
        width, height = image["width"], image["height"]
        outlines = [*self._truths(index), *self._detections(index)]
        return (
            f'<svg viewBox="0 0 {width} {height}" role="img"'
            f' aria-label="{html.escape(image["file_name"])}: {told}"'
            f' style="--size:{max(width, height)}">{picture}{"".join(outlines)}</svg>'
        )

    def _truths(self, index: int) -> list[str]:
        kept = self.kept
        rows = np.flatnonzero((kept.object_image == index) & (kept.state != IGNORED))
        return [self._truth(int(row)) for row in rows]

    def _truth(self, row: int) -> str:
        kept = self.kept
        label = int(kept.object_label[row])
        missed = kept.state[row] == MISSED
        path = outline(
            kept.objects[row], kept.images[kept.object_image[row]], self.kind
        )
        text = f"annotated: {self.classes[label]}"
        return _shape(
            *("truth", MISSED if missed else "", {label}, path),
            f"{text}, missed" if missed else text,
            self.classes[label] if missed else "",
            kept.objects[row]["bbox"],
        )

    def _detections(self, index: int) -> list[str]:
        rows = np.flatnonzero(self.kept.image == index)
        # The best on top of the others.
        rows = [int(row) for row in rows if self.kept.outcome[row] != IGNORED]
        return [self._detection(row) for row in reversed(rows)]

    def _detection(self, row: int) -> str:
        kept = self.kept
        label, target = int(kept.label[row]), int(kept.target[row])
        outcome = str(kept.outcome[row])
        labels = {label}
        text = f"{self.classes[label]} {kept.score[row]:.2f}: {DESCRIPTIONS[outcome]}"
        if target >= 0:
            annotated = int(kept.object_label[target])
            labels.add(annotated)
            text += f", annotated {self.classes[annotated]}, IoU {kept.iou[row]:.2f}"
        path = outline(kept.rows[row], kept.images[kept.image[row]], self.kind)
        name = f"{self.classes[label]} {kept.score[row]:.2f}"
        return _shape(
            "found", outcome, labels, path, text, name, kept.rows[row]["bbox"]
        )

    def _candidate(self, one: LabelError) -> str:
        x, y, width, height = one.bbox
        side = max(width, height, 1) * (1 + 2 * MARGIN)
        left, top = x + width / 2 - side / 2, y + height / 2 - side / 2
        found = f"{html.escape(self.classes[one.found])} {one.score:.2f}"
        annotated = ""
        truth = ""
        target = int(self.kept.target[one.row])
        if one.annotated is not None:
            annotated = f", annotated {html.escape(self.classes[one.annotated])}"
            truth = self._truth(target)
        file = html.escape(one.file)
        return (
            f'<figure class="candidate"><svg viewBox="{left:.0f} {top:.0f} {side:.0f} '
            f'{side:.0f}" role="img" aria-label="{file}: {one.suspicion}"'
            f' style="--size:{side:.0f}">'
            f'<use href="#picture-{one.image}"/>'
            f"{truth}{self._detection(one.row)}</svg>"
            f"<figcaption><b>{one.suspicion}</b><br>found {found}{annotated}<br>"
            f'<a href="#image-{one.image}">{file}</a></figcaption></figure>'
        )


def outline(item: dict, image: dict, kind: str) -> str:
    """Return the outline of an annotation or a result as an SVG path, in pixels."""
    from pycocotools import mask as coco_mask

    segmentation = item.get("segmentation")
    if kind == "bbox" or not segmentation:
        x, y, width, height = (round(value, 1) for value in item["bbox"])
        return f"M{x:g} {y:g}h{width:g}v{height:g}h{-width:g}z"
    if isinstance(segmentation, list):
        parts = [np.reshape(part, (-1, 2)) for part in segmentation]
    else:
        mask = coco_mask.decode(to_rle(segmentation, image)).astype(bool)
        parts = trace(mask, Outlines())
    return "".join(
        "M" + "L".join(f"{x:.0f} {y:.0f}" for x, y in part) + "z" for part in parts
    )


def _shape(
    role: str, error: str, labels: set[int], path: str, text: str, name: str, bbox
) -> str:
    """Return an outline with its tool tip, and a name at the corner of its box.

    Names of errors are below, so that they leave those of what is right readable.
    """
    x, y, _, height = bbox
    below = error not in (CORRECT, MISSED)
    place = f'x="{max(x, 0):.0f}" y="{max(y, 0) + below * height:.0f}"'
    side = ' class="below"' if below else ""
    written = f"<text {place}{side}>{html.escape(name)}</text>" if name else ""
    classes = " ".join(map(str, sorted(labels)))
    return (
        f'<g class="shape {role} {error}" data-error="{error}"'
        f' data-classes="{classes}">'
        f'<title>{html.escape(text)}</title><path class="halo" d="{path}"/>'
        f'<path class="line" d="{path}"/>{written}</g>'
    )


def _options(pairs) -> str:
    return "".join(
        f'<option value="{value}">{html.escape(str(text))}</option>'
        for value, text in pairs
    )


def page_style() -> str:
    """Return the style that pages with outlines share."""
    return (resources.files(__package__) / "page.css").read_text(encoding="utf-8")


def legend() -> str:
    """Return the list items that explain the colours of outlines."""
    return "".join(_legend(name) for name in DESCRIPTIONS)


def _legend(name: str) -> str:
    role = "truth" if name == MISSED else "found"
    return (
        f'<li><svg viewBox="0 0 30 12" width="30" height="12" aria-hidden="true">'
        f'<g class="shape {role} {name}"><path class="line" d="M1 6h28"/></g></svg> '
        f"{DESCRIPTIONS[name]}</li>"
    )


def _data_uri(path: Path) -> str:
    """Return a picture, made smaller where it is large, as JPEG in a data URI."""
    import cv2

    from mmdet_flow.inference.images import read_image

    image = read_image(path)[1]
    shrink = LONGER_SIDE / max(image.shape[:2])
    if shrink < 1:
        size = (round(image.shape[1] * shrink), round(image.shape[0] * shrink))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1]
    return "data:image/jpeg;base64," + base64.b64encode(encoded.tobytes()).decode()
