"""Errors in annotations that an evaluation named, ticked off when they are looked at.

The table is ``label_errors.csv`` of the evaluation, with one column more.
"""

import csv
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from mmdet_flow.dataset.annotations import AnnotatedObject
from mmdet_flow.dataset.difference import box_ious
from mmdet_flow.dataset.fields import Malformed, parsed
from mmdet_flow.errors import DataError
from mmdet_flow.files import read_table, write_if_changed

STATUS = "status"
CORRECTED, KEPT, OPEN = "corrected", "kept", "open"

AGREES = 0.5
"""IoU with the detection from which on an object is what the model meant."""

COLUMNS = ("file", "predicted", *"xywh")


def tick_off(
    path: Path, looked_at: Mapping[str, Sequence[AnnotatedObject]], output: Path
) -> Counter:
    """Write the table with the status of each row; return how many have which.

    ``looked_at`` has the objects of each image that somebody corrected, by its name in
    the data. An error is corrected where they agree with the detection, and kept where
    they do not; in other images it stays what it was, open at first.
    """
    rows = read_table(path)
    for number, row in enumerate(rows, 2):
        missing = [name for name in COLUMNS if row.get(name) is None]
        if missing:
            raise DataError(
                f"{path}, line {number}: has no {missing[0]}; evaluate again"
            )
        try:
            row[STATUS] = _status(row, looked_at)
        except Malformed as error:
            raise DataError(f"{path}, line {number}: {error}; evaluate again") from None
    header = list(rows[0]) if rows else [*COLUMNS, STATUS]
    table = io.StringIO()
    writer = csv.DictWriter(table, header, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_if_changed(output, table.getvalue())
    return Counter(row[STATUS] for row in rows)


def _status(
    row: Mapping[str, str], looked_at: Mapping[str, Sequence[AnnotatedObject]]
) -> str:
    if row["file"] not in looked_at:
        return row.get(STATUS) or OPEN
    bbox = tuple(parsed(row[key], key) for key in "xywh")
    detection = AnnotatedObject(row["predicted"], bbox)
    own = [one for one in looked_at[row["file"]] if one.label == detection.label]
    overlaps = box_ious([detection], own)
    return CORRECTED if (overlaps >= AGREES).any() else KEPT
