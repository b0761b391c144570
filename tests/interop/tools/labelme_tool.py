"""labelme: the module that saves its label files, without its windows."""

import sys
from pathlib import Path
from unittest.mock import MagicMock

# What labelme imports for its windows and models; nothing of it is called here.
WINDOWS = ("PyQt5", "PyQt5.QtCore", "PyQt5.QtGui", "onnxruntime", "imgviz", "imgviz.io")
sys.modules |= {name: MagicMock() for name in WINDOWS}

from labelme import LabelFile  # noqa: E402
from runner import copy_images, main, points_of  # noqa: E402


def _shapes(item: dict, number: int) -> list[dict]:
    """Return an object as its shapes; those of several parts share a group."""
    x, y, width, height = item["bbox"]
    kind = "polygon" if item["polygons"] else "rectangle"
    corners = [(x, y), (x + width, y + height)]
    outlines = [points_of(values) for values in item["polygons"]] or [corners]
    return [
        {
            "label": item["label"],
            "points": [list(point) for point in points],
            "group_id": number if len(outlines) > 1 else None,
            "description": "",
            "shape_type": kind,
            "flags": {},
            "mask": None,
        }
        for points in outlines
    ]


def _write(truth: dict, images: Path, target: Path, outlined: bool) -> None:
    copy_images(images, target)
    for entry in truth["images"]:
        items = entry["objects"]
        if not outlined:
            items = [item | {"polygons": []} for item in items]
        shapes = [
            shape
            for number, item in enumerate(items, 1)
            for shape in _shapes(item, number)
        ]
        name = Path(entry["name"])
        LabelFile().save(
            filename=str(target / f"{name.stem}.json"),
            shapes=shapes,
            image_path=name.name,
            image_height=entry["height"],
            image_width=entry["width"],
            image_data=LabelFile.load_image_file(str(target / name)),
        )


def write_labelme_boxes(truth: dict, images: Path, target: Path) -> None:
    _write(truth, images, target, outlined=False)


def write_labelme_outlines(truth: dict, images: Path, target: Path) -> None:
    _write(truth, images, target, outlined=True)


def read_exported_labelme_boxes(source: Path, images: Path) -> list[dict]:
    return _read(source)


def read_exported_labelme_outlines(source: Path, images: Path) -> list[dict]:
    return _read(source)


def _read(source: Path) -> list[dict]:
    """Open each file with its image; shapes of a group are an object."""
    found = []
    for path in sorted(source.glob("*.json")):
        data = LabelFile(str(path))
        objects: dict[object, dict] = {}
        for number, shape in enumerate(data.shapes):
            group = shape["group_id"]
            key = f"shape {number}" if group is None else group
            item = objects.setdefault(key, _object(shape))
            if shape["shape_type"] == "polygon":
                item["polygons"].append([v for xy in shape["points"] for v in xy])
                item["bbox"] = _around(item["polygons"])
        found.append({"name": data.image_path, "objects": list(objects.values())})
    return found


def _object(shape: dict) -> dict:
    points = [value for point in shape["points"] for value in point]
    score = shape["other_data"]["score"]
    item = {"label": shape["label"], "bbox": _around([points]), "polygons": []}
    return item | {"score": score}


def _around(polygons: list[list[float]]) -> list[float]:
    columns = [value for values in polygons for value in values[0::2]]
    rows = [value for values in polygons for value in values[1::2]]
    left, top = min(columns), min(rows)
    return [left, top, max(columns) - left, max(rows) - top]


main(globals())
