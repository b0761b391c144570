"""labelformat: boxes in five formats, outlines in COCO and YOLO."""

from pathlib import Path

from labelformat.formats import (
    COCOInstanceSegmentationInput,
    COCOInstanceSegmentationOutput,
    COCOObjectDetectionInput,
    COCOObjectDetectionOutput,
    CVATObjectDetectionOutput,
    LightlyObjectDetectionOutput,
    PascalVOCObjectDetectionOutput,
    YOLOv5ObjectDetectionOutput,
    YOLOv6ObjectDetectionOutput,
    YOLOv8InstanceSegmentationOutput,
    YOLOv8ObjectDetectionOutput,
)
from labelformat.model.bounding_box import BoundingBox, BoundingBoxFormat
from labelformat.model.category import Category
from labelformat.model.image import Image
from labelformat.model.instance_segmentation import (
    ImageInstanceSegmentation,
    InstanceSegmentationInput,
    SingleInstanceSegmentation,
)
from labelformat.model.multipolygon import MultiPolygon
from labelformat.model.object_detection import (
    ImageObjectDetection,
    ObjectDetectionInput,
    SingleObjectDetection,
)
from runner import copy_images, main, outlines_of, points_of


class _Truth:
    """The truth as an input of labelformat."""

    def __init__(self, truth: dict) -> None:
        self._truth = truth
        self._categories = {
            name: Category(number, name) for number, name in enumerate(truth["classes"])
        }

    @staticmethod
    def add_cli_arguments(parser) -> None:
        """Add none: it comes from no command line."""

    def get_categories(self):
        return list(self._categories.values())

    def get_images(self):
        return [image for image, _ in self._entries()]

    def _entries(self):
        for number, entry in enumerate(self._truth["images"]):
            size = entry["width"], entry["height"]
            yield Image(number, entry["name"], *size), entry["objects"]


class Boxes(_Truth, ObjectDetectionInput):
    """The boxes of the truth."""

    def get_labels(self):
        for image, items in self._entries():
            yield ImageObjectDetection(image, [self._one(item) for item in items])

    def _one(self, item: dict) -> SingleObjectDetection:
        box = BoundingBox.from_format(item["bbox"], BoundingBoxFormat.XYWH)
        return SingleObjectDetection(self._categories[item["label"]], box)


class Outlines(_Truth, InstanceSegmentationInput):
    """The outlines of the truth."""

    def get_labels(self):
        for image, items in self._entries():
            yield ImageInstanceSegmentation(image, [self._one(item) for item in items])

    def _one(self, item: dict) -> SingleInstanceSegmentation:
        outline = MultiPolygon([points_of(values) for values in outlines_of(item)])
        return SingleInstanceSegmentation(self._categories[item["label"]], outline)


def write_coco_boxes(truth: dict, images: Path, target: Path) -> None:
    copy_images(images, target / "images")
    COCOObjectDetectionOutput(target / "annotations.json").save(Boxes(truth))


def write_coco_outlines(truth: dict, images: Path, target: Path) -> None:
    copy_images(images, target / "images")
    COCOInstanceSegmentationOutput(target / "annotations.json").save(Outlines(truth))


def write_voc_boxes(truth: dict, images: Path, target: Path) -> None:
    copy_images(images, target / "JPEGImages")
    PascalVOCObjectDetectionOutput(target / "Annotations").save(Boxes(truth))


def write_yolov5_boxes(truth: dict, images: Path, target: Path) -> None:
    copy_images(images, target / "images")
    YOLOv5ObjectDetectionOutput(target / "data.yaml", "train").save(Boxes(truth))


def write_yolov6_boxes(truth: dict, images: Path, target: Path) -> None:
    copy_images(images, target / "images" / "train")
    YOLOv6ObjectDetectionOutput(target / "data.yaml", "train").save(Boxes(truth))


def write_yolov8_boxes(truth: dict, images: Path, target: Path) -> None:
    copy_images(images, target / "images")
    YOLOv8ObjectDetectionOutput(target / "data.yaml", "train").save(Boxes(truth))


def write_yolov8_outlines(truth: dict, images: Path, target: Path) -> None:
    copy_images(images, target / "images")
    YOLOv8InstanceSegmentationOutput(target / "data.yaml", "train").save(
        Outlines(truth)
    )


def write_cvat_boxes(truth: dict, images: Path, target: Path) -> None:
    copy_images(images, target / "images")
    CVATObjectDetectionOutput(target).save(Boxes(truth))


def write_lightly_boxes(truth: dict, images: Path, target: Path) -> None:
    copy_images(images, target / "images")
    LightlyObjectDetectionOutput(target / "task").save(Boxes(truth))


def read_coco_boxes(source: Path, images: Path) -> list[dict]:
    return [
        _entry(label.image, [_boxed(item) for item in label.objects])
        for label in COCOObjectDetectionInput(source).get_labels()
    ]


def read_coco_outlines(source: Path, images: Path) -> list[dict]:
    return [
        _entry(label.image, [_outlined(item) for item in label.objects])
        for label in COCOInstanceSegmentationInput(source).get_labels()
    ]


def _entry(image: Image, objects: list[dict]) -> dict:
    size = {"width": image.width, "height": image.height}
    return {"name": image.filename, "objects": objects} | size


def _boxed(item: SingleObjectDetection) -> dict:
    bbox = item.box.to_format(BoundingBoxFormat.XYWH)
    return {"label": item.category.name, "bbox": bbox, "polygons": []}


def _outlined(item: SingleInstanceSegmentation) -> dict:
    parts = item.segmentation.polygons
    return {
        "label": item.category.name,
        "bbox": item.segmentation.bounding_box().to_format(BoundingBoxFormat.XYWH),
        "polygons": [[value for point in part for value in point] for part in parts],
    }


main(globals())
