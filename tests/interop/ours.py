"""What mmdet-flow writes, for the tools to read, and what they should find in it."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from pycocotools import mask as coco_mask

from mmdet_flow.dataset.annotations import EDGES
from mmdet_flow.detections import Detections, Mask
from mmdet_flow.formats.coco_results import to_coco_results, write_coco_results
from mmdet_flow.formats.objects import Outlines, to_pixels
from mmdet_flow.formats.opex import to_opex
from mmdet_flow.formats.roi_csv import to_roi_csv
from mmdet_flow.labelling.writers import WRITERS
from tests.interop.compare import rectangle
from tests.interop.flow import convert, export

TIME = "20260101_000000.000000"

SCORED = ("adams", "coco", "cvat", "label-studio", "labelme", "opex")
"""Formats whose scores the tools that read them here give to their users."""


def write_ours(truth: dict, images: Path, work: Path) -> tuple[Path, dict]:
    """Write our files; return the list of their places, and the truth of each.

    "coco" is a converted data set. The others are predictions: what a model would
    say that finds each object with the box of the truth and its pixels. Those whose
    names begin with "exported" are annotations that were made of them.
    """
    given = work / "given.json"
    given.write_text(json.dumps(_as_coco(truth)))
    dataset = work / "dataset"
    convert("coco", given, images, dataset)
    coco = json.loads((dataset / "annotations.json").read_text())
    numbers = {one["name"]: one["id"] for one in coco["categories"]}
    categories = [numbers[name] for name in truth["classes"]]
    ids = {one["file_name"]: one["id"] for one in coco["images"]}
    places = {"coco": dataset / "annotations.json"}
    for name in ("opex", "roi_csv"):
        # Predictions lie beside their images, where the tools look for these.
        places[name] = shutil.copytree(images, work / name)
    results, whole, exact = [], [], []
    for entry, found in _predictions(truth):
        name = entry["name"]
        objects = to_pixels(found, Outlines())
        stem = places["opex"] / Path(name).stem
        stem.with_name(f"{stem.name}.json").write_text(to_opex(name, objects, {}, TIME))
        size = entry["width"], entry["height"]
        rois = places["roi_csv"] / f"{Path(name).stem}-rois.csv"
        rois.write_text(to_roi_csv(name, objects, *size))
        rows = to_coco_results(ids[name], found, categories)
        results += rows["bbox"]
        whole.append({"name": name, "objects": [_pixel_object(one) for one in objects]})
        boxes = [
            _scored(item, score)
            for item, score in zip(entry["objects"], _scores(entry), strict=True)
        ]
        exact.append({"name": name, "objects": boxes})
    places["coco_results"] = dataset / "coco-bbox.json"
    write_coco_results(places["coco_results"], results)
    truths = {"coco": truth["images"], "opex": whole, "roi_csv": whole}
    truths["coco_results"] = exact
    for key, (folder, found) in _exports(places["opex"], truth["classes"], work):
        places[key], truths[key] = folder, found
    file = work / "sources.json"
    file.write_text(json.dumps({name: str(path) for name, path in places.items()}))
    return file, truths


def _exports(
    opex: Path, classes: list[str], work: Path
) -> Iterator[tuple[str, tuple[Path, list[dict]]]]:
    """Export predictions in each format, as boxes and as outlines.

    Yields the folder of each with the objects that its round names.
    """
    for form, writer in WRITERS.items():
        for holds in ("boxes", "outlines") if writer.outlines else ("boxes",):
            key = f"{form.replace('-', '_')}_{holds}"
            # As the tools here read corners, which leave that to their programs.
            edges = "exclusive" if writer.corners else EDGES[0]
            key = key.replace("voc", "voc_exclusive")
            round_ = work / "exported" / key
            shapes = holds.replace("outlines", "auto")
            options = ("--format", form, "--shapes", shapes, "--edges", edges)
            export(opex, round_, classes, *options)
            found = _exported(round_ / "predictions.json", holds, form in SCORED)
            yield f"exported_{key}", (round_ / form, found)


def _exported(path: Path, holds: str, scored: bool) -> list[dict]:
    """Return what was exported, with scores where tools have them."""
    coco = json.loads(path.read_text())
    labels = {one["id"]: one["name"] for one in coco["categories"]}
    images = {
        one["id"]: {"name": one["file_name"], "objects": []} for one in coco["images"]
    }
    for one in coco["annotations"]:
        item = {"label": labels[one["category_id"]], "bbox": one["bbox"]}
        item["polygons"] = one["segmentation"] if holds == "outlines" else []
        item |= {"score": one["score"]} if scored else {}
        images[one["image_id"]]["objects"].append(item)
    return list(images.values())


def _as_coco(truth: dict) -> dict:
    numbers = {name: number for number, name in enumerate(truth["classes"], 1)}
    coco = {
        "images": [],
        "annotations": [],
        "categories": [{"id": n, "name": name} for name, n in numbers.items()],
    }
    for number, entry in enumerate(truth["images"], 1):
        size = {"width": entry["width"], "height": entry["height"]}
        coco["images"].append({"id": number, "file_name": entry["name"]} | size)
        coco["annotations"] += [
            {
                "id": 100 * number + index,
                "image_id": number,
                "category_id": numbers[item["label"]],
                "bbox": item["bbox"],
                "area": item["bbox"][2] * item["bbox"][3],
                "iscrowd": 0,
                "segmentation": item["polygons"],
            }
            for index, item in enumerate(entry["objects"])
        ]
    return coco


def _scores(entry: dict) -> np.ndarray:
    return np.linspace(0.9, 0.5, len(entry["objects"]), dtype=np.float32)


def _scored(item: dict, score: float) -> dict:
    return item | {"score": float(score)}


def _predictions(truth: dict) -> Iterator[tuple[dict, Detections]]:
    for entry in truth["images"]:
        width, height, items = entry["width"], entry["height"], entry["objects"]
        boxes = np.array([one["bbox"] for one in items], np.float32).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        labels = [truth["classes"].index(one["label"]) for one in items]
        masks = []
        for item in items:
            parts = item["polygons"] or [rectangle(item)]
            rle = coco_mask.merge(coco_mask.frPyObjects(parts, height, width))
            masks.append(Mask.of_image(coco_mask.decode(rle).astype(bool)))
        yield (
            entry,
            Detections(
                width,
                height,
                boxes,
                _scores(entry),
                np.array(labels, np.int64),
                tuple(truth["classes"]),
                tuple(masks),
            ),
        )


def _pixel_object(one) -> dict:
    """Return what OPEX and ROI CSV say: whole pixels, and the largest part."""
    left, top, right, bottom = one.bbox
    return {
        "label": one.name,
        "bbox": [left, top, right - left + 1, bottom - top + 1],
        "polygons": [[value for point in one.polygon for value in point]],
        "score": one.score,
    }
