"""Measure a model on annotated images: COCO metrics, by pycocotools."""

import argparse
import contextlib
import csv
import io
from pathlib import Path

from mmdet_flow import cli
from mmdet_flow.dataset.classes import require_same_classes
from mmdet_flow.dataset.coco import CocoFile
from mmdet_flow.files import write_if_changed, write_json
from mmdet_flow.formats.coco_results import to_coco_results

METRICS = ("mAP", "mAP_50", "mAP_75", "mAP_small", "mAP_medium", "mAP_large")
BATCH = 8


def evaluate(
    checkpoint: Path,
    config: Path | None,
    annotations: Path,
    images: Path,
    output: Path,
    threads: int,
) -> None:
    """Write ``metrics.json``, ``metrics.csv`` and ``detections.json`` (COCO results).

    Raises DataError when the model's class list is not that of the annotations.
    """
    from mmdet_flow.inference.detector import Detector
    from mmdet_flow.inference.images import read_image

    truth = CocoFile.read(annotations)
    detector = Detector(checkpoint, config, threads)
    require_same_classes(
        detector.classes,
        truth.classes,
        str(checkpoint),
        str(annotations),
        "use the data of its training",
    )
    categories = [category["id"] for category in truth.categories]
    results: dict[str, list[dict]] = {"bbox": [], "segm": []}
    for start in range(0, len(truth.images), BATCH):
        batch = truth.images[start : start + BATCH]
        pixels = [read_image(images / image["file_name"])[1] for image in batch]
        for image, found in zip(batch, detector.predict(pixels), strict=True):
            for kind, rows in to_coco_results(image["id"], found, categories).items():
                results[kind] += rows
    measured = {
        kind: measure(annotations, rows, kind, truth)
        for kind, rows in results.items()
        if kind == "bbox" or (rows and truth.has_polygons)
    }
    write_json(output / "detections.json", results["segm"] or results["bbox"])
    write_json(
        output / "metrics.json", {"images": len(truth.images), "metrics": measured}
    )
    write_if_changed(output / "metrics.csv", _as_csv(measured))
    for kind, values in measured.items():
        cli.log.info("%s mAP %s, mAP_50 %s", kind, values["mAP"], values["mAP_50"])


def measure(annotations: Path, results: list[dict], kind: str, truth: CocoFile) -> dict:
    """Return the COCO metrics of results; None where there is no ground truth.

    ``kind`` is "bbox" or "segm". Average precision over IoU 0.50 to 0.95, at most
    100 detections an image (Lin et al., "Microsoft COCO", 2014).
    """
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(annotations))
        found = coco.loadRes(results) if results else COCO()
        if not results:
            found.dataset = coco.dataset | {"annotations": []}
            found.createIndex()
        evaluation = COCOeval(coco, found, kind)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    values = {
        name: _known(evaluation.stats[index]) for index, name in enumerate(METRICS)
    }
    # precision: IoU x recall x class x area x maximum of detections
    precision = evaluation.eval["precision"][:, :, :, 0, -1]
    per_class = {}
    for index, name in enumerate(truth.classes):
        column = precision[:, :, index]
        column = column[column > -1]
        per_class[name] = _known(column.mean() if column.size else -1)
    return values | {"per_class": per_class}


def _known(value: float) -> float | None:
    return None if value < 0 else round(float(value), 4)


def _as_csv(measured: dict[str, dict]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(("kind", "class", "metric", "value"))
    for kind, values in measured.items():
        for name in METRICS:
            writer.writerow((kind, "", name, _or_na(values[name])))
        for name, value in values["per_class"].items():
            writer.writerow((kind, name, "mAP", _or_na(value)))
    return buffer.getvalue()


def _or_na(value: float | None) -> float | str:
    return "n/a" if value is None else value


def build_parser() -> argparse.ArgumentParser:
    parser = cli.new_parser("mmdet_evaluate", __doc__)
    parser.add_argument("--checkpoint", type=Path, required=True, metavar="FILE")
    parser.add_argument("--config", type=Path, metavar="FILE")
    parser.add_argument("--annotations", type=Path, required=True, metavar="COCO")
    parser.add_argument("--images", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--output", type=Path, required=True, metavar="FOLDER")
    cli.add_threads_option(parser)
    return parser


def main(argv: list[str] | None = None) -> int:
    args = build_parser().parse_args(argv)
    return cli.run(
        lambda: evaluate(
            args.checkpoint,
            args.config,
            args.annotations,
            args.images,
            args.output,
            args.threads or cli.available_threads(),
        ),
        args,
    )
