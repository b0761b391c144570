"""Pictures with the outlines, class names and scores of objects drawn on them."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from mmdet_flow.colours import bgr, ink
from mmdet_flow.fonts import drawable, letters, runs_of
from mmdet_flow.formats.label_places import Box, place_labels
from mmdet_flow.formats.objects import PixelObject

FONT = 0, 0.4
"""FONT_HERSHEY_SIMPLEX of OpenCV, and its scale."""

SIZE = 12
"""Of other fonts, in pixels, whose letters are as high then."""

HEIGHT, BASE, MARGIN = 15, 11, 2
"""Of a label, in pixels: how high it is, where its letters stand, and beside them."""

LINE, HALO = 2, 4
"""How wide an outline is, and the dark that sets it off from the image."""


class Drawn(NamedTuple):
    """An object to draw.

    Attributes:
        points: of its outline, (x, y).
        box: x, y, width and height, in pixels.
        number: of its class, which has a colour.
    """

    points: np.ndarray | Sequence
    box: Box
    text: str
    number: int


def draw_objects(image: np.ndarray, objects: Sequence[Drawn]) -> None:
    """Draw outlines, and as many labels as can be read: those of the first objects.

    The first objects are on top, as in the gallery.
    """
    import cv2

    for one in reversed(objects):
        points = [np.rint(np.asarray(one.points)).astype(np.int32)]
        for wide, colour in ((HALO, (0, 0, 0)), (LINE, bgr(one.number))):
            cv2.polylines(image, points, True, colour, wide, cv2.LINE_AA)
    height, width = image.shape[:2]
    texts = [drawable(one.text) for one in objects]
    # A picture has one font: that of OpenCV, which needs no other library, if it can.
    font = _Plain() if all(map(str.isascii, texts)) else _Any()
    texts = [_shortened(text, width, font) for text in texts]
    sizes = [(font.width(text), HEIGHT) for text in texts]
    boxes = np.rint([one.box for one in objects]).astype(int).tolist()
    places = place_labels(boxes, sizes, (0, 0, width, height))
    for one, text, (wide, _), place in zip(objects, texts, sizes, places, strict=True):
        if place:
            left, top = place
            label = image[top : top + HEIGHT, left : left + wide]
            label[:] = bgr(one.number)
            font.write(label, text, ink(one.number))


class _Plain:
    """The font of OpenCV, which has ASCII."""

    def width(self, text: str) -> int:
        """Return how wide a label is, in pixels."""
        import cv2

        return cv2.getTextSize(text, *FONT, thickness=1)[0][0] + 2 * MARGIN

    def write(self, label: np.ndarray, text: str, shade: tuple[int, int, int]) -> None:
        """Write on a label, uint8 BGR of HEIGHT by the text's width."""
        import cv2

        # OpenCV writes on memory of its own alone.
        picture = np.ascontiguousarray(label)
        cv2.putText(picture, text, (MARGIN, BASE), *FONT, shade, 1, cv2.LINE_AA)
        label[:] = picture


class _Any:
    """The fonts that have the letters of a text, with Pillow."""

    def width(self, text: str) -> int:
        """Return how wide a label is, in pixels."""
        lengths = (font.getlength(part) for font, part in self._parts(text))
        return math.ceil(sum(lengths)) + 2 * MARGIN

    def write(self, label: np.ndarray, text: str, shade: tuple[int, int, int]) -> None:
        """Write on a label, uint8 BGR of HEIGHT by the text's width."""
        from PIL import Image, ImageDraw

        picture = Image.fromarray(np.ascontiguousarray(label))
        x = float(MARGIN)
        for font, part in self._parts(text):
            ImageDraw.Draw(picture).text((x, BASE), part, shade, font, anchor="ls")
            x += font.getlength(part)
        label[:] = np.asarray(picture)

    def _parts(self, text: str) -> list:
        """Return the parts of a text with their fonts."""
        return [(letters(font, SIZE), part) for font, part in runs_of(text)]


def _shortened(text: str, width: int, font: _Plain | _Any) -> str:
    """Return a text, or what fits of it into a width."""
    whole = font.width(text)
    if whole <= width:
        return text
    return text[: max(1, int(len(text) * width / whole) - 3)] + "..."


def to_overlay_jpeg(image: np.ndarray, objects: Sequence[PixelObject]) -> bytes:
    """Return an image (height, width, 3) in BGR with its objects, as JPEG."""
    import cv2

    picture = image.copy()
    best_first = sorted(objects, key=lambda one: -one.score)
    draw_objects(picture, [_drawn(one) for one in best_first])
    return cv2.imencode(".jpg", picture)[1].tobytes()


def _drawn(item: PixelObject) -> Drawn:
    left, top, right, bottom = item.bbox
    box = (left, top, right - left + 1, bottom - top + 1)
    return Drawn(item.polygon, box, f"{item.name} {item.score:.2f}", item.label)
