"""Figures and pictures of what a model found: COCO metrics, and where it fails."""

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from mmdet_flow import cli
from mmdet_flow.dataset.coco import CocoFile
from mmdet_flow.evaluation import plots
from mmdet_flow.evaluation.assignment import (
    CORRECT,
    ERRORS,
    IGNORED,
    IOU,
    Assignment,
    assign,
    overlap,
)
from mmdet_flow.evaluation.bootstrap import LEVEL, intervals
from mmdet_flow.evaluation.calibration import expected_calibration_error, reliability
from mmdet_flow.evaluation.confusion import NOTHING, confusion_matrix
from mmdet_flow.evaluation.curves import Curve, best_f1, curve_of
from mmdet_flow.evaluation.detect import Found
from mmdet_flow.evaluation.error_types import costs, count_errors
from mmdet_flow.evaluation.label_errors import label_errors
from mmdet_flow.evaluation.metrics import METRICS, evaluate_coco, summary
from mmdet_flow.evaluation.per_image import image_results
from mmdet_flow.files import write_if_changed, write_json
from mmdet_flow.formats.coco_results import write_coco_results
from mmdet_flow.inference.scores import Scores

SCORE = 0.3
ALL = "all"
"""Name of the row of all classes together."""


def evaluate(
    truth: CocoFile, found: Found, scores: Scores, samples: int, output: Path
) -> None:
    """Write all figures and pictures into the folder ``output``.

    ``scores`` are the lowest ones for what depends on a choice: confusion matrix, kinds
    of error, and images. All others look at every detection.
    """
    classes = truth.classes
    lowest = scores.of_each_class(classes, found.model_sha256)
    measured, ranges = _measure(truth, found, samples)
    kind = found.kinds(truth)[-1]
    overlaps = overlap(truth, found.rows, kind)
    every, kept = assign(overlaps), assign(overlaps, lowest)
    write_coco_results(output / "detections.json", found.rows)
    figures = {
        "images": len(truth.images),
        "metrics": measured,
        "intervals": {"level": LEVEL, "samples": samples, **ranges},
        "kind": kind,
        "iou": IOU,
        "scores": dict(zip(classes, lowest.tolist(), strict=True)),
        "at_scores": _at_scores(kept, classes),
        "curves": _write_curves(every, classes, output),
        "calibration": _write_calibration(every, classes, output),
        "errors": _write_errors(every, kept, classes, output),
    }
    _write_confusion(kept, classes, output)
    _write_images(kept, output)
    _write_label_errors(kept, classes, output)
    write_if_changed(output / "metrics.csv", metrics_csv(measured, ranges))
    write_json(output / "metrics.json", figures)
    for kind, values in measured.items():
        cli.log.info("%s mAP %s, mAP_50 %s", kind, values["mAP"], values["mAP_50"])


def _measure(truth: CocoFile, found: Found, samples: int) -> tuple[dict, dict]:
    """Return the metrics of boxes and masks, and their intervals."""
    measured, ranges = {}, {}
    for kind in found.kinds(truth):
        evaluation = evaluate_coco(truth, found.rows, kind)
        measured[kind] = summary(evaluation, truth.classes)
        if samples:
            ranges[kind] = intervals(evaluation, truth.classes, samples)
    return measured, ranges


def metrics_csv(measured: dict[str, dict], ranges: dict[str, dict]) -> str:
    """Return a row for each figure, with its interval where there is one."""
    rows = []
    for kind, values in measured.items():
        limits = ranges.get(kind, {})
        for name in METRICS:
            rows.append((kind, "", name, values[name], limits.get(name)))
        for label, own in values["per_class_metrics"].items():
            for name in METRICS:
                known = limits.get("per_class", {}).get(label)
                rows.append(
                    (kind, label, name, own[name], known if name == "mAP" else None)
                )
    return to_csv(
        ("kind", "class", "metric", "value", "low", "high"),
        ((*row, *(limits or ("", ""))) for *row, limits in rows),
    )


def _at_scores(kept: Assignment, classes: Sequence[str]) -> dict:
    """Return precision, recall and F1 of what is kept, by class and for all."""
    labels = {ALL: None} | {name: label for label, name in enumerate(classes)}
    return {name: _totals(curve_of(kept, label)) for name, label in labels.items()}


