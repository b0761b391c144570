"""image-dataset-converter: all its object detection writers and readers."""

import tempfile
from pathlib import Path

from idc.api import ObjectDetectionData, get_object_label
from idc.labelme.writer.objdet import LabelMeObjectDetectionWriter
from idc.reader.objdet import (
    AdamsObjectDetectionReader,
    COCOObjectDetectionReader,
    OPEXObjectDetectionReader,
    ROIObjectDetectionReader,
)
from idc.writer.objdet import (
    AdamsObjectDetectionWriter,
    COCOObjectDetectionWriter,
    OPEXObjectDetectionWriter,
    ROIObjectDetectionWriter,
    VOCObjectDetectionWriter,
    YoloObjectDetectionWriter,
)
from kasperl.api import Session
from runner import main, points_of
from wai.common.adams.imaging.locateobjects import LocatedObject, LocatedObjects
from wai.common.geometry import Point, Polygon


def _located(item: dict, outlined: bool) -> list[LocatedObject]:
    """Return an object; each has one outline there, so two parts become two."""
    located = []
    for values in (item["polygons"] if outlined else None) or [None]:
        x, y, width, height = item["bbox"] if values is None else _around(values)
        one = LocatedObject(x, y, width, height, type=item["label"])
        if values is not None:
            one.set_polygon(Polygon(*(Point(*point) for point in points_of(values))))
        located.append(one)
    return located


def _around(values: list[float]) -> list[float]:
    columns, rows = values[0::2], values[1::2]
    left, top = min(columns), min(rows)
    return [left, top, max(columns) - left, max(rows) - top]


def _write(writer, options: list[str], truth, images, target, outlined) -> None:
    target.mkdir(parents=True)
    writer.parse_args(["--output", str(target), *options])
    writer.session = Session()
    writer.initialize()
    records = [
        ObjectDetectionData(
            source=str(images / entry["name"]),
            annotation=LocatedObjects(
                one for item in entry["objects"] for one in _located(item, outlined)
            ),
        )
        for entry in truth["images"]
    ]
    if hasattr(writer, "write_batch"):
        writer.write_batch(records)
    else:
        for record in records:
            writer.write_stream(record)
    writer.finalize()


def write_coco_boxes(truth: dict, images: Path, target: Path) -> None:
    _write(COCOObjectDetectionWriter(), [], truth, images, target, False)


def write_coco_outlines(truth: dict, images: Path, target: Path) -> None:
    _write(COCOObjectDetectionWriter(), [], truth, images, target, True)


def write_voc_boxes(truth: dict, images: Path, target: Path) -> None:
    _write(VOCObjectDetectionWriter(), [], truth, images, target, False)


def write_yolo_boxes(truth: dict, images: Path, target: Path) -> None:
    options = ["--labels", "labels.txt"]
    _write(YoloObjectDetectionWriter(), options, truth, images, target, False)


def write_yolo_outlines(truth: dict, images: Path, target: Path) -> None:
    options = ["--labels", "labels.txt", "--use_polygon_format"]
    _write(YoloObjectDetectionWriter(), options, truth, images, target, True)


def write_opex_outlines(truth: dict, images: Path, target: Path) -> None:
    _write(OPEXObjectDetectionWriter(), [], truth, images, target, True)


def write_roi_csv_outlines(truth: dict, images: Path, target: Path) -> None:
    _write(ROIObjectDetectionWriter(), [], truth, images, target, True)


def write_adams_outlines(truth: dict, images: Path, target: Path) -> None:
    _write(AdamsObjectDetectionWriter(), [], truth, images, target, True)


def write_labelme_outlines(truth: dict, images: Path, target: Path) -> None:
    _write(LabelMeObjectDetectionWriter(), [], truth, images, target, True)


def _read(reader, source: Path) -> list[dict]:
    reader.parse_args(["--input", str(source)])
    reader.session = Session()
    reader.initialize()
    found = []
    while not reader.has_finished():
        # None stands for an image that it does not find.
        found += [_entry(record) for record in reader.read() if record]
    reader.finalize()
    return found


def _entry(record: ObjectDetectionData) -> dict:
    objects = [
        {
            "label": get_object_label(one),
            "bbox": [one.x, one.y, one.width, one.height],
            "polygons": [_outline(one)] if one.has_polygon() else [],
        }
        | ({"score": float(one.metadata["score"])} if "score" in one.metadata else {})
        for one in record.get_absolute() or ()
    ]
    return {"name": record.image_name or "", "objects": objects}


def _outline(one: LocatedObject) -> list[float]:
    points = zip(one.get_polygon_x(), one.get_polygon_y(), strict=True)
    return [value for point in points for value in point]


def read_coco_outlines(source: Path, images: Path) -> list[dict]:
    with tempfile.TemporaryDirectory() as folder:
        # It looks for images beside the file only.
        beside = Path(folder)
        (beside / source.name).symlink_to(source)
        for image in (source.parent / "images").iterdir():
            (beside / image.name).symlink_to(image)
        return _read(COCOObjectDetectionReader(), beside / source.name)


def read_opex_outlines(source: Path, images: Path) -> list[dict]:
    return _read(OPEXObjectDetectionReader(), source / "*.json")


def read_roi_csv_outlines(source: Path, images: Path) -> list[dict]:
    return _read(ROIObjectDetectionReader(), source / "*.csv")


def read_exported_opex_boxes(source: Path, images: Path) -> list[dict]:
    return _read(OPEXObjectDetectionReader(), source / "*.json")


def read_exported_adams_boxes(source: Path, images: Path) -> list[dict]:
    return _read(AdamsObjectDetectionReader(), source / "*.report")


main(globals())
