"""What differs between two experiments: data, recipes, and how good they are."""

from dataclasses import asdict
from pathlib import Path

import numpy as np

from mmdet_flow import cli, layout
from mmdet_flow.comparison.compare_page import comparison_html, comparison_markdown
from mmdet_flow.comparison.data import can_pair, compare_data, why_not_paired
from mmdet_flow.comparison.disagreements import find_disagreements, totals
from mmdet_flow.comparison.identity import config_of
from mmdet_flow.comparison.pair import Pair
from mmdet_flow.dataset.coco import CocoFile
from mmdet_flow.evaluation.assignment import assign, overlap
from mmdet_flow.evaluation.bootstrap import LEVEL, paired_differences
from mmdet_flow.evaluation.detect import Found, read_detections
from mmdet_flow.evaluation.evaluate import to_csv
from mmdet_flow.evaluation.metrics import evaluate_coco
from mmdet_flow.files import write_if_changed, write_json
from mmdet_flow.results import ResultsFolder

METRICS = ("mAP", "mAP_50", "mAP_75")
IOU_TYPES = ("bbox", "segm")
ENVIRONMENT = ("precision", "threads", "cpu", "load_from")
PICTURES = 24

OWN = (
    *(layout.COMPARISON, layout.COMPARISON_TEXT, layout.COMPARISON_PAGE),
    *(layout.COMPARED_METRICS, layout.COMPARED_IMAGES),
)
"""What a comparison writes."""

FILES = tuple(place.name for place in OWN)


def compare(a: ResultsFolder, b: ResultsFolder, samples: int, output: Path, limit: int):
    """Write the comparison as JSON, CSV, Markdown and a page into a folder.

    ``limit`` is the most images that the page shows.
    """
    data = compare_data(a, b)
    pair = pair_up(a, b, samples) if can_pair(data) else None
    content = describe(a, b, data, pair, samples)
    write_json(output / layout.COMPARISON.name, content)
    write_if_changed(
        output / layout.COMPARED_METRICS.name, _metrics_csv(content["metrics"])
    )
    write_if_changed(output / layout.COMPARED_IMAGES.name, _images_csv(pair))
    write_if_changed(output / layout.COMPARISON_TEXT.name, comparison_markdown(content))
    images = a.file(layout.IMAGES)
    page = comparison_html(content, pair, images, limit)
    write_if_changed(output / layout.COMPARISON_PAGE.name, page)
    cli.log.info("%s", content["verdict"])


def pair_up(a: ResultsFolder, b: ResultsFolder, samples: int) -> Pair:
    """Match what both found with the annotations that they share."""
    truth = a.split("test")
    found = [found_for(a, truth), found_for(b, truth)]
    common = [
        iou_type
        for iou_type in IOU_TYPES
        if all(iou_type in one.iou_types(truth) for one in found)
    ]
    differences = {}
    for iou_type in common:
        both = [evaluate_coco(truth, one.rows, iou_type) for one in found]
        differences[iou_type] = paired_differences(*both, truth.classes, samples)
    kept = tuple(
        assign(overlap(truth, one.rows, common[-1]), _thresholds(run, truth))
        for one, run in zip(found, (a, b), strict=True)
    )
    return Pair(truth, common[-1], kept, find_disagreements(*kept), differences)


def found_for(one: ResultsFolder, truth: CocoFile) -> Found:
    """Return the detections of an experiment with the ids of these annotations."""
    own = one.split("test")
    found = read_detections(one.file(layout.DETECTIONS), own)
    images = _renumbered(own.images, truth.images, "file_name")
    classes = _renumbered(own.categories, truth.categories, "name")
    return Found(
        [
            row
            | {
                "image_id": images[row["image_id"]],
                "category_id": classes[row["category_id"]],
            }
            for row in found.rows
        ]
    )


def _renumbered(own: list[dict], other: list[dict], name: str) -> dict[int, int]:
    """Return the id among the others of each own id, by a name that both have."""
    ids = {item[name]: item["id"] for item in other}
    return {item["id"]: ids[item[name]] for item in own}


