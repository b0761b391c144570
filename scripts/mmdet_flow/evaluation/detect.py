"""Detections of a model, or of a file, for annotated images as COCO results."""

from dataclasses import dataclass
from pathlib import Path

from mmdet_flow import cli
from mmdet_flow.dataset import fields
from mmdet_flow.dataset.classes import require_same_classes
from mmdet_flow.dataset.coco import CocoFile, is_known
from mmdet_flow.dataset.coco_object import box_of, shape_of
from mmdet_flow.dataset.fields import Malformed, named
from mmdet_flow.errors import DataError
from mmdet_flow.evaluation.assignment import to_rle
from mmdet_flow.files import read_json
from mmdet_flow.formats.coco_results import to_coco_results
from mmdet_flow.tiles import Tiles

BATCH = 8
KEYS = {"image_id", "category_id", "score"}


@dataclass(frozen=True)
class Found:
    """What was found in the images of a COCO file.

    Attributes:
        rows: COCO results: bbox (x, y, width, height in pixels), score, and a
            run-length encoded segmentation where the model has masks.
        model_sha256: of the checkpoint, or None where the rows came from a file.
    """

    rows: list[dict]
    model_sha256: str | None = None

    def iou_types(self, truth: CocoFile) -> list[str]:
        """Return what can be measured: "bbox", and "segm" where both have masks."""
        masks = self.rows and all(row.get("segmentation") for row in self.rows)
        return ["bbox", "segm"] if masks and truth.has_polygons else ["bbox"]


def detect(
    checkpoint: Path,
    config: Path | None,
    truth: CocoFile,
    images: Path,
    *,
    threads: int,
    tiles: Tiles | None = None,
) -> Found:
    """Run a model over the images of a COCO file, at its own score cut.

    ``tiles`` says how the images are divided, if they are.
    Raises DataError when the model's class list is not that of the annotations.
    """
    from mmdet_flow.images import read_image
    from mmdet_flow.inference.opening import open_detector

    detector = open_detector(checkpoint, config=config, threads=threads, tiles=tiles)
    require_same_classes(
        detector.classes,
        truth.classes,
        str(checkpoint),
        str(truth.path),
        "use the data of its training",
    )
    categories = [category["id"] for category in truth.categories]
    rows = []
    for start in range(0, len(truth.images), BATCH):
        batch = truth.images[start : start + BATCH]
        pixels = [read_image(images / image["file_name"])[1] for image in batch]
        for image, found in zip(batch, detector.predict(pixels), strict=True):
            rows_of = to_coco_results(image["id"], found, categories)
            rows += rows_of["segm"] or rows_of["bbox"]
    return Found(rows, detector.meta["model_sha256"])


def read_detections(path: Path, truth: CocoFile) -> Found:
    """Read COCO results; DataError if they are none, or of other images or classes.

    Polygons become masks, and what has a mask alone gets the box around it.
    """
    rows = read_json(path)
    if not isinstance(rows, list) or not all(
        isinstance(row, dict) and row.keys() >= KEYS for row in rows
    ):
        raise DataError(
            f"{path}: not COCO results: a list of bbox, {', '.join(sorted(KEYS))}"
        )
    images = {item["id"]: item for item in truth.images}
    categories = {item["id"] for item in truth.categories}
    read = []
    for number, row in enumerate(rows, 1):
        for key, known in (("image_id", images), ("category_id", categories)):
            if not is_known(row[key], known):
                raise DataError(
                    f"{path}: {key} {named(row[key])} is not in {truth.path}; give the "
                    "annotations that these detections were made for"
                )
        try:
            read.append(_normal(row, images[row["image_id"]]))
        except Malformed as error:
            raise DataError(f"{path}, row {number}: {error}; correct it") from None
    _tell_of_masks(path, read, truth)
    return Found(read)


def _normal(row: dict, image: dict) -> dict:
    """Return a row as it is measured; Malformed where a value would falsify that."""
    from pycocotools import mask as coco_mask

    fields.number(row["score"], "its score")
    shape = shape_of(row.get("segmentation"), (image["width"], image["height"]))
    if any(len(part) < 6 for part in shape if isinstance(shape, list)):
        raise Malformed("its polygon has under 3 points")
    normal = {key: value for key, value in row.items() if key != "segmentation"}
    if shape:
        rle = to_rle(shape, image)
        normal["segmentation"] = rle | {"counts": _as_text(rle["counts"])}
        normal.setdefault("bbox", coco_mask.toBbox(rle).tolist())
    normal["bbox"] = box = box_of(fields.member(normal, "bbox"))
    if min(box[2:]) < 0:
        raise Malformed(f"its bbox is {box[2]:g} wide and {box[3]:g} high")
    return normal


def _as_text(counts: bytes | str) -> str:
    return counts.decode() if isinstance(counts, bytes) else counts


def _tell_of_masks(path: Path, rows: list[dict], truth: CocoFile) -> None:
    """Say why masks are not measured, where there are some."""
    masks = sum("segmentation" in row for row in rows)
    if not masks:
        return
    if masks < len(rows):
        why = f"{len(rows) - masks} of {len(rows)} detections have none"
    elif not truth.has_polygons:
        why = f"not every object of {truth.path} has one"
    else:
        return
    cli.log.warning("%s: masks are not measured, boxes are: %s", path, why)
