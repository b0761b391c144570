"""Join the tables of all shards into the tables of a data set, or count what failed.

FOLDERs are those of the shards; with --lists it is one that holds a folder shard-N for
each list N.txt, of which there may be more than a command line takes. With
--max_failures it prints how many images failed, by their manifests, and more than that
end with an error.
"""

import argparse
import math
from collections import Counter
from pathlib import Path

from mmdet_flow import cli, layout
from mmdet_flow.errors import DataError
from mmdet_flow.files import keep_inputs
from mmdet_flow.formats import tables

TABLES = ("objects", "images", "manifest")


def shards_of(folder: Path, lists: Path) -> list[Path]:
    """Return the folders of the shards that were predicted from lists, in order."""
    numbers = sorted(int(path.stem) for path in lists.glob("*.txt"))
    return [folder / layout.fill(layout.SHARD, shard=number).name for number in numbers]


def gather(shards: list[Path], outputs: dict[str, Path]) -> None:
    """Write the rows of ``NAME.csv`` of all shard folders to the output of that name.

    A table becomes Parquet where its output's name ends so.
    """
    written = list(outputs.values())
    keep_inputs(written, [shard / f"{name}.csv" for shard in shards for name in TABLES])
    for name, output in outputs.items():
        parts = [shard / f"{name}.csv" for shard in shards]
        for part in parts:
            if not part.is_file():
                raise DataError(f"{part}: is missing; predict this shard first")
        tables.gather(parts, output)
        cli.log.info("gathered %d shards into %s", len(shards), output)


def judge(folders: list[Path], most: float) -> None:
    """Print how many images failed; raise DataError if there are more than ``most``.

    Below 1 that is a share of all images.
    """
    manifests = [folder / layout.MANIFEST.name for folder in folders]
    status = Counter()
    for manifest in manifests:
        if not manifest.is_file():
            raise DataError(f"{manifest}: is missing; predict first")
        status.update(tables.column(manifest, "status"))
    failed, total = status["failed"], status.total()
    limit = math.floor(most * total) if most < 1 else int(most)
    counts = f"{failed} of {total} images failed"
    if failed > limit:
        raise DataError(
            f"{counts}, and {limit} may (max_failures: {most:g}); the list is in "
            f"{', '.join(map(str, manifests))}, status failed, with the reasons; mend "
            "or remove these images, or raise max_failures, and run again"
        )
    print(f"{counts}, and {limit} may")


def failures(text: str) -> float:
    """Read --max_failures: a number, or a share below 1."""
    value = float(text)
    if not (0 <= value < math.inf) or (value > 1 and value != int(value)):
        raise argparse.ArgumentTypeError(f"{text} is no number and no share below 1")
    return value


def build_parser() -> argparse.ArgumentParser:
    parser = cli.new_parser(
        "mmdet_gather",
        __doc__,
        "shard-0 shard-1 --objects objects.parquet --manifest manifest.csv",
        "results/cells/predictions --max_failures 0.1",
    )
    parser.add_argument(
        "shards",
        nargs="+",
        type=Path,
        metavar="FOLDER",
        help="folders that mmdet_predict wrote tables to",
    )
    parser.add_argument(
        "--max_failures",
        type=failures,
        metavar="N|SHARE",
        help="count the images that failed; more are an error, a share if below 1",
    )
    parser.add_argument("--lists", type=Path, metavar="FOLDER", help="of mmdet_shard")
    for name in TABLES:
        parser.add_argument(
            f"--{name}",
            type=Path,
            metavar="TABLE",
            help="write this table; Parquet if TABLE ends so",
        )
    return parser


def run(shards: list[Path], outputs: dict[str, Path], most: float | None) -> None:
    """Run the command; the tables are written before anything is judged."""
    gather(shards, outputs)
    if most is not None:
        judge(shards, most)


def main(argv: list[str] | None = None) -> int:
    parser = build_parser()
    args = parser.parse_args(argv)
    if args.lists and len(args.shards) != 1:
        parser.error("--lists: give one FOLDER, the one that holds the shards")
    shards = shards_of(args.shards[0], args.lists) if args.lists else args.shards
    outputs = {name: getattr(args, name) for name in TABLES}
    outputs = {name: path for name, path in outputs.items() if path}
    return cli.run(lambda: run(shards, outputs, args.max_failures), args)
