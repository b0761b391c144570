"""Detections of a model, or of a file, for annotated images as COCO results."""

from dataclasses import dataclass
from pathlib import Path

from mmdet_flow.dataset import fields
from mmdet_flow.dataset.classes import require_same_classes
from mmdet_flow.dataset.coco import CocoFile, is_known
from mmdet_flow.dataset.fields import Malformed, named, sequence
from mmdet_flow.dataset.rle import require_rle
from mmdet_flow.errors import DataError
from mmdet_flow.files import read_json
from mmdet_flow.formats.coco_results import to_coco_results

BATCH = 8
KEYS = {"image_id", "category_id", "bbox", "score"}


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
        masks = self.rows and all(
            isinstance(row.get("segmentation"), dict) for row in self.rows
        )
        return ["bbox", "segm"] if masks and truth.has_polygons else ["bbox"]


def detect(
    checkpoint: Path, config: Path | None, truth: CocoFile, images: Path, threads: int
) -> Found:
    """Run a model over the images of a COCO file, at its own score cut.

    Raises DataError when the model's class list is not that of the annotations.
    """
    from mmdet_flow.images import read_image
    from mmdet_flow.inference.detector import Detector

    detector = Detector(checkpoint, config, threads)
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
    """Read COCO results; DataError if they are none, or of other images or classes."""
    rows = read_json(path)
    if not isinstance(rows, list) or not all(
        isinstance(row, dict) and row.keys() >= KEYS for row in rows
    ):
        raise DataError(
            f"{path}: not COCO results: a list of {', '.join(sorted(KEYS))}"
        )
    sizes = {item["id"]: (item["width"], item["height"]) for item in truth.images}
    categories = {item["id"] for item in truth.categories}
    for number, row in enumerate(rows, 1):
        for key, known in (("image_id", sizes), ("category_id", categories)):
            if not is_known(row[key], known):
                raise DataError(
                    f"{path}: {key} {named(row[key])} is not in {truth.path}; give the "
                    "annotations that these detections were made for"
                )
        try:
            _require_values(row, sizes[row["image_id"]])
        except Malformed as error:
            raise DataError(f"{path}, row {number}: {error}; correct it") from None
    return Found(rows)


def _require_values(row: dict, size: tuple[int, int]) -> None:
    """Refuse a box, score or mask that is none; others count as perfect, or break."""
    box = sequence(row["bbox"], "its bbox")
    if len(box) != 4:
        raise Malformed(f"its bbox has {len(box)} numbers, not 4")
    for value in box:
        fields.number(value, "a number of its bbox")
    fields.number(row["score"], "its score")
    if isinstance(row.get("segmentation"), dict):
        require_rle(row["segmentation"], size)
