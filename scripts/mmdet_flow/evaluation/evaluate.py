"""Figures and pictures of what a model found: COCO metrics, and where it fails."""

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from mmdet_flow import cli, layout
from mmdet_flow.contents import ALL, name_apart
from mmdet_flow.dataset.coco import CocoFile
from mmdet_flow.evaluation import plots
from mmdet_flow.evaluation.assignment import (
    ERRORS,
    IGNORED,
    IOU,
    TRUE_POSITIVE,
    Assignment,
    assign,
    overlap,
)
from mmdet_flow.evaluation.bootstrap import LEVEL, intervals
from mmdet_flow.evaluation.calibration import expected_calibration_error, reliability
from mmdet_flow.evaluation.confusion import BACKGROUND, confusion_matrix
from mmdet_flow.evaluation.counts import Counts, count_intervals, counts_of
from mmdet_flow.evaluation.curves import best_f1, curve_of
from mmdet_flow.evaluation.detect import Found
from mmdet_flow.evaluation.error_types import costs, count_errors
from mmdet_flow.evaluation.label_errors import label_errors
from mmdet_flow.evaluation.metrics import (
    METRICS,
    evaluate_coco,
    limit_of,
    measure,
    summary,
)
from mmdet_flow.evaluation.per_image import image_results
from mmdet_flow.files import write_if_changed, write_json
from mmdet_flow.formats.coco_results import write_coco_results
from mmdet_flow.inference.scores import Scores

FILES = tuple(
    place.name
    for place in layout.PLACES
    if place.parent == layout.METRICS.parent
    and place not in (layout.THRESHOLDS, layout.GALLERY, layout.GALLERY_EXCERPT)
)
"""What ``evaluate`` writes."""


def evaluate(
    truth: CocoFile,
    found: Found,
    scores: Scores,
    samples: int,
    output: Path,
    without_tiles: Found | None = None,
) -> None:
    """Write all figures and pictures into the folder ``output``.

    ``scores`` are the thresholds of what depends on them: confusion matrix, types of
    error, and images. All others look at every detection. ``without_tiles`` is what the
    model finds in whole images, where ``found`` is of their tiles.
    """
    classes = truth.classes
    thresholds = scores.of_each_class(classes, found.model_sha256)
    measured, ranges = _measure(truth, found, samples)
    iou_type = found.iou_types(truth)[-1]
    overlaps = overlap(truth, found.rows, iou_type)
    every, kept = assign(overlaps), assign(overlaps, thresholds)
    write_coco_results(output / layout.DETECTIONS.name, found.rows)
    counts = _counts(kept, classes)
    if samples:
        ranges["at_scores"] = count_intervals(counts, samples)
    figures = {
        "images": len(truth.images),
        "max_detections": limit_of(truth),
        "metrics": measured,
        **_beside(truth, without_tiles, found.iou_types(truth)),
        "intervals": {"level": LEVEL, "samples": samples, **ranges},
        "iou_type": iou_type,
        "iou": IOU,
        "scores": dict(zip(classes, thresholds.tolist(), strict=True)),
        "at_scores": {name: _totals(own) for name, own in counts.items()},
        "curves": _write_curves(every, classes, output),
        "calibration": _write_calibration(every, classes, output),
        "errors": _write_errors(every, kept, classes, output),
    }
    _write_confusion(kept, classes, output)
    _write_images(kept, output)
    _write_label_errors(kept, classes, output)
    write_if_changed(output / layout.METRICS_TABLE.name, metrics_csv(measured, ranges))
    write_json(output / layout.METRICS.name, figures)
    for iou_type, values in measured.items():
        cli.log.info("%s mAP %s, mAP_50 %s", iou_type, values["mAP"], values["mAP_50"])


def _measure(truth: CocoFile, found: Found, samples: int) -> tuple[dict, dict]:
    """Return the metrics of boxes and masks, and their intervals."""
    measured, ranges = {}, {}
    for iou_type in found.iou_types(truth):
        evaluation = evaluate_coco(truth, found.rows, iou_type)
        measured[iou_type] = summary(evaluation, truth.classes)
        if samples:
            ranges[iou_type] = intervals(evaluation, truth.classes, samples)
    return measured, ranges


def _beside(
    truth: CocoFile, without_tiles: Found | None, iou_types: Sequence[str]
) -> dict:
    """Return the metrics of the same model without tiles, if that was asked for."""
    if without_tiles is None:
        return {}
    rows = without_tiles.rows
    return {"without_tiles": {one: measure(truth, rows, one) for one in iou_types}}


def metrics_csv(measured: dict[str, dict], ranges: dict[str, dict]) -> str:
    """Return a row for each figure, with its interval where there is one."""
    rows = []
    for iou_type, values in measured.items():
        limits = ranges.get(iou_type, {})
        for name in METRICS:
            rows.append((iou_type, "", name, values[name], limits.get(name)))
        for label, own in values["per_class_metrics"].items():
            for name in METRICS:
                known = limits.get("per_class", {}).get(label)
                rows.append(
                    (iou_type, label, name, own[name], known if name == "mAP" else None)
                )
    return to_csv(
        ("iou_type", "class", "metric", "value", "low", "high"),
        ((*row, *(limits or ("", ""))) for *row, limits in rows),
    )