def _thresholds(one: ResultsFolder, truth: CocoFile) -> np.ndarray:
    return np.array([one.metrics["scores"][name] for name in truth.classes], float)


def describe(
    a: ResultsFolder, b: ResultsFolder, data: dict, pair: Pair | None, samples: int
) -> dict:
    """Return the whole comparison as plain values."""
    from mmdet_flow.model.changes import changes

    metrics = _metrics(a, b, pair)
    return {
        "a": a.name,
        "b": b.name,
        "verdict": _verdict(metrics, data, pair),
        "data": data,
        "config": list(map(asdict, changes(config_of(a), config_of(b)))),
        "environment": _environment(a, b),
        "metrics": metrics,
        "paired": pair is not None,
        "interval": {"level": LEVEL, "samples": samples},
        "disagreements": totals(pair.images) | {"iou_type": pair.iou_type}
        if pair
        else None,
    }


def _environment(a: ResultsFolder, b: ResultsFolder) -> dict[str, list]:
    """Return what differs of versions and machine, as [a, b]; None is not known."""
    sides = [
        one.checkpoint.versions
        | {key: (one.recipe or {}).get(key) for key in ENVIRONMENT}
        for one in (a, b)
    ]
    keys = sorted(sides[0].keys() | sides[1].keys())
    values = {key: [one.get(key) for one in sides] for key in keys}
    return {key: pair for key, pair in values.items() if pair[0] != pair[1]}


def _metrics(a: ResultsFolder, b: ResultsFolder, pair: Pair | None) -> list[dict]:
    """Return a row for each metric: of a, of b, and the difference b - a."""
    rows = []
    for iou_type in IOU_TYPES:
        differences = (pair.differences if pair else {}).get(iou_type, {})
        for name in METRICS:
            values = a.figure(iou_type, name), b.figure(iou_type, name)
            rows.append(_metric(iou_type, "", name, values, differences.get(name)))
        classes = dict.fromkeys([*a.per_class(iou_type), *b.per_class(iou_type)])
        for label in classes:
            values = a.per_class(iou_type).get(label), b.per_class(iou_type).get(label)
            own = differences.get("per_class", {}).get(label)
            rows.append(_metric(iou_type, label, "mAP", values, own))
    return [row for row in rows if row["a"] is not None or row["b"] is not None]


def _metric(iou_type: str, label: str, name: str, values, paired: dict | None) -> dict:
    paired = paired or dict.fromkeys(("difference", "low", "high"))
    sure = None
    if paired["low"] is not None:
        sure = paired["low"] <= 0 <= paired["high"]
    return {
        "iou_type": iou_type,
        "class": label,
        "metric": name,
        "a": values[0],
        "b": values[1],
        **paired,
        "includes_0": sure,
    }


def _verdict(metrics: list[dict], data: dict, pair: Pair | None) -> str:
    """Return the most important line: whether the models can be told apart."""
    if pair is None:
        return why_not_paired(data)
    wanted = {"iou_type": "bbox", "class": "", "metric": "mAP"}
    row = next((row for row in metrics if row.items() >= wanted.items()), None)
    if row is None or row["difference"] is None or row["low"] is None:
        return "The box mAP of the two cannot be compared: it is n/a."
    told = (
        f"Box mAP {row['a']:.3f} of A and {row['b']:.3f} of B: B - A is "
        f"{row['difference']:+.3f}, with 95 % from {row['low']:+.3f} to "
        f"{row['high']:+.3f}"
    )
    if row["includes_0"]:
        return f"{told}. That includes 0: these images do not tell the two apart."
    return (
        f"{told}. That does not include 0: {'B' if row['low'] > 0 else 'A'} is better."
    )


def _metrics_csv(metrics: list[dict]) -> str:
    header = ("iou_type", "class", "metric", "a", "b", "difference", "low", "high")
    header += ("includes_0",)
    return to_csv(header, ([row[name] for name in header] for row in metrics))


def _images_csv(pair: Pair | None) -> str:
    rows = [one.row() for one in pair.images] if pair else []
    header = list(rows[0]) if rows else ["file"]
    return to_csv(header, (row.values() for row in rows))
