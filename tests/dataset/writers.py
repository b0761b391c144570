"""Each annotation format as its users write it, to be read again.

A writer puts the annotations of images into a folder beside them. It writes numbers
as they are: fractions too, and YOLO's in as many digits as most programs give.
"""

import csv
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from xml.sax.saxutils import escape

from mmdet_flow.dataset.annotations import AnnotatedImage, AnnotatedObject
from tests.dataset.tool_writers import TOOL_WRITERS, pairs, size_of

CORNERS = ("xmin", "ymin", "xmax", "ymax")
SIDES = ("x", "y", "width", "height")


def number(value: float) -> str:
    """Return a number without the zero behind its point where it is whole."""
    return str(int(value) if value == int(value) else value)


def corners(item: AnnotatedObject) -> tuple[float, float, float, float]:
    """Return left, top, right, bottom; the last pixel belongs to the box."""
    x, y, width, height = item.bbox
    return x, y, x + width - 1, y + height - 1


def outline(item: AnnotatedObject) -> list[float]:
    """Return the only outline of an object, or nothing; other formats have no more."""
    assert len(item.polygons) < 2
    return [value for part in item.polygons for value in part]


def write_adams(images: Sequence[AnnotatedImage], folder: Path) -> None:
    for image in images:
        lines = ["#Simple report format"]
        for place, item in enumerate(image.objects, 1):
            name = f"Object.{place:06d}"
            box = zip(SIDES, item.bbox, strict=True)
            lines += [f"{name}.{side}={number(value)}" for side, value in box]
            lines += [f"{name}.type={item.label}"]
            if points := list(map(number, outline(item))):
                lines += [f"{name}.poly_x={','.join(points[::2])}"]
                lines += [f"{name}.poly_y={','.join(points[1::2])}"]
        (folder / f"{image.image.stem}.report").write_text("\n".join(lines))


def write_coco(images: Sequence[AnnotatedImage], folder: Path) -> None:
    labels = sorted({item.label for image in images for item in image.objects})
    content = {
        "images": [],
        "annotations": [],
        "categories": [{"id": n, "name": name} for n, name in enumerate(labels)],
    }
    for image_id, image in enumerate(images):
        width, height = size_of(image)
        entry = {"file_name": image.image.name, "width": width, "height": height}
        content["images"].append({"id": image_id, **entry})
        content["annotations"] += [
            {
                "id": len(content["annotations"]) + place,
                "image_id": image_id,
                "category_id": labels.index(item.label),
                "bbox": item.bbox,
                "area": item.bbox[2] * item.bbox[3],
                "iscrowd": 0,
                "segmentation": item.polygons,
            }
            for place, item in enumerate(image.objects)
        ]
    (folder / "annotations.json").write_text(json.dumps(content))


def write_opex(images: Sequence[AnnotatedImage], folder: Path) -> None:
    for image in images:
        objects = [
            {
                "label": item.label,
                "bbox": dict(
                    zip(("left", "top", "right", "bottom"), corners(item), strict=True)
                ),
                "polygon": {"points": pairs(outline(item))},
            }
            for item in image.objects
        ]
        content = {"id": image.image.stem, "objects": objects}
        (folder / f"{image.image.stem}.json").write_text(json.dumps(content))


def write_roi(images: Sequence[AnnotatedImage], folder: Path) -> None:
    for image in images:
        path = folder / f"{image.image.stem}-rois.csv"
        with path.open("w", newline="") as stream:
            writer = csv.writer(stream)
            columns = ("x0", "y0", "x1", "y1", "label_str", "poly_x", "poly_y")
            writer.writerow(("file", *columns))
            for item in image.objects:
                points = list(map(number, outline(item)))
                numbers = (*map(number, corners(item)), item.label)
                outlines = ",".join(points[::2]), ",".join(points[1::2])
                writer.writerow((image.image.name, *numbers, *outlines))


def write_vgg(images: Sequence[AnnotatedImage], folder: Path) -> None:
    content = {
        image.image.name: {
            "filename": image.image.name,
            "size": -1,
            "file_attributes": {},
            "regions": [_region(item) for item in image.objects],
        }
        for image in images
    }
    (folder / "annotations.json").write_text(json.dumps(content))


def _region(item: AnnotatedObject) -> dict:
    shape = {"name": "rect", **dict(zip(SIDES, item.bbox, strict=True))}
    if points := outline(item):
        both = {"all_points_x": points[::2], "all_points_y": points[1::2]}
        shape = {"name": "polygon", **both}
    return {"shape_attributes": shape, "region_attributes": {"type": item.label}}


def write_voc(images: Sequence[AnnotatedImage], folder: Path) -> None:
    for image in images:
        objects = ""
        for item in image.objects:
            box = zip(CORNERS, map(number, corners(item)), strict=True)
            tags = "".join(f"<{tag}>{value}</{tag}>" for tag, value in box)
            name = f"<name>{escape(item.label)}</name>"
            objects += f"<object>{name}<bndbox>{tags}</bndbox></object>"
        text = f"<filename>{escape(image.image.name)}</filename>{objects}"
        path = folder / f"{image.image.stem}.xml"
        path.write_text(f"<annotation>{text}</annotation>")


def write_yolo(images: Sequence[AnnotatedImage], folder: Path, digits: int = 6) -> None:
    labels = sorted({item.label for image in images for item in image.objects})
    (folder / "classes.txt").write_text("\n".join(labels) + "\n")
    for image in images:
        size = size_of(image)
        lines = []
        for item in image.objects:
            x, y, width, height = item.bbox
            values = outline(item) or (x + width / 2, y + height / 2, width, height)
            shares = zip(values, [*size] * (len(values) // 2), strict=True)
            words = [f"{value / side:.{digits}f}" for value, side in shares]
            lines.append(" ".join([str(labels.index(item.label)), *words]))
        path = folder / f"{image.image.stem}.txt"
        path.write_text("".join(f"{line}\n" for line in lines))


WRITERS: dict[str, Callable[[Sequence[AnnotatedImage], Path], None]] = {
    "adams": write_adams,
    "coco": write_coco,
    "opex": write_opex,
    "roi": write_roi,
    "vgg": write_vgg,
    "voc": write_voc,
    "yolo": write_yolo,
    **TOOL_WRITERS,
}
"""A writer of each format, by its name in ``FORMATS``."""


def shrunk(image: AnnotatedImage, steps: int) -> AnnotatedImage:
    """Return an image whose objects are smaller by so many 1/64 pixels on each side."""
    share = steps / 64
    objects = tuple(
        replace(
            item,
            bbox=(
                item.bbox[0] + share,
                item.bbox[1] + share,
                item.bbox[2] - 2 * share,
                item.bbox[3] - 2 * share,
            ),
        )
        for item in image.objects
    )
    return replace(image, objects=objects)
