"""A data set that was converted for another experiment, used again."""

from pathlib import Path

from mmdet_flow import cli, layout
from mmdet_flow.dataset.coco import CocoFile
from mmdet_flow.dataset.convert import FILES, link_images, require_own
from mmdet_flow.errors import DataError
from mmdet_flow.files import keep_apart, only_writer, write_if_changed
from mmdet_flow.words import counted


def reuse(source: Path, output: Path) -> None:
    """Fill the folder ``output`` with the data set that was converted into ``source``.

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
    with only_writer(output):
        require_own(output)
        link_images(images, output)
        for name in FILES:
            write_if_changed(output / name, (source / name).read_bytes())
    cli.log.info("reused %s of %s", counted(len(images), "image"), source)
