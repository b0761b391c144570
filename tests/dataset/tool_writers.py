"""The formats of annotation tools as these write them, to be read again.

The parts of an object are a group where the format has groups.
"""

import csv
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

from PIL import Image

from mmdet_flow.dataset.annotations import AnnotatedImage, AnnotatedObject

SIDES = ("x", "y", "width", "height")


def size_of(image: AnnotatedImage) -> tuple[int, int]:
    with Image.open(image.image) as picture:
        return picture.size


def pairs(outline: Sequence[float]) -> list[tuple[float, float]]:
    return list(zip(outline[::2], outline[1::2], strict=True))


def parts(image: AnnotatedImage) -> Iterator[tuple[AnnotatedObject, tuple, int]]:
    """Yield each object with one of its outlines, or (), and the number of its group.

    Only objects of several outlines are groups; all others have the number 0.
    """
    for number, item in enumerate(image.objects, 1):
        for outline in item.polygons or ((),):
            yield item, outline, number if len(item.polygons) > 1 else 0


def write_cvat(images: Sequence[AnnotatedImage], folder: Path) -> None:
    text = "<annotations><version>1.1</version><meta/>"
    for number, image in enumerate(images):
        width, height = size_of(image)
        size = {"id": number, "width": width, "height": height}
        text += f"<image name={quoteattr(image.image.name)} {_attributes(size)}>"
        for item, outline, group in parts(image):
            x, y, width, height = item.bbox
            shape = {"xtl": x, "ytl": y, "xbr": x + width, "ybr": y + height}
            if outline:
                shape = {"points": ";".join(f"{a},{b}" for a, b in pairs(outline))}
            shape |= {"label": item.label, "z_order": 0} | (
                {"group_id": group} if group else {}
            )
            text += f"<{'polygon' if outline else 'box'} {_attributes(shape)}/>"
        text += "</image>"
    (folder / "annotations.xml").write_text(f"{text}</annotations>", encoding="utf-8")


def _attributes(values: dict) -> str:
    return " ".join(f"{key}={quoteattr(str(value))}" for key, value in values.items())


def write_datumaro(images: Sequence[AnnotatedImage], folder: Path) -> None:
    labels = sorted({item.label for image in images for item in image.objects})
    items = []
    for image in images:
        path = {"path": image.image.name, "size": list(size_of(image)[::-1])}
        annotations = [
            {
                "type": "polygon" if outline else "bbox",
                "points" if outline else "bbox": outline or item.bbox,
                "label_id": labels.index(item.label),
                "group": group,
                "attributes": {},
            }
            for item, outline, group in parts(image)
        ]
        one = {"id": image.image.stem, "annotations": annotations, "image": path}
        items.append(one)
    names = [{"name": name, "parent": ""} for name in labels]
    content = {"categories": {"label": {"labels": names}}, "items": items}
    (folder / "default.json").write_text(json.dumps(content))


def write_label_studio(images: Sequence[AnnotatedImage], folder: Path) -> None:
    tasks = []
    for number, image in enumerate(images, 1):
        size = size_of(image)
        results = [_result(item, size) for item in image.objects]
        address = f"/data/upload/1/{number:08x}-{image.image.name}"
        annotation = {"id": number, "was_cancelled": False, "result": results}
        task = {"id": number, "data": {"image": address}, "annotations": [annotation]}
        tasks.append(task)
    (folder / "result.json").write_text(json.dumps(tasks))


