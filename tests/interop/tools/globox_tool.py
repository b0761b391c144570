"""globox: boxes in nine formats."""

import json
from pathlib import Path

from globox import Annotation, AnnotationSet, BoundingBox, BoxFormat
from runner import copy_images, main


def _set(truth: dict) -> AnnotationSet:
    return AnnotationSet(
        Annotation(
            entry["name"],
            (entry["width"], entry["height"]),
            [
                BoundingBox.create(
                    label=item["label"],
                    coords=tuple(item["bbox"]),
                    box_format=BoxFormat.LTWH,
                )
                for item in entry["objects"]
            ],
        )
        for entry in truth["images"]
    )


def _numbers(truth: dict) -> dict[str, int]:
    return {name: number for number, name in enumerate(truth["classes"])}


def write_coco_boxes(truth: dict, images: Path, target: Path) -> None:
    copy_images(images, target / "images")
    _set(truth).save_coco(target / "annotations.json", auto_ids=True)


def write_voc_boxes(truth: dict, images: Path, target: Path) -> None:
    copy_images(images, target / "images")
    _set(truth).save_pascal_voc(target / "xml")


def write_yolo_darknet_boxes(truth: dict, images: Path, target: Path) -> None:
    copy_images(images, target)
    _set(truth).save_yolo_darknet(target, label_to_id=_numbers(truth))
    (target / "classes.txt").write_text("\n".join(truth["classes"]) + "\n")


def write_labelme_boxes(truth: dict, images: Path, target: Path) -> None:
    copy_images(images, target)
    _set(truth).save_labelme(target)


def write_cvat_boxes(truth: dict, images: Path, target: Path) -> None:
    copy_images(images, target / "images")
    _set(truth).save_cvat(target / "annotations.xml")


def write_via_boxes(truth: dict, images: Path, target: Path) -> None:
    copy_images(images, target)
    _set(truth).save_via_json(target / "via.json", image_folder=images)


def write_openimages_boxes(truth: dict, images: Path, target: Path) -> None:
    copy_images(images, target / "images")
    _set(truth).save_openimage(target / "boxes.csv")


def read_coco_boxes(source: Path, images: Path) -> list[dict]:
    return _found(AnnotationSet.from_coco(source))


def read_coco_results_boxes(source: Path, images: Path) -> list[dict]:
    """Read results with the ids of the COCO file beside them."""
    coco = json.loads((source.parent / "annotations.json").read_text())
    return _found(
        AnnotationSet.from_coco_results(
            source,
            id_to_label={one["id"]: one["name"] for one in coco["categories"]},
            id_to_imageid={one["id"]: one["file_name"] for one in coco["images"]},
        )
    )


def read_exported_vgg_boxes(source: Path, images: Path) -> list[dict]:
    project = source / "project.json"
    return _found(
        AnnotationSet.from_via_json(
            project, label_key="type", image_folder=source / "images"
        )
    )


def _found(annotations: AnnotationSet) -> list[dict]:
    return [
        {
            "name": annotation.image_id,
            "objects": [
                {"label": box.label, "bbox": list(box.ltwh), "polygons": []}
                | ({} if box.confidence is None else {"score": box.confidence})
                for box in annotation.boxes
            ],
        }
        for annotation in annotations
    ]


main(globals())
