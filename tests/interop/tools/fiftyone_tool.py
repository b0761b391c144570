"""FiftyOne: its exporters, called without a data set and thus without its MongoDB."""

import os
from pathlib import Path

os.environ |= {"FIFTYONE_DISABLE_SERVICES": "1", "FIFTYONE_DO_NOT_TRACK": "true"}

import fiftyone as fo
from fiftyone.utils.coco import (
    COCODetectionDatasetExporter,
    COCODetectionDatasetImporter,
)
from fiftyone.utils.cvat import CVATImageDatasetExporter, CVATImageDatasetImporter
from fiftyone.utils.voc import (
    VOCDetectionDatasetExporter,
    VOCDetectionDatasetImporter,
)
from fiftyone.utils.yolo import (
    YOLOv4DatasetExporter,
    YOLOv5DatasetExporter,
    YOLOv5DatasetImporter,
)
from runner import main, outlines_of, points_of


def _label(entry: dict, outlined: bool) -> fo.Label:
    size = entry["width"], entry["height"]
    items = entry["objects"]
    if outlined:
        return fo.Polylines(polylines=[_polyline(item, *size) for item in items])
    return fo.Detections(detections=[_detection(item, *size) for item in items])


def _detection(item: dict, width: int, height: int) -> fo.Detection:
    sides = (width, height) * 2
    box = [value / side for value, side in zip(item["bbox"], sides, strict=True)]
    return fo.Detection(label=item["label"], bounding_box=box)


def _polyline(item: dict, width: int, height: int) -> fo.Polyline:
    points = [
        [(x / width, y / height) for x, y in points_of(values)]
        for values in outlines_of(item)
    ]
    return fo.Polyline(label=item["label"], points=points, closed=True, filled=True)


def _export(kind: type, truth, images, target, outlined=False, **options) -> None:
    with kind(export_dir=str(target), export_media=True, **options) as exporter:
        for entry in truth["images"]:
            path = str(images / entry["name"])
            metadata = fo.ImageMetadata(width=entry["width"], height=entry["height"])
            label = _label(entry, outlined)
            if kind is CVATImageDatasetExporter:
                label = {"ground_truth": label}
            exporter.export_sample(path, label, metadata=metadata)


def write_coco_boxes(truth: dict, images: Path, target: Path) -> None:
    classes = truth["classes"]
    _export(COCODetectionDatasetExporter, truth, images, target, classes=classes)


def write_coco_outlines(truth: dict, images: Path, target: Path) -> None:
    classes = truth["classes"]
    _export(COCODetectionDatasetExporter, truth, images, target, True, classes=classes)


def write_voc_boxes(truth: dict, images: Path, target: Path) -> None:
    _export(VOCDetectionDatasetExporter, truth, images, target)


def write_yolov4_boxes(truth: dict, images: Path, target: Path) -> None:
    _export(YOLOv4DatasetExporter, truth, images, target, classes=truth["classes"])


def write_yolov5_boxes(truth: dict, images: Path, target: Path) -> None:
    _export(YOLOv5DatasetExporter, truth, images, target, classes=truth["classes"])


def write_yolov5_outlines(truth: dict, images: Path, target: Path) -> None:
    classes = truth["classes"]
    _export(YOLOv5DatasetExporter, truth, images, target, True, classes=classes)


def write_cvat_boxes(truth: dict, images: Path, target: Path) -> None:
    _export(CVATImageDatasetExporter, truth, images, target)


def write_cvat_outlines(truth: dict, images: Path, target: Path) -> None:
    _export(CVATImageDatasetExporter, truth, images, target, True)


def read_coco_outlines(source: Path, images: Path) -> list[dict]:
    return _read_coco(source, images, "segmentations", use_polylines=True, tolerance=0)


def read_coco_boxes(source: Path, images: Path) -> list[dict]:
    return _read_coco(source, images, "detections")


def read_exported_coco_boxes(source: Path, images: Path) -> list[dict]:
    return read_coco_boxes(source / "annotations.json", source / "images")


def read_exported_voc_exclusive_boxes(source: Path, images: Path) -> list[dict]:
    importer = VOCDetectionDatasetImporter(
        data_path=str(source / "JPEGImages"), labels_path=str(source / "Annotations")
    )
    return _imported(importer, images)


def read_exported_yolo_boxes(source: Path, images: Path) -> list[dict]:
    importer = YOLOv5DatasetImporter(yaml_path=str(source / "data.yaml"))
    return _imported(importer, images)


def read_exported_yolo_outlines(source: Path, images: Path) -> list[dict]:
    importer = YOLOv5DatasetImporter(
        yaml_path=str(source / "data.yaml"), label_type="polylines"
    )
    return _imported(importer, images)


def read_exported_cvat_boxes(source: Path, images: Path) -> list[dict]:
    return _read_cvat(source, images)


def read_exported_cvat_outlines(source: Path, images: Path) -> list[dict]:
    return _read_cvat(source, images)


def _read_cvat(source: Path, images: Path) -> list[dict]:
    importer = CVATImageDatasetImporter(
        data_path=str(source / "images"), labels_path=str(source / "annotations.xml")
    )
    return _imported(importer, images)


def _read_coco(source: Path, images: Path, types: str, **options) -> list[dict]:
    importer = COCODetectionDatasetImporter(
        data_path=str(images), labels_path=str(source), label_types=types, **options
    )
    return _imported(importer, images)


def _imported(importer, images: Path) -> list[dict]:
    """Return what an importer finds; where it has no size, the image has it."""
    found = []
    with importer:
        for path, metadata, label in importer:
            name = Path(path).name
            metadata = metadata or fo.ImageMetadata.build_for(str(images / name))
            labels = label.values() if isinstance(label, dict) else [label]
            objects = [item for one in labels for item in _objects(one, metadata)]
            found.append({"name": name, "objects": objects})
    return found


def _objects(label: fo.Label | None, metadata: fo.ImageMetadata) -> list[dict]:
    width, height = metadata.width, metadata.height
    if isinstance(label, fo.Polylines):
        return [_outlined(one, width, height) for one in label.polylines]
    sides = (width, height) * 2
    return [
        {
            "label": one.label,
            "bbox": [v * side for v, side in zip(one.bounding_box, sides, strict=True)],
            "polygons": [],
        }
        | _score(one)
        for one in (label.detections if label else ())
    ]


def _outlined(one: fo.Polyline, width: int, height: int) -> dict:
    polygons = [
        [value for x, y in points for value in (x * width, y * height)]
        for points in one.points
    ]
    columns = [value for values in polygons for value in values[0::2]]
    rows = [value for values in polygons for value in values[1::2]]
    left, top = min(columns), min(rows)
    bbox = [left, top, max(columns) - left, max(rows) - top]
    item = {"label": one.label, "bbox": bbox, "polygons": polygons}
    return item | _score(one)


def _score(one: fo.Label) -> dict:
    """Return the score of a label, if it has one, wherever its importer puts it."""
    own = {"confidence": one.confidence, "score": getattr(one, "score", None)}
    scores = [value for value in own.values() if value is not None]
    return {"score": float(scores[0])} if scores else {}


main(globals())
