"""ROI CSV as wai.annotations reads it: corners inclusive, one row an object."""

import csv
import io
from collections.abc import Sequence

from mmdet_flow.formats.objects import PixelObject

CORNERS = ("x0", "y0", "x1", "y1", "x0n", "y0n", "x1n", "y1n")
SIZES = ("x", "y", "w", "h", "xn", "yn", "wn", "hn")
POLYGONS = ("poly_x", "poly_y", "poly_xn", "poly_yn")


def to_roi_csv(
    file: str,
    objects: Sequence[PixelObject],
    width: int,
    height: int,
    width_height: bool = False,
    minrect: bool = False,
) -> str:
    """Return the objects of one image as CSV, the header included.

    Normalised values are pixels divided by the image's width or height.
    ``width_height`` gives sizes instead of the right bottom corner, ``minrect`` the
    sides of the smallest rectangle, of any angle, around the polygon, the longer first.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    header = ["file", *(SIZES if width_height else CORNERS)]
    header += ["label", "label_str", "score", *POLYGONS]
    writer.writerow([*header, "minrect_w", "minrect_h"] if minrect else header)
    for item in objects:
        left, top, right, bottom = item.bbox
        if width_height:
            right, bottom = right - left + 1, bottom - top + 1
        xs, ys = zip(*item.polygon, strict=True)
        writer.writerow(
            (
                *(file, left, top, right, bottom),
                *(left / width, top / height, right / width, bottom / height),
                *(item.label, item.name, item.score),
                *(joined(xs), joined(ys)),
                joined(x / width for x in xs),
                joined(y / height for y in ys),
                *(_minrect(item.polygon) if minrect else ()),
            )
        )
    return buffer.getvalue()


def _minrect(polygon: list[list[int]]) -> tuple[float, float]:
    """Return the sides of the smallest rectangle around a polygon, the longer first.

    In pixels, between the middles of the outermost ones, as the polygon itself.
    """
    import cv2
    import numpy as np

    sides = cv2.minAreaRect(np.array(polygon, np.int32))[1]
    return max(sides), min(sides)


def joined(values) -> str:
    """Return numbers as one comma-separated cell."""
    return ",".join(str(value) for value in values)
