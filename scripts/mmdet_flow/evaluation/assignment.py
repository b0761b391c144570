"""What each detection and each object is: a true positive, or which type of error.

Detections are matched to objects as COCO does it at an IoU of 0.5. The types of error
are those of Bolya et al., "TIDE: A General Toolbox for Identifying Object Detection
Errors" (2020); the object that a false positive overlaps most decides which it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mmdet_flow.dataset.coco import CocoFile
from mmdet_flow.detections import reaches

IOU = 0.5
"""A detection with less in common with its object is a false positive."""

BACKGROUND_IOU = 0.1
"""A detection that overlaps every object less is of the background."""

TRUE_POSITIVE, IGNORED = "true_positive", "ignored"
CLASSIFICATION, LOCALISATION, BOTH = "classification", "localisation", "both"
DUPLICATE, BACKGROUND, MISSED = "duplicate", "background", "missed"
ERRORS = (CLASSIFICATION, LOCALISATION, BOTH, DUPLICATE, BACKGROUND, MISSED)


@dataclass(frozen=True)
class ImageOverlaps:
    """Detections and objects of one image, and how much they overlap.

    Attributes:
        image: the image of the COCO file.
        rows: COCO results, highest score first.
        objects: annotations; crowds take any number of detections.
        iou: (rows, objects) intersection over union; over the detection for crowds.
        row_labels, object_labels: positions in the class list.
    """

    image: dict
    rows: list[dict]
    objects: list[dict]
    iou: np.ndarray
    row_labels: np.ndarray
    object_labels: np.ndarray

    @property
    def crowd(self) -> np.ndarray:
        return np.array([bool(item.get("iscrowd")) for item in self.objects], bool)


@dataclass(frozen=True)
class Assignment:
    """The outcome of each detection and object of a data set, image after image.

    Attributes:
        rows: the detections (COCO results); ``image`` and ``label`` (n,) their places
            among ``images`` and the classes, ``score`` (n,).
        outcome: (n,) TRUE_POSITIVE, IGNORED (in a crowd) or an error.
        target: (n,) the object that it matches or overlaps most, or -1; ``iou`` (n,)
            how much.
        objects: the annotations; ``object_image`` and ``object_label`` (m,).
        state: (m,) TRUE_POSITIVE, IGNORED (a crowd), MISSED, or the error of the best
            detection that shows this object: CLASSIFICATION or LOCALISATION.
    """

    images: list[dict]
    rows: list[dict]
    image: np.ndarray
    label: np.ndarray
    score: np.ndarray
    outcome: np.ndarray
    target: np.ndarray
    iou: np.ndarray
    objects: list[dict]
    object_image: np.ndarray
    object_label: np.ndarray
    state: np.ndarray


def overlap(truth: CocoFile, results: list[dict], iou_type: str) -> list[ImageOverlaps]:
    """Return the overlaps of each image, of its boxes ("bbox") or masks ("segm")."""
    labels = {item["id"]: index for index, item in enumerate(truth.categories)}
    by_image: dict[int, list[dict]] = {image["id"]: [] for image in truth.images}
    for row in results:
        by_image[row["image_id"]].append(row)
    objects = truth.objects_by_image()
    return [
        _overlap_image(
            image, by_image[image["id"]], objects[image["id"]], labels, iou_type
        )
        for image in truth.images
    ]


def _overlap_image(
    image: dict, rows: list[dict], objects: list[dict], labels: dict, iou_type: str
) -> ImageOverlaps:
    from pycocotools import mask as coco_mask

    rows = sorted(rows, key=lambda row: -row["score"])
    iou = np.zeros((len(rows), len(objects)))
    if rows and objects:
        crowd = [int(item.get("iscrowd", 0)) for item in objects]
        if iou_type == "segm":
            shapes = [item["segmentation"] for item in rows]
            areas = [to_rle(item["segmentation"], image) for item in objects]
        else:
            shapes = [item["bbox"] for item in rows]
            areas = [item["bbox"] for item in objects]
        iou = np.asarray(coco_mask.iou(shapes, areas, crowd))
    return ImageOverlaps(
        image=image,
        rows=rows,
        objects=objects,
        iou=iou,
        row_labels=np.array([labels[item["category_id"]] for item in rows], int),
        object_labels=np.array([labels[item["category_id"]] for item in objects], int),
    )


def to_rle(segmentation: list | dict, image: dict) -> dict:
    """Return polygons or a mask of a COCO file as a run-length encoded mask."""
    from pycocotools import mask as coco_mask

    height, width = image["height"], image["width"]
    if isinstance(segmentation, list):
        return coco_mask.merge(coco_mask.frPyObjects(segmentation, height, width))
    if isinstance(segmentation["counts"], list):
        return coco_mask.frPyObjects(segmentation, height, width)
    return segmentation


def assign(
    overlaps: Sequence[ImageOverlaps], thresholds: np.ndarray | None = None
) -> Assignment:
    """Say what the detections are that reach the score threshold of their class.

    ``thresholds`` (classes,) has one for each class; None takes all detections.
    """
    parts = [_assign_image(one, thresholds) for one in overlaps]
    first = np.cumsum([0, *(len(one.objects) for one in overlaps)])
    kept = [part[0] for part in parts]

    def joined(position: int, dtype: type) -> np.ndarray:
        return np.concatenate([np.zeros(0, dtype), *(part[position] for part in parts)])

    target = [
        np.where(part[2] < 0, -1, part[2] + start)
        for part, start in zip(parts, first, strict=False)
    ]
    rows = [one.rows[i] for one, own in zip(overlaps, kept, strict=True) for i in own]
    return Assignment(
        images=[one.image for one in overlaps],
        rows=rows,
        image=_repeat(len(own) for own in kept),
        label=_concatenate(
            one.row_labels[own] for one, own in zip(overlaps, kept, strict=True)
        ),
        score=np.array([row["score"] for row in rows], float),
        outcome=joined(1, np.dtype("U14")),
        target=_concatenate(target),
        iou=joined(3, float),
        objects=[item for one in overlaps for item in one.objects],
        object_image=_repeat(len(one.objects) for one in overlaps),
        object_label=_concatenate(one.object_labels for one in overlaps),
        state=joined(4, np.dtype("U14")),
    )


def _repeat(counts) -> np.ndarray:
    counts = np.fromiter(counts, int)
    return np.repeat(np.arange(len(counts)), counts)


def _concatenate(parts) -> np.ndarray:
    return np.concatenate([np.zeros(0, int), *parts])


def _assign_image(one: ImageOverlaps, thresholds: np.ndarray | None) -> tuple:
    """Return positions of the rows kept, their outcome, target and IoU, and states."""
    scores = np.array([row["score"] for row in one.rows], float)
    kept = np.arange(len(scores))
    if thresholds is not None:
        kept = np.flatnonzero(reaches(scores, thresholds[one.row_labels]))
    iou, labels = one.iou[kept], one.row_labels[kept]
    target, crowded = _match(iou, labels, one.object_labels, one.crowd)
    outcome = np.where(target >= 0, TRUE_POSITIVE, "").astype("U14")
    outcome[crowded] = IGNORED
    for row in np.flatnonzero(outcome == ""):
        outcome[row], target[row] = _name_error(
            iou[row], labels[row], one.object_labels, one.crowd
        )
    known = target >= 0
    common = np.zeros(len(kept))
    common[known] = iou[known, target[known]]
    return kept, outcome, target, common, _states(outcome, target, one.crowd)


def _match(
    iou: np.ndarray, labels: np.ndarray, object_labels: np.ndarray, crowd: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Match as COCO does: highest score first, each to the free object it fits best.

    Returns the object of each row (n,), or -1, and whether it is in a crowd (n,).
    """
    target = np.full(len(labels), -1)
    crowded = np.zeros(len(labels), bool)
    free = ~crowd
    enough = min(IOU, 1 - 1e-10)
    for row, label in enumerate(labels):
        own = object_labels == label
        for choice in (own & free, own & crowd):
            candidates = np.flatnonzero(choice & (iou[row] >= enough))
            if len(candidates):
                fit = iou[row, candidates]
                # Of equals the last one, as in pycocotools.
                best = candidates[np.flatnonzero(fit == fit.max())[-1]]
                target[row], crowded[row] = best, crowd[best]
                free[best] = False
                break
    return target, crowded


def _name_error(
    iou: np.ndarray, label: int, object_labels: np.ndarray, crowd: np.ndarray
) -> tuple[str, int]:
    """Return the error of a detection that matches nothing, and its nearest object."""
    fit = np.where(crowd, 0.0, iou)
    nearest = int(fit.argmax()) if len(fit) else -1
    if nearest < 0 or fit[nearest] < BACKGROUND_IOU:
        return BACKGROUND, -1
    same = object_labels[nearest] == label
    if fit[nearest] >= IOU:
        return (DUPLICATE if same else CLASSIFICATION), nearest
    return (LOCALISATION if same else BOTH), nearest


def _states(outcome: np.ndarray, target: np.ndarray, crowd: np.ndarray) -> np.ndarray:
    """Return what became of each object; its best detection comes first."""
    states = np.where(crowd, IGNORED, MISSED).astype("U14")
    for name in (LOCALISATION, CLASSIFICATION, TRUE_POSITIVE):
        states[target[outcome == name]] = name
    return states
