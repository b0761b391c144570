"""Pictures with the outlines, class names and scores of objects drawn on them."""

import math
from collections.abc import Sequence

import numpy as np

from mmdet_flow.fonts import drawable, runs_of
from mmdet_flow.formats.objects import PixelObject

COLOURS = ((75, 25, 230), (60, 180, 75), (200, 130, 0), (0, 130, 245), (180, 30, 145))
"""BGR, one a class, far apart for most eyes."""

FONT = 0, 0.4
"""FONT_HERSHEY_SIMPLEX of OpenCV, and its scale."""


SIZE = 12
"""Of other fonts, in pixels, whose letters are as high then."""


def draw_object(image: np.ndarray, points, corner, text: str, number: int) -> None:
    """Draw a polygon (x, y) and a text above its corner, in the colour of a class."""
    import cv2

    colour = COLOURS[number % len(COLOURS)]
    points = np.rint(np.asarray(points)).astype(np.int32)
    cv2.polylines(image, [points], True, colour, 2, cv2.LINE_AA)
    text = drawable(text)
    draw = _draw_ascii if text.isascii() else _draw_any
    draw(image, text, corner, colour)


def _draw_ascii(image: np.ndarray, text: str, corner, colour) -> None:
    import cv2

    width = cv2.getTextSize(text, *FONT, thickness=3)[0][0]
    place = _place(image, corner, width)
    for thick, shade in ((3, (255, 255, 255)), (1, colour)):
        cv2.putText(image, text, place, *FONT, shade, thick, cv2.LINE_AA)


def _draw_any(image: np.ndarray, text: str, corner, colour) -> None:
    """Draw a text that OpenCV's own font has not, with Pillow."""
    from PIL import Image, ImageDraw, ImageFont

    runs = [(ImageFont.truetype(font, SIZE), part) for font, part in runs_of(text)]
    widths = [font.getlength(part) for font, part in runs]
    left, base = _place(image, corner, math.ceil(sum(widths)) + 2)
    top = max(0, base - 2 * SIZE)
    region = image[top : base + SIZE, left:]
    if not region.size:
        return  # beyond the image
    picture = Image.fromarray(region)
    for stroke, shade in ((1, (255, 255, 255)), (0, colour)):
        x = 1.0
        for (font, part), width in zip(runs, widths, strict=True):
            place = (x, base - top)
            ImageDraw.Draw(picture).text(
                place, part, shade, font, anchor="ls", stroke_width=stroke
            )
            x += width
    region[:] = np.asarray(picture)


def _place(image: np.ndarray, corner, width: int) -> tuple[int, int]:
    """Return where a text begins that stands above a corner, so that it can be read."""
    left = max(0, min(round(corner[0]), image.shape[1] - width))
    return left, max(12, round(corner[1]) - 3)


def to_overlay_jpeg(image: np.ndarray, objects: Sequence[PixelObject]) -> bytes:
    """Return an image (height, width, 3) in BGR with its objects, as JPEG."""
    import cv2

    picture = image.copy()
    for item in objects:
        text = f"{item.name} {item.score:.2f}"
        draw_object(picture, item.polygon, item.bbox[:2], text, item.label)
    return cv2.imencode(".jpg", picture)[1].tobytes()
