"""ROI CSV as wai.annotations reads it: corners inclusive, one row an object."""

import csv
import io
from collections.abc import Sequence

from mmdet_flow.formats.objects import PixelObject

HEADER = (
    *("file", "x0", "y0", "x1", "y1", "x0n", "y0n", "x1n", "y1n"),
    *("label", "label_str", "score"),
    *("poly_x", "poly_y", "poly_xn", "poly_yn"),
)


def to_roi_csv(
    file: str, objects: Sequence[PixelObject], width: int, height: int
) -> str:
    """Return the objects of one image as CSV, the header included.

    Normalised values are pixels divided by the image's width or height.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow(HEADER)
    for item in objects:
        left, top, right, bottom = item.bbox
        xs, ys = zip(*item.polygon, strict=True)
        writer.writerow(
            (
                *(file, left, top, right, bottom),
                *(left / width, top / height, right / width, bottom / height),
                *(item.label, item.name, item.score),
                *(joined(xs), joined(ys)),
                joined(x / width for x in xs),
                joined(y / height for y in ys),
            )
        )
    return buffer.getvalue()


def joined(values) -> str:
    """Return numbers as one comma-separated cell."""
    return ",".join(str(value) for value in values)