def _result(item: AnnotatedObject, size: tuple[int, int]) -> dict:
    def percents(values: Sequence[float]) -> list[float]:
        sides = [*size] * (len(values) // 2)
        return [100 * v / side for v, side in zip(values, sides, strict=True)]

    kind = "polygonlabels" if item.polygons else "rectanglelabels"
    value = dict(zip(SIDES, percents(item.bbox), strict=True)) | {"rotation": 0}
    if item.polygons:
        (outline,) = item.polygons
        value = {"points": pairs(percents(outline)), "closed": True}
    return {
        **{"type": kind, "value": value | {kind: [item.label]}, "image_rotation": 0},
        **{"original_width": size[0], "original_height": size[1]},
    }


def write_labelme(images: Sequence[AnnotatedImage], folder: Path) -> None:
    for image in images:
        width, height = size_of(image)
        shapes = []
        for item, outline, group in parts(image):
            x, y, right, down = item.bbox
            corners = ((x + right, y + down), (x, y))
            kind = "polygon" if outline else "rectangle"
            points = pairs(outline) if outline else corners
            shape = {"label": item.label, "shape_type": kind, "points": points}
            shapes.append(shape | {"group_id": group or None, "mask": None})
        content = {
            **{"version": "6.3.1", "imagePath": image.image.name, "imageData": None},
            **{"imageWidth": width, "imageHeight": height, "shapes": shapes},
        }
        path = folder / f"{image.image.stem}.json"
        path.write_text(json.dumps(content))


def write_via_csv(images: Sequence[AnnotatedImage], folder: Path) -> None:
    attributes = ("region_count", "region_id", "region_shape_attributes")
    with (folder / "via_region_data.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        columns = ("filename", "file_size", "file_attributes", *attributes)
        writer.writerow((*columns, "region_attributes"))
        for image in images:
            first = (image.image.name, -1, "{}", len(image.objects))
            if not image.objects:
                writer.writerow((*first, 0, "{}", "{}"))
            for number, item in enumerate(image.objects):
                values = json.dumps(_shape(item)), json.dumps({"type": item.label})
                writer.writerow((*first, number, *values))


def _shape(item: AnnotatedObject) -> dict:
    if not item.polygons:
        return {"name": "rect"} | dict(zip(SIDES, item.bbox, strict=True))
    (outline,) = item.polygons
    points = {"all_points_x": outline[::2], "all_points_y": outline[1::2]}
    return {"name": "polygon"} | points


def write_createml(images: Sequence[AnnotatedImage], folder: Path) -> None:
    entries = []
    for image in images:
        annotations = []
        for item in image.objects:
            x, y, width, height = item.bbox
            values = x + width / 2, y + height / 2, width, height
            coordinates = dict(zip(SIDES, values, strict=True))
            annotations.append({"label": item.label, "coordinates": coordinates})
        entries.append({"image": image.image.name, "annotations": annotations})
    (folder / "_annotations.createml.json").write_text(json.dumps(entries))


def write_labelme_xml(images: Sequence[AnnotatedImage], folder: Path) -> None:
    for image in images:
        text, first = "", {}
        for key, (item, outline, group) in enumerate(parts(image)):
            whole = first.setdefault(group, key) if group else key
            part = f"<ispartof>{whole if whole != key else ''}</ispartof>"
            x, y, width, height = item.bbox
            corners = x, y, x + width, y, x + width, y + height, x, y + height
            points = "".join(
                f"<pt><x>{a}</x><y>{b}</y></pt>" for a, b in pairs(outline or corners)
            )
            kind = "" if outline else "<type>bounding_box</type>"
            text += (
                f"<object><name>{escape(item.label)}</name><deleted>0</deleted>"
                f"<id>{key}</id><parts><hasparts/>{part}</parts>{kind}"
                f"<polygon><username>anna</username>{points}</polygon></object>"
            )
        name = f"<filename>{escape(image.image.name)}</filename><folder>f</folder>"
        path = folder / f"{image.image.stem}.xml"
        path.write_text(f"<annotation>{name}{text}</annotation>")


def write_lightly(images: Sequence[AnnotatedImage], folder: Path) -> None:
    labels = sorted({item.label for image in images for item in image.objects})
    categories = [{"id": n, "name": name} for n, name in enumerate(labels)]
    schema = {"task_type": "object-detection", "categories": categories}
    task = folder / "task"
    task.mkdir()
    (task / "schema.json").write_text(json.dumps(schema))
    for image in images:
        predictions = [
            {"category_id": labels.index(item.label), "bbox": item.bbox, "score": 0.0}
            for item in image.objects
        ]
        content = {"file_name": image.image.name, "predictions": predictions}
        (task / f"{image.image.stem}.json").write_text(json.dumps(content))


def write_open_images(images: Sequence[AnnotatedImage], folder: Path) -> None:
    labels = sorted({item.label for image in images for item in image.objects})
    ids = {name: f"/m/0{number}" for number, name in enumerate(labels)}
    columns = ("ImageID", "LabelName", "XMin", "YMin", "XMax", "YMax", "IsGroupOf")
    boxes = []
    for image in images:
        size = size_of(image) * 2
        for item in image.objects:
            x, y, width, height = item.bbox
            edges = zip((x, y, x + width, y + height), size, strict=True)
            shares = [edge / side for edge, side in edges]
            boxes.append((image.image.stem, ids[item.label], *shares, 0))
    listed = [(image.image.stem, "") for image in images]
    for name, rows in {
        "all-annotations-bbox.csv": (columns, *boxes),
        "all-images-with-rotation.csv": (("ImageID", "Subset"), *listed),
        "class-descriptions.csv": [(key, name) for name, key in ids.items()],
    }.items():
        with (folder / name).open("w", newline="", encoding="utf-8") as stream:
            csv.writer(stream).writerows(rows)


BOXES_ONLY = frozenset(("createml", "lightly", "open-images"))
"""Formats that have no outlines."""

TOOL_WRITERS = {
    "createml": write_createml,
    "cvat": write_cvat,
    "datumaro": write_datumaro,
    "label-studio": write_label_studio,
    "labelme": write_labelme,
    "labelme-xml": write_labelme_xml,
    "lightly": write_lightly,
    "open-images": write_open_images,
    "via-csv": write_via_csv,
}
"""A writer of each tool's format, by its name in ``FORMATS``."""
