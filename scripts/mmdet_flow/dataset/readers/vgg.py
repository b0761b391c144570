"""VGG Image Annotator: JSON files of several images each."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from mmdet_flow.dataset.annotations import (
    AnnotatedImage,
    AnnotatedObject,
    AnnotationFormat,
    ImageIndex,
    Problem,
    Source,
    bbox_of_points,
    image_or_problems,
    read_objects,
)
from mmdet_flow.errors import DataError
from mmdet_flow.files import read_json

LABEL = "type"
"""The region attribute that names the class."""


def read(source: Source, index: ImageIndex) -> Iterator[AnnotatedImage | Problem]:
    """Read each JSON, an export of annotations or a saved project."""
    for path in source.files("*.json"):
        try:
            content = read_json(path)
            entries = content.get("_via_img_metadata", content)
            images = [
                (entry["filename"], entry["regions"]) for entry in entries.values()
            ]
        except DataError as error:
            yield Problem("broken-annotation", path, "", str(error))
            continue
        except (AttributeError, KeyError, TypeError):
            what = "it has no images with filename and regions"
            yield Problem("broken-annotation", path, "", what)
            continue
        for name, regions in images:
            # Version 1 of the annotator numbers the regions as keys.
            items = list(regions.values()) if isinstance(regions, dict) else regions
            objects = read_objects(path, items, _read_object, f"{name}, region")
            yield from image_or_problems(path, index.find(path, name), None, objects)


def write(images: Sequence[AnnotatedImage], folder: Path) -> list[Path]:
    """Write one JSON for all images."""
    attributes = {"caption": "", "public_domain": "no", "image_url": ""}
    content = {
        image.image.name: {
            "filename": image.image.name,
            "size": -1,
            "file_attributes": attributes,
            "regions": [_to_region(item) for item in image.objects],
        }
        for image in images
    }
    path = folder / "annotations.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return [path]


def _read_object(region: dict, place: str) -> AnnotatedObject:
    shape = region["shape_attributes"]
    polygon: tuple[float, ...] = ()
    if shape["name"] == "rect":
        bbox = tuple(float(shape[key]) for key in ("x", "y", "width", "height"))
    elif shape["name"] in ("polygon", "polyline"):
        points = zip(shape["all_points_x"], shape["all_points_y"], strict=True)
        polygon = tuple(float(value) for point in points for value in point)
        bbox = bbox_of_points(polygon)
    else:
        raise ValueError(f"its shape is {shape['name']}, not rect or polygon")
    return AnnotatedObject(_label(region["region_attributes"]), bbox, place, polygon)


def _label(attributes: dict) -> str:
    """Return the class: the attribute ``type``, or the only one that there is."""
    if LABEL not in attributes and len(attributes) == 1:
        return str(next(iter(attributes.values()))).strip()
    return str(attributes.get(LABEL, "")).strip()


def _to_region(item: AnnotatedObject) -> dict:
    if item.polygon:
        shape = {
            "name": "polygon",
            "all_points_x": list(map(int, item.polygon[::2])),
            "all_points_y": list(map(int, item.polygon[1::2])),
        }
    else:
        keys = ("x", "y", "width", "height")
        shape = {"name": "rect"} | dict(zip(keys, map(int, item.bbox), strict=True))
    attributes = {"name": item.place, LABEL: item.label, "image_quality": {}}
    return {"region_attributes": attributes, "shape_attributes": shape}


FORMAT = AnnotationFormat(read, write, ("from-vgg-od",))
