"""Join the tables of all shards into the tables of a data set, or count what failed.

FOLDERs are those of the shards; with --lists it is one that holds a folder shard-N for
each list N.txt, of which there may be more than a command line takes. With
--max-failures it prints how many images failed, by their manifests, and more than that
end with an error.
"""

import argparse
from pathlib import Path

from mmdet_flow import cli
from mmdet_flow.errors import UsageError
from mmdet_flow.formats.gather import TABLES, gather, judge, shards_of


@cli.takes("a whole number from 0 up, or a fraction below 1")
def failures(text: str) -> float:
    """Read --max-failures."""
    value = cli.number(text)
    if value < 0 or (value > 1 and value != int(value)):
        raise ValueError(text)
    return value


def build_parser(prog: str) -> argparse.ArgumentParser:
    parser = cli.new_parser(
        prog,
        __doc__,
        "shard-0 shard-1 --objects objects.parquet --manifest manifest.csv",
        "results/cells/predictions --max-failures 0.1",
    )
    parser.add_argument(
        "shards",
        nargs="+",
        type=Path,
        metavar="FOLDER",
        help="folders that mmdet-flow predict wrote tables to",
    )
    parser.add_argument(
        "--max-failures",
        type=failures,
        metavar="N|FRACTION",
        help="count the images that failed; more are an error, a fraction if below 1",
    )
    parser.add_argument(
        "--lists", type=Path, metavar="FOLDER", help="of mmdet-flow step shard"
    )
    for name in TABLES:
        parser.add_argument(
            f"--{name}",
            type=Path,
            metavar="TABLE",
            help="write this table; Parquet if TABLE ends so",
        )
    return parser


def run(options: argparse.Namespace) -> None:
    """Write the tables before anything is judged."""
    shards = options.shards
    if options.lists:
        if len(shards) != 1:
            raise UsageError("--lists: give one FOLDER, the one that holds the shards")
        shards = shards_of(shards[0], options.lists)
    named = {name: getattr(options, name) for name in TABLES}
    outputs = {name: path for name, path in named.items() if path}
    gather(shards, outputs, options.lists)
    if options.max_failures is not None:
        judge(shards, options.max_failures)
