"""Pictures with the outlines, class names and scores of objects drawn on them."""

from collections.abc import Sequence

import numpy as np

from mmdet_flow.formats.objects import PixelObject

COLOURS = ((75, 25, 230), (60, 180, 75), (200, 130, 0), (0, 130, 245), (180, 30, 145))
"""BGR, one a class, far apart for most eyes."""

FONT = 0, 0.4
"""FONT_HERSHEY_SIMPLEX of OpenCV, and its scale."""


def draw_object(image: np.ndarray, points, corner, text: str, number: int) -> None:
    """Draw a polygon (x, y) and a text above its corner, in the colour of a class."""
    import cv2

    colour = COLOURS[number % len(COLOURS)]
    points = np.rint(np.asarray(points)).astype(np.int32)
    cv2.polylines(image, [points], True, colour, 2, cv2.LINE_AA)
    width = cv2.getTextSize(text, *FONT, thickness=3)[0][0]
    left = max(0, min(round(corner[0]), image.shape[1] - width))  # all can be read
    place = (left, max(12, round(corner[1]) - 3))
    for thick, shade in ((3, (255, 255, 255)), (1, colour)):
        cv2.putText(image, text, place, *FONT, shade, thick, cv2.LINE_AA)


def to_overlay_jpeg(image: np.ndarray, objects: Sequence[PixelObject]) -> bytes:
    """Return an image (height, width, 3) in BGR with its objects, as JPEG."""
    import cv2

    picture = image.copy()
    for item in objects:
        text = f"{item.name} {item.score:.2f}"
        draw_object(picture, item.polygon, item.bbox[:2], text, item.label)
    return cv2.imencode(".jpg", picture)[1].tobytes()
