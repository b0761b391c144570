"""The drawn example in each of the annotation formats."""

from pathlib import Path

from mmdet_flow.dataset.annotations import Source
from mmdet_flow.dataset.convert import convert
from mmdet_flow.dataset.example import CLASSES, make_example
from mmdet_flow.dataset.image_index import ImageIndex
from mmdet_flow.dataset.readers import FORMATS
from mmdet_flow.start.survey import survey


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
    if name == "yolo":
        found = [_numbered(one) for one in found]
        (folder / "labels.txt").write_text("\n".join(CLASSES))
    remove_opex(folder)
    FORMATS[name].write(found, folder)
    return folder


def remove_opex(folder: Path) -> None:
    for path in folder.glob("*.json"):
        path.unlink()


def _numbered(image):
    from dataclasses import replace

    objects = (
        replace(item, label=str(CLASSES.index(item.label))) for item in image.objects
    )
    return replace(image, objects=tuple(objects))
