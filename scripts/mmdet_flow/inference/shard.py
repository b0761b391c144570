"""Divide the images of a folder into lists, one for each prediction job.

Lists are 0.txt, 1.txt and so on, in the order of the names; mmdet_predict reads them
with --image_list.
"""

import argparse
from pathlib import Path

from mmdet_flow import cli
from mmdet_flow.errors import DataError
from mmdet_flow.files import keep_apart, write_if_changed
from mmdet_flow.inference.folder import list_images, listed

MARK = ".mmdet_shard"
"""The hidden file in a folder of lists that says that all of them are ours."""


def shard(folder: Path, image_list: Path | None, size: int, output: Path) -> int:
    """Write lists of ``size`` images each; return how many lists there are.

    Raises UsageError for an output that overlaps with the images, and DataError for one
    that holds files of others.
    """
    keep_apart(output, folder)
    images = sorted(list_images(folder, image_list))
    if not images:
        raise DataError(f"{folder}: holds no images; check the folder")
    _make_room(output)
    lists = [images[at : at + size] for at in range(0, len(images), size)]
    for number, part in enumerate(lists):
        names = (listed(str(path.relative_to(folder))) for path in part)
        write_if_changed(output / f"{number}.txt", "".join(f"{n}\n" for n in names))
    cli.log.info("divided %d images into %d lists", len(images), len(lists))
    return len(lists)


def _make_room(output: Path) -> None:
    """Remove the lists of an earlier run; refuse a folder that is not ours."""
    mark = output / MARK
    if output.exists() and not mark.is_file() and any(output.iterdir()):
        raise DataError(
            f"{output}: holds files that mmdet_shard did not make; choose a new folder"
        )
    write_if_changed(mark, "")
    for path in output.glob("*.txt"):
        if path.stem.isdecimal() and path.is_file():
            path.unlink()


def build_parser() -> argparse.ArgumentParser:
    parser = cli.new_parser(
        "mmdet_shard",
        __doc__,
        "photos --images-per-shard 5000 --output lists",
    )
    parser.add_argument(
        "folder", type=Path, metavar="FOLDER", help="folder of the images"
    )
    parser.add_argument("--image-list", type=Path, metavar="FILE", help="only these")
    parser.add_argument(
        "--images-per-shard",
        type=cli.positive_int,
        default=2000,
        metavar="N",
        help="images in a list (default: 2000)",
    )
    parser.add_argument(
        "--output",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="where the lists go",
    )
    return parser


def main(argv: list[str] | None = None) -> int:
    args = build_parser().parse_args(argv)
    return cli.run(
        lambda: shard(args.folder, args.image_list, args.images_per_shard, args.output),
        args,
    )
