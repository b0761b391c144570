"""COCO: validated and passed through.

wai.annotations would round its boxes, keep one polygon an object and forget iscrowd.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from mmdet_flow.dataset.annotations import (
    AnnotatedImage,
    AnnotatedObject,
    AnnotationFormat,
    Problem,
    Source,
    broken,
    image_or_problems,
    read_objects,
)
from mmdet_flow.dataset.coco import (
    category_name,
    has_id,
    id_order,
    outlines,
    read_lists,
    reference,
    require_object,
    without_nulls,
)
from mmdet_flow.dataset.fields import Malformed, member, shown, text
from mmdet_flow.dataset.image_index import ImageIndex
from mmdet_flow.errors import DataError


def read(source: Source, index: ImageIndex) -> Iterator[AnnotatedImage | Problem]:
    """Read each JSON, e.g. one a split; classes are matched by name."""
    for path in source.files("*.json"):
        try:
            content = read_lists(path)
            names = _read_names(content["categories"])
            images = _with_ids(content["images"], "images")
            annotations = _with_ids(content["annotations"], "annotations")
            by_id = {item["id"]: item for item in images}
            if len(by_id) < len(images):
                raise DataError("two images have the same id")
        except DataError as error:
            yield broken(path, error)
            continue
        yield from _without_ids(path, content)
        by_image: dict[object, list[dict]] = {key: [] for key in by_id}
        for item in annotations:
            try:
                by_image[reference(item, "image_id", by_image)].append(item)
            except Malformed as error:
                place = f"annotation {shown(item['id'])}"
                yield Problem("invalid-object", path, place, str(error))
        for key, items in by_image.items():
            yield from _read_image(path, by_id[key], items, names, index)


def _read_names(categories: list) -> dict[object, str]:
    """Return the class of each category id."""
    try:
        return {
            item["id"]: category_name(item)
            for item in _with_ids(categories, "categories", all_of_them=True)
        }
    except Malformed as error:
        raise DataError(f"a category: {error}") from None


def _with_ids(items: list, what: str, all_of_them: bool = False) -> list[dict]:
    """Return the items that have an id, by it; DataError if none has one."""
    found = sorted(filter(has_id, items), key=id_order)
    if len(found) < len(items) and (all_of_them or not found):
        raise DataError(f"{what}: one has no id, a number; add it")
    return found


def _without_ids(path: Path, content: dict) -> Iterator[Problem]:
    """Yield a problem for each image and object that nothing can refer to."""
    for number, item in enumerate(content["images"], 1):
        if not has_id(item):
            what = f"it is {shown(item)}, not an image with an id"
            yield broken(path, what, f"image {number}")
    for number, item in enumerate(content["annotations"], 1):
        if not has_id(item):
            what = f"it is {shown(item)}, not an object with an id"
            yield Problem("invalid-object", path, f"annotation {number}", what)


def _read_image(
    path: Path, entry: dict, items: list[dict], names: Mapping, index: ImageIndex
) -> Iterator[AnnotatedImage | Problem]:
    size = _read_size(entry)
    try:
        name = text(member(entry, "file_name"), "its file_name")
        image = index.find(path, name)
    except Malformed as error:
        name = f"image {shown(entry['id'])}"
        image = broken(path, error, name)
    objects = read_objects(path, items, _object_reader(names, size), f"{name}, object")
    for item in image_or_problems(path, image, size, objects):
        if isinstance(item, AnnotatedImage):
            item = AnnotatedImage(path, item.image, item.size, item.objects, entry)
        yield item


def _read_size(entry: dict) -> tuple[int, int] | None:
    width, height = entry.get("width"), entry.get("height")
    if isinstance(width, int) and isinstance(height, int) and min(width, height) > 0:
        return width, height
    return None


def _object_reader(names: Mapping, size: tuple[int, int] | None) -> Callable:
    def read_object(item: dict, place: str) -> AnnotatedObject:
        item = without_nulls(item)
        bbox = require_object(item, size)
        label = names[reference(item, "category_id", names)]
        polygons = tuple(tuple(map(float, part)) for part in outlines(item))
        found = item.get("segmentation")
        mask = found if isinstance(found, dict) else None
        return AnnotatedObject(label, bbox, place, polygons, mask, item)

    return read_object


FORMAT = AnnotationFormat(read, is_coco=True)
