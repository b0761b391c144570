"""COCO: validated and passed through.

wai.annotations would round its boxes, keep one polygon an object and forget iscrowd.
"""

from collections.abc import Iterator

from mmdet_flow.dataset.annotations import (
    AnnotatedImage,
    AnnotatedObject,
    AnnotationFormat,
    ImageIndex,
    Problem,
    Source,
    image_or_problems,
    read_objects,
)
from mmdet_flow.dataset.coco import CocoFile, only_polygon
from mmdet_flow.errors import DataError


def read(source: Source, index: ImageIndex) -> Iterator[AnnotatedImage | Problem]:
    """Read each JSON, e.g. one a split; classes are matched by name."""
    for path in source.files("*.json"):
        try:
            coco = CocoFile.read(path)
            names = {item["id"]: str(item["name"]).strip() for item in coco.categories}
            images = {item["id"]: item for item in coco.images}
            if len(images) < len(coco.images):
                raise DataError("two images have the same id")
        except DataError as error:
            yield Problem("broken-annotation", path, "", str(error))
            continue
        except (KeyError, TypeError) as error:
            what = f"a category has no name, or an id is no number: {error}"
            yield Problem("broken-annotation", path, "", what)
            continue
        by_image: dict[int, list[dict]] = {key: [] for key in images}
        for item in coco.annotations:
            if item.get("image_id") in by_image:
                by_image[item["image_id"]].append(item)
            else:
                place = f"annotation {item.get('id')}"
                what = f"it belongs to image {item.get('image_id')}, which is not there"
                yield Problem("invalid-object", path, place, what)
        for key, items in by_image.items():
            entry = images[key]
            name = str(entry.get("file_name", ""))
            objects = read_objects(
                path, items, _object_reader(names), f"{name}, object"
            )
            image = index.find(path, name)
            for item in image_or_problems(path, image, _read_size(entry), objects):
                if isinstance(item, AnnotatedImage):
                    item = AnnotatedImage(
                        path, item.image, item.size, item.objects, entry
                    )
                yield item


def _read_size(entry: dict) -> tuple[int, int] | None:
    width, height = entry.get("width"), entry.get("height")
    if isinstance(width, int) and isinstance(height, int) and min(width, height) > 0:
        return width, height
    return None


def _object_reader(names: dict[int, str]):
    def read_object(item: dict, place: str) -> AnnotatedObject:
        bbox = tuple(map(float, item["bbox"]))
        if len(bbox) != 4:
            raise ValueError(f"its bbox has {len(bbox)} numbers, not 4")
        if item["category_id"] not in names:
            raise ValueError(f"its category_id {item['category_id']} is not there")
        segmentation = item.get("segmentation")
        _check_segmentation(segmentation)
        polygon = only_polygon(segmentation)
        return AnnotatedObject(names[item["category_id"]], bbox, place, polygon, item)

    return read_object


def _check_segmentation(segmentation) -> None:
    """Refuse what is no outline."""
    if isinstance(segmentation, dict):
        if not {"counts", "size"} <= segmentation.keys():
            raise ValueError("its segmentation is no RLE: it needs counts and size")
        return
    for part in segmentation or ():
        if len(part) % 2:
            raise ValueError("its polygon has an odd number of coordinates")


FORMAT = AnnotationFormat(read)