def _totals(curve: Curve) -> dict:
    right = int(curve.right[-1]) if len(curve.right) else 0
    wrong = int(curve.wrong[-1]) if len(curve.wrong) else 0
    return {
        "objects": curve.positives,
        "right": right,
        "wrong": wrong,
        "precision": _share(right, right + wrong) if curve.positives else None,
        "recall": _share(right, curve.positives),
        "f1": _share(2 * right, right + wrong + curve.positives)
        if curve.positives
        else None,
    }


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def _write_curves(every: Assignment, classes: Sequence[str], output: Path) -> dict:
    """Write the curves; return the point of the best F1 of each class."""
    curves = {name: curve_of(every, label) for label, name in enumerate(classes)}
    header = ("class", "score", "right", "wrong", "precision", "recall", "f1")
    rows = (
        (name, *values)
        for name, one in curves.items()
        for values in zip(
            one.score,
            one.right,
            one.wrong,
            _rounded(one.precision),
            _rounded(one.recall),
            _rounded(one.f1),
            strict=True,
        )
    )
    write_if_changed(output / "curves.csv", to_csv(header, rows))
    plots.plot_curves(curves, output / "curves.png")
    return {name: best_f1(one) for name, one in curves.items()}


def _rounded(values: np.ndarray) -> list[float | None]:
    return [None if np.isnan(value) else round(float(value), 4) for value in values]


def _write_calibration(every: Assignment, classes: Sequence[str], output: Path) -> dict:
    """Write the reliability diagram; return the expected calibration errors."""
    counted = every.outcome != IGNORED
    groups = {ALL: counted}
    for label, name in enumerate(classes):
        groups[name] = counted & (every.label == label)
    right = every.outcome == CORRECT
    bins = {name: reliability(every.score[g], right[g]) for name, g in groups.items()}
    rows = [(name, *one.row().values()) for name, own in bins.items() for one in own]
    header = ("class", "low", "high", "count", "score", "precision")
    write_if_changed(output / "calibration.csv", to_csv(header, rows))
    plots.plot_calibration(bins[ALL], output / "calibration.png")
    return {
        name: expected_calibration_error(every.score[g], right[g])
        for name, g in groups.items()
    }


def _write_errors(
    every: Assignment, kept: Assignment, classes: Sequence[str], output: Path
) -> dict:
    """Write the kinds of error; return how many there are and what they cost."""
    counts = count_errors(kept, len(classes))
    cost = costs(every, len(classes))
    rows = [(name, *counts[name], counts[name].sum(), cost[name]) for name in ERRORS]
    header = ("error", *classes, ALL, "mAP_50_lost")
    write_if_changed(output / "errors.csv", to_csv(header, rows))
    plots.plot_errors(counts, cost, classes, output / "errors.png")
    return {
        name: {"count": int(counts[name].sum()), "mAP_50_lost": cost[name]}
        for name in ERRORS
    }


def _write_confusion(kept: Assignment, classes: Sequence[str], output: Path) -> None:
    matrix = confusion_matrix(kept, len(classes))
    names = (*classes, NOTHING)
    rows = [(name, *row) for name, row in zip(names, matrix, strict=True)]
    write_if_changed(
        output / "confusion.csv", to_csv(("annotated \\ found", *names), rows)
    )
    plots.plot_confusion(matrix, names, output / "confusion.png")


def _write_images(kept: Assignment, output: Path) -> None:
    rows = [result.row() for result in image_results(kept)]
    header = list(rows[0]) if rows else ["file"]
    body = (row.values() for row in rows)
    write_if_changed(output / "images.csv", to_csv(header, body))


def _write_label_errors(kept: Assignment, classes: Sequence[str], output: Path) -> None:
    header = ("file", "suspicion", "score", "found", "annotated", "iou", *"xywh")
    rows = [one.row_of(classes) for one in label_errors(kept)]
    write_if_changed(output / "label_errors.csv", to_csv(header, rows))


def to_csv(header: Sequence[str], rows: Iterable[Iterable]) -> str:
    """Return a table as text; None is n/a."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    for row in rows:
        writer.writerow("n/a" if cell is None else cell for cell in row)
    return buffer.getvalue()
