"""supervision: boxes in five formats, and outlines that it holds as masks of pixels."""

from pathlib import Path

import numpy as np
import supervision as sv
from runner import copy_images, main, outlines_of


def _dataset(truth: dict, images: Path, masks: bool) -> sv.DetectionDataset:
    annotations = {
        str(images / entry["name"]): _detections(entry, truth["classes"], masks)
        for entry in truth["images"]
    }
    return sv.DetectionDataset(truth["classes"], list(annotations), annotations)


def _detections(entry: dict, classes: list[str], masks: bool) -> sv.Detections:
    items = entry["objects"]
    if not items:
        return sv.Detections.empty()
    boxes = np.array([item["bbox"] for item in items], float)
    boxes[:, 2:] += boxes[:, :2]
    numbers = np.array([classes.index(item["label"]) for item in items])
    size = entry["width"], entry["height"]
    stack = np.array([_mask(item, *size) for item in items]) if masks else None
    return sv.Detections(xyxy=boxes, class_id=numbers, mask=stack)


def _mask(item: dict, width: int, height: int) -> np.ndarray:
    """Return the pixels of an object, as supervision itself fills outlines."""
    mask = np.zeros((height, width), bool)
    for values in outlines_of(item):
        points = np.array(values).reshape(-1, 2).round().astype(int)
        mask |= sv.polygon_to_mask(points, (width, height)).astype(bool)
    return mask


def _write_coco(truth: dict, images: Path, target: Path, masks: bool) -> None:
    copy_images(images, target / "images")
    _dataset(truth, images, masks).as_coco(
        annotations_path=str(target / "annotations.json")
    )


def write_coco_boxes(truth: dict, images: Path, target: Path) -> None:
    _write_coco(truth, images, target, masks=False)


def write_coco_outlines(truth: dict, images: Path, target: Path) -> None:
    _write_coco(truth, images, target, masks=True)


def write_voc_boxes(truth: dict, images: Path, target: Path) -> None:
    copy_images(images, target / "images")
    _dataset(truth, images, masks=False).as_pascal_voc(
        annotations_directory_path=str(target / "annotations")
    )


def _write_yolo(truth: dict, images: Path, target: Path, masks: bool) -> None:
    copy_images(images, target / "images")
    _dataset(truth, images, masks).as_yolo(
        annotations_directory_path=str(target / "labels"),
        data_yaml_path=str(target / "data.yaml"),
    )


def write_yolo_boxes(truth: dict, images: Path, target: Path) -> None:
    _write_yolo(truth, images, target, masks=False)


def write_yolo_outlines(truth: dict, images: Path, target: Path) -> None:
    _write_yolo(truth, images, target, masks=True)


def _write_labelme(truth: dict, images: Path, target: Path, masks: bool) -> None:
    copy_images(images, target)
    _dataset(truth, images, masks).as_labelme(annotations_directory_path=str(target))


def write_labelme_boxes(truth: dict, images: Path, target: Path) -> None:
    _write_labelme(truth, images, target, masks=False)


def write_labelme_outlines(truth: dict, images: Path, target: Path) -> None:
    _write_labelme(truth, images, target, masks=True)


def write_createml_boxes(truth: dict, images: Path, target: Path) -> None:
    copy_images(images, target / "images")
    _dataset(truth, images, masks=False).as_createml(
        annotations_path=str(target / "annotations.json")
    )


def read_coco_boxes(source: Path, images: Path) -> list[dict]:
    return _found(sv.DetectionDataset.from_coco(str(images), str(source)))


def read_coco_outlines(source: Path, images: Path) -> list[dict]:
    dataset = sv.DetectionDataset.from_coco(str(images), str(source), force_masks=True)
    return _found(dataset)


def _found(dataset: sv.DetectionDataset) -> list[dict]:
    found = []
    for path, annotation in dataset.annotations.items():
        objects = []
        for index in range(len(annotation)):
            left, top, right, bottom = annotation.xyxy[index].tolist()
            label = dataset.classes[annotation.class_id[index]]
            item = {"label": label, "bbox": [left, top, right - left, bottom - top]}
            if annotation.mask is not None and annotation.mask[index].any():
                item["mask"] = _runs(annotation.mask[index])
            objects.append(item | {"polygons": []})
        found.append({"name": Path(path).name, "objects": objects})
    return found


def _runs(mask: np.ndarray) -> dict:
    """Return a mask as COCO's uncompressed RLE: lengths of runs, column by column."""
    flat = np.concatenate(([0], mask.T.ravel().astype(int), [0]))
    edges = np.flatnonzero(np.diff(flat))
    counts = np.diff(np.concatenate(([0], edges, [mask.size]))).tolist()
    return {"size": list(mask.shape), "counts": counts}


main(globals())
