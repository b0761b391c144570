"""The images of a folder in lists, one for each prediction job."""

from pathlib import Path

from mmdet_flow import cli
from mmdet_flow.errors import DataError
from mmdet_flow.files import keep_apart, only_writer, write_if_changed
from mmdet_flow.inference.folder import list_images, listed
from mmdet_flow.words import counted

MARK = ".mmdet_shard"
"""The hidden file in a folder of lists that says that all of them are ours."""


def shard(folder: Path, image_list: Path | None, size: int, output: Path) -> int:
    """Write lists of ``size`` images each; return how many lists there are.

    Raises UsageError for an output that overlaps with the images, and DataError for one
    that holds files of others.
    """
    keep_apart(output, folder, *filter(None, [image_list]))
    images = sorted(list_images(folder, image_list))
    if not images:
        raise DataError(f"{folder}: holds no images; check the folder")
    lists = [images[at : at + size] for at in range(0, len(images), size)]
    with only_writer(output):
        _make_room(output)
        for number, part in enumerate(lists):
            names = (listed(str(path.relative_to(folder))) for path in part)
            write_if_changed(output / f"{number}.txt", "".join(f"{n}\n" for n in names))
    parts = counted(len(images), "image"), counted(len(lists), "list")
    cli.log.info("divided %s into %s", *parts)
    return len(lists)


def _make_room(output: Path) -> None:
    """Remove the lists of an earlier run; refuse a folder that is not ours."""
    mark = output / MARK
    if output.exists() and not mark.is_file() and any(output.iterdir()):
        raise DataError(
            f"{output}: holds files that mmdet-flow step shard did not make; choose a "
            "new folder"
        )
    write_if_changed(mark, "")
    for path in output.glob("*.txt"):
        if path.stem.isdecimal() and path.is_file():
            path.unlink()
