"""Take over a data set that was converted for another experiment.

FOLDER is the dataset folder of that experiment. Images take no space twice: they are
hard links where the disk has them.
"""

import argparse
from pathlib import Path

from mmdet_flow import cli, layout
from mmdet_flow.dataset.coco import CocoFile
from mmdet_flow.dataset.convert import FILES, link_images, require_own
from mmdet_flow.errors import DataError
from mmdet_flow.files import keep_apart, write_if_changed


def share(source: Path, output: Path) -> None:
    """Fill the folder ``output`` with what mmdet_convert wrote into ``source``.

    Raises DataError when a file is not there, and UsageError where both overlap.
    """
    keep_apart(output, source)
    coco = CocoFile.read(source / layout.ANNOTATIONS.name)
    images = {
        image["file_name"]: source / "images" / image["file_name"]
        for image in coco.images
    }
    for path in (*(source / name for name in FILES), *images.values()):
        if not path.is_file():
            raise DataError(f"{path}: is not there; convert the data set again")
    require_own(output)
    link_images(images, output)
    for name in FILES:
        write_if_changed(output / name, (source / name).read_bytes())
    cli.log.info("took over %d images from %s", len(images), source)


def build_parser() -> argparse.ArgumentParser:
    parser = cli.new_parser(
        "mmdet_share",
        __doc__,
        "results/cells/dataset --output results/cells2/dataset",
    )
    parser.add_argument(
        "source", type=Path, metavar="FOLDER", help="a folder that mmdet_convert made"
    )
    parser.add_argument(
        "--output",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="where to have it too",
    )
    return parser


def main(argv: list[str] | None = None) -> int:
    args = build_parser().parse_args(argv)
    return cli.run(lambda: share(args.source, args.output), args)
