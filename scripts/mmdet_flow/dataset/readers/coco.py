"""COCO: made what COCO says, checked, and passed through.

wai.annotations would round its boxes, keep one polygon an object and forget iscrowd.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from urllib.parse import unquote

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
from mmdet_flow.dataset.classes import classes_sha256
from mmdet_flow.dataset.coco import (
    category_name,
    has_id,
    id_order,
    outlines,
    read_lists,
    reference,
    repeated,
)
from mmdet_flow.dataset.coco_object import normal_object
from mmdet_flow.dataset.fields import Malformed, mapping, member, shown, text
from mmdet_flow.dataset.image_index import ImageIndex
from mmdet_flow.errors import DataError

INSTANCES = "instances_"
BESIDE_INSTANCES = (
    *("captions_", "densepose_", "image_info_", "labels_", "panoptic_"),
    *("person_keypoints_", "stuff_"),
)
"""How official archives call what describes the same images in other ways."""


def read(source: Source, index: ImageIndex) -> Iterator[AnnotatedImage | Problem]:
    """Read each JSON, e.g. one a split; classes are matched by name."""
    for path in _instances(source.files("*.json")):
        try:
            content = read_lists(path)
            names = read_names(content["categories"])
            images = _with_ids(content["images"], "images")
            by_id = {item["id"]: item for item in images}
            if len(by_id) < len(images):
                raise DataError("two images have the same id")
        except DataError as error:
            yield broken(path, error)
            continue
        yield from _without_ids(path, content["images"])
        by_image: dict[object, list[dict]] = {key: [] for key in by_id}
        for number, item in enumerate(_by_id(content["annotations"]), 1):
            try:
                item = mapping(item, "it")
                by_image[reference(item, "image_id", by_image)].append(item)
            except Malformed as error:
                own = shown(item["id"]) if has_id(item) else number
                yield Problem("invalid-object", path, f"annotation {own}", str(error))
        for key, items in by_image.items():
            yield from _read_image(path, by_id[key], items, names, index)


def _instances(files: list[Path]) -> list[Path]:
    """Return the files of objects, without what official archives have beside them."""
    folders = {path.parent for path in files if path.name.startswith(INSTANCES)}
    return [
        path
        for path in files
        if path.parent not in folders or not path.name.startswith(BESIDE_INSTANCES)
    ]


def read_names(categories: list) -> dict[object, str]:
    """Return the class of each category id; DataError where an id means two."""
    items = _with_ids(categories, "categories", all_of_them=True)
    for key in repeated(item["id"] for item in items):
        raise DataError(f"two categories have the id {shown(key)}")
    try:
        return {item["id"]: category_name(item) for item in items}
    except Malformed as error:
        raise DataError(f"a category: {error}") from None


def _with_ids(items: list, what: str, all_of_them: bool = False) -> list[dict]:
    """Return the items that have an id, by it; DataError if none has one."""
    found = sorted(filter(has_id, items), key=id_order)
    if len(found) < len(items) and (all_of_them or not found):
        raise DataError(f"{what}: one has no id, a number; add it")
    return found


def _by_id(annotations: list) -> list:
    """Return annotations by id, or in the order of the file where one has none."""
    all_have = all(map(has_id, annotations))
    return sorted(annotations, key=id_order) if all_have else annotations


def _without_ids(path: Path, images: list) -> Iterator[Problem]:
    """Yield a problem for each image that nothing can refer to."""
    for number, item in enumerate(images, 1):
        if not has_id(item):
            what = f"it is {shown(item)}, not an image with an id"
            yield broken(path, what, f"image {number}")


def _read_image(
    path: Path, entry: dict, items: list[dict], names: Mapping, index: ImageIndex
) -> Iterator[AnnotatedImage | Problem]:
    size = _read_size(entry)
    try:
        name = text(member(entry, "file_name"), "its file_name")
        image = _find(index, path, name)
    except Malformed as error:
        name = f"image {shown(entry['id'])}"
        image = broken(path, error, name)
    objects = read_objects(path, items, object_reader(names, size), f"{name}, object")
    for item in image_or_problems(path, image, size, objects):
        if isinstance(item, AnnotatedImage):
            item = AnnotatedImage(path, item.image, item.size, item.objects, entry)
        yield item


def _find(index: ImageIndex, path: Path, name: str) -> Path | Problem:
    """Return the image of a name, which may be quoted as in an address."""
    image = index.find(path, name)
    if isinstance(image, Problem) and image.check == "missing-image" and "%" in name:
        quoted = index.find(path, unquote(name))
        return quoted if isinstance(quoted, Path) else image
    return image


def _read_size(entry: dict) -> tuple[int, int] | None:
    width, height = entry.get("width"), entry.get("height")
    if isinstance(width, int) and isinstance(height, int) and min(width, height) > 0:
        return width, height
    return None


def object_reader(names: Mapping, size: tuple[int, int] | None) -> Callable:
    """Return what reads an annotation of an image of a size, by its place.

    ``names`` has the class of each category id. It raises Malformed.
    """

    def read_object(item: dict, place: str) -> AnnotatedObject:
        item = normal_object(item, size)
        bbox = tuple(map(float, item["bbox"]))
        label = names[reference(item, "category_id", names)]
        polygons = tuple(tuple(map(float, part)) for part in outlines(item))
        found = item.get("segmentation")
        mask = found if isinstance(found, dict) else None
        crowd = bool(item["iscrowd"])
        return AnnotatedObject(label, bbox, place, polygons, mask, crowd, item)

    return read_object


def class_list(source: Source) -> list[str] | None:
    """Return the class list of a file that data convert wrote; None of others."""
    if not source.annotations.is_file():
        return None
    try:
        content = read_lists(source.annotations)
        names = list(read_names(content["categories"]).values())
    except DataError:  # which is told when it is read
        return None
    info = content.get("info")
    said = info.get("classes_sha256") if isinstance(info, dict) else None
    return names if said == classes_sha256(names) else None


FORMAT = AnnotationFormat(read, is_coco=True, class_list=class_list)
