"""The drawn example in each of the annotation formats."""

from pathlib import Path

from mmdet_flow.dataset.annotations import Source
from mmdet_flow.dataset.convert import convert
from mmdet_flow.dataset.example import make_example
from mmdet_flow.dataset.image_index import ImageIndex
from mmdet_flow.start.survey import survey
from tests.dataset.writers import WRITERS


def make_data(folder: Path, name: str, images: int = 6) -> Path:
    """Draw images into a folder, with annotations of a format beside them."""
    make_example(folder, images, seed=5)
    if name == "opex":
        return folder
    if name == "coco":
        convert("opex", Source(folder, folder), folder.with_name("coco"))
        annotations = folder.with_name("coco") / "annotations.json"
        remove_opex(folder)
        annotations.rename(folder / "annotations.json")
        return folder
    found = survey("opex", Source(folder, folder), ImageIndex(folder)).images
    remove_opex(folder)
    WRITERS[name](found, folder)
    return folder


def remove_opex(folder: Path) -> None:
    for path in folder.glob("*.json"):
        path.unlink()
