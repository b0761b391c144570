"""Join the tables of all shards into the tables of a data set."""

import argparse
from pathlib import Path

from mmdet_flow import cli
from mmdet_flow.errors import DataError
from mmdet_flow.formats import tables

TABLES = ("objects", "images", "manifest")


def gather(shards: list[Path], outputs: dict[str, Path]) -> None:
    """Write the rows of ``NAME.csv`` of all shard folders to the output of that name.

    A table becomes Parquet where its output's name ends so.
    """
    for name, output in outputs.items():
        parts = [shard / f"{name}.csv" for shard in shards]
        for part in parts:
            if not part.is_file():
                raise DataError(f"{part}: is missing; predict this shard first")
        tables.gather(parts, output)
        cli.log.info("gathered %d shards into %s", len(shards), output)


def build_parser() -> argparse.ArgumentParser:
    parser = cli.new_parser("mmdet_gather", __doc__)
    parser.add_argument("shards", nargs="+", type=Path, metavar="FOLDER")
    for name in TABLES:
        parser.add_argument(f"--{name}", type=Path, metavar="TABLE")
    return parser


def main(argv: list[str] | None = None) -> int:
    args = build_parser().parse_args(argv)
    outputs = {name: getattr(args, name) for name in TABLES}
    outputs = {name: path for name, path in outputs.items() if path}
    return cli.run(lambda: gather(args.shards, outputs), args)