def _counts(kept: Assignment, classes: Sequence[str]) -> dict[str, Counts]:
    """Return what is kept in each image, by class and for all."""
    every = name_apart(ALL, classes)
    labels = {every: None} | {name: label for label, name in enumerate(classes)}
    return {name: counts_of(kept, label) for name, label in labels.items()}


def _totals(counts: Counts) -> dict:
    """Return precision, recall and F1 of what is kept in all images together."""
    parts = counts.objects, counts.true_positives, counts.false_positives
    objects, tp, fp = (int(one.sum()) for one in parts)
    return {
        "objects": objects,
        "true_positives": tp,
        "false_positives": fp,
        "precision": _ratio(tp, tp + fp) if objects else None,
        "recall": _ratio(tp, objects),
        "f1": _ratio(2 * tp, tp + fp + objects) if objects else None,
    }


def _ratio(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def _write_curves(every: Assignment, classes: Sequence[str], output: Path) -> dict:
    """Write the curves; return the point of the best F1 of each class."""
    curves = {name: curve_of(every, label) for label, name in enumerate(classes)}
    header = ("class", "score", "true_positives", "false_positives")
    header += ("precision", "recall", "f1")
    rows = (
        (name, *values)
        for name, one in curves.items()
        for values in zip(
            one.score,
            one.true_positives,
            one.false_positives,
            _rounded(one.precision),
            _rounded(one.recall),
            _rounded(one.f1),
            strict=True,
        )
    )
    write_if_changed(output / layout.SCORE_CURVES.name, to_csv(header, rows))
    plots.plot_curves(curves, output / layout.SCORE_CURVES_PLOT.name)
    return {name: best_f1(one) for name, one in curves.items()}


def _rounded(values: np.ndarray) -> list[float | None]:
    return [None if np.isnan(value) else round(float(value), 4) for value in values]


def _write_calibration(every: Assignment, classes: Sequence[str], output: Path) -> dict:
    """Write the reliability diagram; return the expected calibration errors."""
    counted = every.outcome != IGNORED
    every_class = name_apart(ALL, classes)
    groups = {every_class: counted}
    for label, name in enumerate(classes):
        groups[name] = counted & (every.label == label)
    matched = every.outcome == TRUE_POSITIVE
    bins = {name: reliability(every.score[g], matched[g]) for name, g in groups.items()}
    rows = [(name, *one.row().values()) for name, own in bins.items() for one in own]
    header = ("class", "low", "high", "count", "score", "precision")
    write_if_changed(output / layout.CALIBRATION.name, to_csv(header, rows))
    plots.plot_calibration(bins[every_class], output / layout.CALIBRATION_PLOT.name)
    return {
        name: expected_calibration_error(every.score[g], matched[g])
        for name, g in groups.items()
    }


def _write_errors(
    every: Assignment, kept: Assignment, classes: Sequence[str], output: Path
) -> dict:
    """Write the types of error; return how many there are and what they cost."""
    counts = count_errors(kept, len(classes))
    cost = costs(every, len(classes))
    rows = [(name, *counts[name], counts[name].sum(), cost[name]) for name in ERRORS]
    header = ("error", *classes, name_apart(ALL, classes), "mAP_50_lost")
    write_if_changed(output / layout.ERRORS.name, to_csv(header, rows))
    plots.plot_errors(counts, cost, classes, output / layout.ERRORS_PLOT.name)
    return {
        name: {"count": int(counts[name].sum()), "mAP_50_lost": cost[name]}
        for name in ERRORS
    }


def _write_confusion(kept: Assignment, classes: Sequence[str], output: Path) -> None:
    matrix = confusion_matrix(kept, len(classes))
    names = (*classes, name_apart(BACKGROUND, classes))
    rows = [(name, *row) for name, row in zip(names, matrix, strict=True)]
    write_if_changed(
        output / layout.CONFUSION.name, to_csv(("annotated \\ predicted", *names), rows)
    )
    plots.plot_confusion(matrix, names, output / layout.CONFUSION_PLOT.name)


def _write_images(kept: Assignment, output: Path) -> None:
    rows = [result.row() for result in image_results(kept)]
    header = list(rows[0]) if rows else ["file"]
    body = (row.values() for row in rows)
    write_if_changed(output / layout.IMAGE_RESULTS.name, to_csv(header, body))


def _write_label_errors(kept: Assignment, classes: Sequence[str], output: Path) -> None:
    header = ("file", "suspicion", "score", "predicted", "annotated", "iou", *"xywh")
    rows = [one.row_of(classes) for one in label_errors(kept)]
    write_if_changed(output / layout.LABEL_ERRORS.name, to_csv(header, rows))


def to_csv(header: Sequence[str], rows: Iterable[Iterable]) -> str:
    """Return a table as text; None is n/a."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    for row in rows:
        writer.writerow("n/a" if cell is None else cell for cell in row)
    return buffer.getvalue()
