"""The tables of all shards, joined, and the failures in them, counted."""

import math
from collections import Counter
from pathlib import Path

from mmdet_flow import cli, layout
from mmdet_flow.errors import DataError
from mmdet_flow.files import keep_inputs
from mmdet_flow.formats import tables
from mmdet_flow.words import counted

TABLES = ("objects", "images", "manifest")


def shards_of(folder: Path, lists: Path) -> list[Path]:
    """Return the folders of the shards that were predicted from lists, in order."""
    numbers = sorted(int(path.stem) for path in lists.glob("*.txt"))
    return [folder / layout.fill(layout.SHARD, shard=number).name for number in numbers]


def gather(
    shards: list[Path], outputs: dict[str, Path], lists: Path | None = None
) -> None:
    """Write the rows of ``NAME.csv`` of all shard folders to the output of that name.

    A table becomes Parquet where its output's name ends so. ``lists`` is the folder
    that told which shards there are.
    """
    read = [shard / f"{name}.csv" for shard in shards for name in TABLES]
    read += lists.glob("*.txt") if lists else ()
    keep_inputs(outputs.values(), read)
    for name, output in outputs.items():
        parts = [shard / f"{name}.csv" for shard in shards]
        for part in parts:
            if not part.is_file():
                raise DataError(f"{part}: is missing; predict this shard first")
        tables.gather(parts, output)
        cli.log.info("gathered %s into %s", counted(len(shards), "shard"), output)


def judge(folders: list[Path], most: float) -> None:
    """Print how many images failed; raise DataError if there are more than ``most``.

    Below 1 it is a fraction of all images.
    """
    manifests = [folder / layout.MANIFEST.name for folder in folders]
    status = Counter()
    for manifest in manifests:
        if not manifest.is_file():
            raise DataError(f"{manifest}: is missing; predict first")
        status.update(tables.column(manifest, "status"))
    failed, total = status["failed"], status.total()
    limit = math.floor(most * total) if most < 1 else int(most)
    counts = f"{failed} of {counted(total, 'image')} failed"
    if failed > limit:
        raise DataError(
            f"{counts}, and {limit} may (max_failures: {most:g}); the list is in "
            f"{', '.join(map(str, manifests))}, status failed, with the reasons; fix "
            "or remove these images, or raise max_failures, and run again"
        )
    print(f"{counts}, and {limit} may")
