"""The two tables of a data set: a row per object, and a row per image."""

import csv
import shutil
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from mmdet_flow.files import new_file
from mmdet_flow.formats.objects import PixelObject
from mmdet_flow.formats.roi_csv import joined

OBJECTS_HEADER = (
    *("file", "width", "height", "x0", "y0", "x1", "y1"),
    *("label", "label_str", "score", "area", "poly_x", "poly_y"),
)
IMAGES_HEADER = (
    *("file", "width", "height", "n_objects", "max_score", "status", "error"),
)


class Tables:
    """Two CSV files that appear, whole, when the block ends without an error."""

    def __init__(self, objects: Path, images: Path) -> None:
        self._paths = (objects, images)

    def __enter__(self) -> "Tables":
        with ExitStack() as stack:
            streams = []
            for path in self._paths:
                temporary = stack.enter_context(new_file(path))
                stream = open(temporary, "w", newline="", encoding="utf-8")
                streams.append(stack.enter_context(stream))
            self._stack = stack.pop_all()
        self._objects, self._images = map(csv.writer, streams)
        self._objects.writerow(OBJECTS_HEADER)
        self._images.writerow(IMAGES_HEADER)
        return self

    def add(
        self, file: str, width: int, height: int, objects: Sequence[PixelObject]
    ) -> None:
        """Add an image that was predicted."""
        for item in objects:
            xs, ys = zip(*item.polygon, strict=True)
            self._objects.writerow(
                (
                    *(file, width, height, *item.bbox),
                    *(item.label, item.name, item.score, item.area),
                    *(joined(xs), joined(ys)),
                )
            )
        best = max((item.score for item in objects), default="")
        status = "ok" if objects else "empty"
        self._images.writerow((file, width, height, len(objects), best, status, ""))

    def add_failure(self, file: str, reason: str) -> None:
        """Add an image that could not be predicted."""
        self._images.writerow((file, "", "", 0, "", "failed", reason))

    def __exit__(self, *error) -> None:
        self._stack.__exit__(*error)


def gather(parts: Sequence[Path], output: Path) -> None:
    """Append tables of one kind under one header, row by row."""
    with new_file(output) as temporary, open(temporary, "wb") as target:
        for number, part in enumerate(parts):
            with open(part, "rb") as source:
                header = source.readline()
                if number == 0:
                    target.write(header)
                shutil.copyfileobj(source, target)
