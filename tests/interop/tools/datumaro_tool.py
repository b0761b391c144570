"""Datumaro: its exporters of boxes and outlines; parts of an object share a group."""

import shutil
import tempfile
from pathlib import Path

from datumaro.components.annotation import AnnotationType, Bbox, Polygon
from datumaro.components.dataset import Dataset
from datumaro.components.dataset_base import DatasetItem
from datumaro.components.media import Image
from runner import main


def _annotations(entry: dict, classes: list[str], outlined: bool) -> list:
    found = []
    for number, item in enumerate(entry["objects"], 1):
        common = {"label": classes.index(item["label"]), "id": number, "group": number}
        if outlined and item["polygons"]:
            found += [Polygon(values, **common) for values in item["polygons"]]
        else:
            found.append(Bbox(*item["bbox"], **common))
    return found


def _write(
    form: str,
    truth: dict,
    images: Path,
    target: Path,
    outlined: bool,
    subsets: tuple[str, ...] = ("train",),
) -> None:
    items = [
        DatasetItem(
            id=Path(entry["name"]).stem,
            subset=subsets[number % len(subsets)],
            media=Image.from_file(path=str(images / entry["name"])),
            annotations=_annotations(entry, truth["classes"], outlined),
        )
        for number, entry in enumerate(truth["images"])
    ]
    dataset = Dataset.from_iterable(items, categories=truth["classes"])
    dataset.export(str(target), form, save_media=True)


def write_coco_boxes(truth: dict, images: Path, target: Path) -> None:
    _write("coco_instances", truth, images, target, outlined=False)


def write_coco_outlines(truth: dict, images: Path, target: Path) -> None:
    _write("coco_instances", truth, images, target, outlined=True)


def write_coco_all_tasks_outlines(truth: dict, images: Path, target: Path) -> None:
    _write("coco", truth, images, target, outlined=True)


def write_voc_boxes(truth: dict, images: Path, target: Path) -> None:
    _write("voc_detection", truth, images, target, outlined=False)


def write_yolo_boxes(truth: dict, images: Path, target: Path) -> None:
    _write("yolo", truth, images, target, outlined=False)


def write_yolo_ultralytics_boxes(truth: dict, images: Path, target: Path) -> None:
    subsets = ("train", "val")
    _write("yolo_ultralytics", truth, images, target, False, subsets)


def write_cvat_boxes(truth: dict, images: Path, target: Path) -> None:
    _write("cvat", truth, images, target, outlined=False)


def write_cvat_outlines(truth: dict, images: Path, target: Path) -> None:
    _write("cvat", truth, images, target, outlined=True)


def write_datumaro_boxes(truth: dict, images: Path, target: Path) -> None:
    _write("datumaro", truth, images, target, outlined=False)


def write_datumaro_outlines(truth: dict, images: Path, target: Path) -> None:
    _write("datumaro", truth, images, target, outlined=True)


def write_labelme_xml_outlines(truth: dict, images: Path, target: Path) -> None:
    _write("label_me", truth, images, target, outlined=True)


def write_openimages_boxes(truth: dict, images: Path, target: Path) -> None:
    _write("open_images", truth, images, target, outlined=False)


def read_coco_boxes(source: Path, images: Path) -> list[dict]:
    return _read(source)


def read_coco_outlines(source: Path, images: Path) -> list[dict]:
    return _read(source)


def read_exported_coco_boxes(source: Path, images: Path) -> list[dict]:
    return _read(source / "annotations.json")


def read_exported_coco_outlines(source: Path, images: Path) -> list[dict]:
    return _read(source / "annotations.json")


def read_exported_voc_exclusive_boxes(source: Path, images: Path) -> list[dict]:
    return _found(source, "voc_detection")


def read_exported_yolo_boxes(source: Path, images: Path) -> list[dict]:
    return _found(source, "yolo")


def read_exported_cvat_boxes(source: Path, images: Path) -> list[dict]:
    return _found(source, "cvat")


def read_exported_cvat_outlines(source: Path, images: Path) -> list[dict]:
    return _found(source, "cvat")


def _read(source: Path) -> list[dict]:
    """Read a COCO file, in the only layout of folders that Datumaro reads."""
    with tempfile.TemporaryDirectory() as folder:
        annotations = Path(folder) / "annotations"
        annotations.mkdir()
        shutil.copy(source, annotations / "instances_train.json")
        shutil.copytree(source.parent / "images", Path(folder) / "images" / "train")
        return _found(Path(folder), "coco_instances")


def _found(folder: Path, form: str) -> list[dict]:
    dataset = Dataset.import_from(str(folder), form)
    names = [one.name for one in dataset.categories()[AnnotationType.label]]
    return [
        {"name": Path(item.media.path).name, "objects": _objects(item, names)}
        for item in dataset
    ]


def _objects(item: DatasetItem, names: list[str]) -> list[dict]:
    """Return the objects of an image, with the parts of a group as one."""
    objects: dict[object, dict] = {}
    for number, one in enumerate(item.annotations):
        bbox = list(map(float, one.get_bbox()))
        fresh = {"label": names[one.label], "bbox": bbox, "polygons": []}
        if "score" in one.attributes:
            fresh["score"] = float(one.attributes["score"])
        own = one.group or one.id or f"number {number}"
        known = objects.setdefault(own, fresh)
        if isinstance(one, Polygon):
            known["polygons"].append(list(map(float, one.points)))
            known["bbox"] = _around(known["polygons"])
    return list(objects.values())


def _around(polygons: list[list[float]]) -> list[float]:
    columns = [value for values in polygons for value in values[0::2]]
    rows = [value for values in polygons for value in values[1::2]]
    left, top = min(columns), min(rows)
    return [left, top, max(columns) - left, max(rows) - top]


main(globals())
