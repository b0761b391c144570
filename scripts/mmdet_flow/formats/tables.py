"""The two tables of a data set: a row per object, and a row per image.

CSV, or Parquet where the file name ends so; pandas reads both.
"""

import csv
import itertools
from collections.abc import Iterable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

from mmdet_flow.errors import UsageError
from mmdet_flow.files import new_file, require_file
from mmdet_flow.formats.objects import PixelObject
from mmdet_flow.formats.roi_csv import joined

OBJECTS_HEADER = (
    *("file", "width", "height", "x0", "y0", "x1", "y1"),
    *("label", "label_str", "score", "area", "poly_x", "poly_y"),
)
IMAGES_HEADER = (
    *("file", "width", "height", "n_objects", "max_score", "status", "error"),
)
FLOATS = ("score", "max_score")
TEXTS = ("file", "label_str", "poly_x", "poly_y", "status", "error", "sha256")
"""Types of the columns in Parquet; all others are whole numbers."""

PARQUET = ".parquet"

ROWS = 65536
"""Rows of a group in Parquet: whatever comes together, the bytes are the same."""


def object_rows(
    file: str, width: int, height: int, objects: Sequence[PixelObject]
) -> list[tuple]:
    """Return the rows of one image for the table of objects."""
    rows = []
    for item in objects:
        xs, ys = zip(*item.polygon, strict=True)
        rows.append(
            (
                *(file, width, height, *item.bbox),
                *(item.label, item.name, item.score, item.area),
                *(joined(xs), joined(ys)),
            )
        )
    return rows


def require_writer(path: Path) -> None:
    """Raise UsageError where no table can be written in the format of a name."""
    if path.suffix == PARQUET and find_spec("pyarrow") is None:
        raise UsageError(
            f"{path}: Parquet takes the Python package pyarrow, which this environment "
            "lacks; name a file that ends in .csv"
        )


def write_table(path: Path, header: Sequence[str], rows: Iterable[Sequence]) -> None:
    """Write rows as they come; the file appears when it is whole."""
    with new_file(path) as temporary:
        if path.suffix == PARQUET:
            _write_parquet(temporary, header, rows)
        else:
            with _text(temporary, "w") as stream:
                writer = csv.writer(stream)
                writer.writerow(header)
                writer.writerows(rows)


def gather(parts: Sequence[Path], output: Path) -> None:
    """Join CSV tables with the same columns under one header, row by row."""
    with _text(parts[0]) as stream:
        header = next(csv.reader(stream))
    write_table(output, header, _rows_of(parts))


def column(path: Path, name: str) -> Iterator[str]:
    """Yield the cells of a column of a CSV table."""
    csv.field_size_limit(2**31 - 1)
    require_file(path)
    with _text(path) as stream:
        yield from (row[name] for row in csv.DictReader(stream))


def _rows_of(parts: Sequence[Path]) -> Iterator[list[str]]:
    csv.field_size_limit(2**31 - 1)  # polygons are long
    for part in parts:
        with _text(part) as stream:
            yield from itertools.islice(csv.reader(stream), 1, None)


def _text(path: Path, mode: str = "r"):
    """Open a table; file names in it need not be valid text."""
    return open(path, mode, newline="", encoding="utf-8", errors="backslashreplace")


def _write_parquet(path: Path, header: Sequence[str], rows: Iterable[Sequence]) -> None:
    import pyarrow
    from pyarrow import parquet

    column_types = {**dict.fromkeys(FLOATS, float), **dict.fromkeys(TEXTS, str)}
    types = {float: pyarrow.float64(), str: pyarrow.string(), int: pyarrow.int64()}
    columns = [(name, column_types.get(name, int)) for name in header]
    schema = pyarrow.schema([(name, types[cls]) for name, cls in columns])
    rows = iter(rows)
    with parquet.ParquetWriter(path, schema) as writer:
        while group := list(itertools.islice(rows, ROWS)):
            arrays = [
                pyarrow.array([_typed(value, cls) for value in values], types[cls])
                for (_, cls), values in zip(
                    columns, zip(*group, strict=True), strict=True
                )
            ]
            writer.write_table(pyarrow.Table.from_arrays(arrays, schema=schema))


def _typed(value, cls: type):
    """Return a cell as its column has it; what is empty in CSV is no value."""
    if cls is str:
        return value
    return None if value in ("", None) else cls(value)
