"""Join the tables of all shards into the two tables of a data set."""

import argparse
from pathlib import Path

from mmdet_flow import cli
from mmdet_flow.errors import DataError
from mmdet_flow.formats import tables


def gather(shards: list[Path], objects: Path, images: Path) -> None:
    """Write the rows of ``objects.csv`` and ``images.csv`` of all shard folders."""
    for name, output in (("objects.csv", objects), ("images.csv", images)):
        parts = [shard / name for shard in shards]
        for part in parts:
            if not part.is_file():
                raise DataError(f"{part}: is missing; predict this shard first")
        tables.gather(parts, output)
    cli.log.info("gathered %d shards into %s and %s", len(shards), objects, images)


def build_parser() -> argparse.ArgumentParser:
    parser = cli.new_parser("mmdet_gather", __doc__)
    parser.add_argument("shards", nargs="+", type=Path, metavar="FOLDER")
    parser.add_argument("--objects", type=Path, required=True, metavar="CSV")
    parser.add_argument("--images", type=Path, required=True, metavar="CSV")
    return parser


def main(argv: list[str] | None = None) -> int:
    args = build_parser().parse_args(argv)
    return cli.run(lambda: gather(args.shards, args.objects, args.images), args)
