"""Label Studio: its converter, on tasks as its server exports them.

The server itself is no part: it hands annotations on as the pages of its users leave
them, in percent of the image, under names with a hash before them.
"""

import hashlib
import json
import shutil
from pathlib import Path
from urllib.parse import unquote

from label_studio_sdk.converter import Converter
from label_studio_sdk.converter.imports.coco import convert_coco_to_ls
from label_studio_sdk.label_interface import LabelInterface
from runner import main, outlines_of, points_of

UPLOADS = "/data/upload/1/"
CONFIG = """
<View>
  <Image name="image" value="$image"/>
  <RectangleLabels name="box" toName="image">{labels}</RectangleLabels>
  <PolygonLabels name="outline" toName="image">{labels}</PolygonLabels>
</View>
"""


def _uploaded(name: str) -> str:
    return f"{hashlib.md5(name.encode()).hexdigest()[:8]}-{name.replace(' ', '_')}"


def _result(item: dict, entry: dict, outlined: bool) -> list[dict]:
    """Return an object as regions; one of several parts has no other form there."""
    size = entry["width"], entry["height"]
    common = {
        "to_name": "image",
        "original_width": size[0],
        "original_height": size[1],
        "image_rotation": 0,
    }
    if not outlined or not item["polygons"]:
        x, y, width, height = (
            100 * value / side
            for value, side in zip(item["bbox"], size * 2, strict=True)
        )
        place = {"x": x, "y": y, "width": width, "height": height, "rotation": 0}
        value = place | {"rectanglelabels": [item["label"]]}
        kind = {"type": "rectanglelabels", "from_name": "box"}
        return [common | kind | {"value": value}]
    regions = []
    for values in outlines_of(item):
        points = [[100 * x / size[0], 100 * y / size[1]] for x, y in points_of(values)]
        value = {"points": points, "closed": True, "polygonlabels": [item["label"]]}
        kind = {"type": "polygonlabels", "from_name": "outline"}
        regions.append(common | kind | {"value": value})
    return regions


def _tasks(truth: dict, outlined: bool) -> list[dict]:
    tasks = []
    for number, entry in enumerate(truth["images"], 1):
        regions = [
            region
            for item in entry["objects"]
            for region in _result(item, entry, outlined)
        ]
        result = [
            region | {"id": f"{number}-{index}"} for index, region in enumerate(regions)
        ]
        data = {"image": UPLOADS + _uploaded(entry["name"])}
        annotation = {"id": number, "completed_by": 1, "result": result}
        tasks.append({"id": number, "data": data, "annotations": [annotation]})
    return tasks


def _convert(
    truth: dict, images: Path, target: Path, form: str, outlined: bool = False
) -> None:
    """Let the converter write, with the images where the server has put them."""
    uploads = target / "images"
    uploads.mkdir(parents=True)
    for path in sorted(images.iterdir()):
        shutil.copy(path, uploads / _uploaded(path.name))
    tasks = target.parent / f"{target.name}-tasks.json"
    tasks.write_text(json.dumps(_tasks(truth, outlined)))
    labels = "".join(f'<Label value="{name}"/>' for name in truth["classes"])
    converter = Converter(
        CONFIG.format(labels=labels),
        project_dir=str(target),
        upload_dir=str(uploads),
        download_resources=True,
    )
    converter.convert(str(tasks), str(target), form, is_dir=False)


def write_json_boxes(truth: dict, images: Path, target: Path) -> None:
    _convert(truth, images, target, "JSON")


def write_json_outlines(truth: dict, images: Path, target: Path) -> None:
    _convert(truth, images, target, "JSON", outlined=True)


def write_json_min_boxes(truth: dict, images: Path, target: Path) -> None:
    _convert(truth, images, target, "JSON_MIN")


def write_json_min_outlines(truth: dict, images: Path, target: Path) -> None:
    _convert(truth, images, target, "JSON_MIN", outlined=True)


def write_coco_boxes(truth: dict, images: Path, target: Path) -> None:
    _convert(truth, images, target, "COCO")


def write_coco_outlines(truth: dict, images: Path, target: Path) -> None:
    _convert(truth, images, target, "COCO", outlined=True)


def write_yolo_boxes(truth: dict, images: Path, target: Path) -> None:
    _convert(truth, images, target, "YOLO")


def write_yolo_outlines(truth: dict, images: Path, target: Path) -> None:
    _convert(truth, images, target, "YOLO", outlined=True)


def write_yolo_obb_boxes(truth: dict, images: Path, target: Path) -> None:
    _convert(truth, images, target, "YOLO_OBB")


def write_voc_boxes(truth: dict, images: Path, target: Path) -> None:
    _convert(truth, images, target, "VOC")


def read_coco_outlines(source: Path, images: Path) -> list[dict]:
    """Import COCO as tasks; an object with an outline becomes a region of each part."""
    tasks = source.parent / "label-studio-tasks.json"
    convert_coco_to_ls(str(source), str(tasks), image_root_url=UPLOADS)
    return [
        {
            "name": Path(unquote(task["data"]["image"])).name,
            "objects": [_object(r) for r in task["annotations"][0]["result"]],
        }
        for task in json.loads(tasks.read_text())
    ]


def read_exported_label_studio_boxes(source: Path, images: Path) -> list[dict]:
    return _predicted(source)


def read_exported_label_studio_outlines(source: Path, images: Path) -> list[dict]:
    return _predicted(source)


def _predicted(source: Path) -> list[dict]:
    """Check the interface, and each prediction against it, as an import does."""
    interface = LabelInterface((source / "interface.xml").read_text())
    interface.validate()
    found = []
    for task in json.loads((source / "tasks.json").read_text()):
        (prediction,) = task["predictions"]
        errors = interface.validate_prediction(prediction, return_errors=True)
        if errors or not interface.validate_task({"data": task["data"]}):
            raise ValueError("; ".join(errors) or "a task without an image")
        name = unquote(task["data"]["image"]).rpartition("/")[2]
        regions = prediction["result"]
        objects = [_object(one) | {"score": one["score"]} for one in regions]
        found.append({"name": name, "objects": objects})
    return found


def _object(region: dict) -> dict:
    value, size = region["value"], (region["original_width"], region["original_height"])
    label = value[region["type"]][0]
    if region["type"] == "rectanglelabels":
        percent = [value[key] for key in ("x", "y", "width", "height")]
        bbox = [v * side / 100 for v, side in zip(percent, size * 2, strict=True)]
        return {"label": label, "bbox": bbox, "polygons": []}
    points = [(x * size[0] / 100, y * size[1] / 100) for x, y in value["points"]]
    columns, rows = zip(*points, strict=True)
    left, top = min(columns), min(rows)
    return {
        "label": label,
        "bbox": [left, top, max(columns) - left, max(rows) - top],
        "polygons": [[coordinate for point in points for coordinate in point]],
    }


main(globals())
