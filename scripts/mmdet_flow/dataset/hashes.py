"""The table of a data set that says which image is which: names, and SHA-256."""

import csv
import io
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mmdet_flow.errors import DataError
from mmdet_flow.files import read_table, sha256_of, write_if_changed

HEADER = ("file", "sha256")


def hash_images(
    names: Sequence[str], images: Path, threads: int
) -> list[tuple[str, str]]:
    """Return the name and the SHA-256 of each of these images in a folder."""
    with ThreadPoolExecutor(threads) as pool:
        hashes = pool.map(lambda name: sha256_of(images / name), names)
        return list(zip(names, hashes, strict=True))


def write_hashes(rows: Iterable[tuple[str, str]], path: Path) -> None:
    """Write the name and the SHA-256 of each image, a row each."""
    write_if_changed(path, hash_table(rows).encode("utf-8", "surrogateescape"))


def hash_table(rows: Iterable[tuple[str, str]]) -> str:
    """Return the table of names and SHA-256."""
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(HEADER)
    writer.writerows(rows)
    return table.getvalue()


def read_hashes(path: Path) -> dict[str, str]:
    """Return the SHA-256 of each image by its name; DataError where there is none."""
    rows = read_table(path)
    if not rows or not set(HEADER) <= rows[0].keys():
        columns = " and ".join(HEADER)
        raise DataError(f"{path}: is no table with the columns {columns}; make it anew")
    return {row["file"]: row["sha256"] for row in rows}
