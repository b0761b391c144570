"""A COCO file in memory: the form in which a data set travels between the steps."""

from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from mmdet_flow.dataset.fields import (
    MAX_NUMBER,
    Malformed,
    member,
    number,
    sequence,
    shown,
    text,
    whole,
)
from mmdet_flow.dataset.rle import require_rle
from mmdet_flow.errors import DataError
from mmdet_flow.files import read_json, write_json
from mmdet_flow.images import MAX_PIXELS

KEYS = ("images", "annotations", "categories")
"""The lists of a COCO file."""

OPTIONAL = ("area", "iscrowd", "segmentation")
"""Keys of an annotation that may be null, as if they were not there."""

MAX_ID = 2**53
"""Ids of annotations become floating-point numbers in pycocotools."""


@dataclass(frozen=True)
class CocoFile:
    """Images, annotations and categories as plain COCO dictionaries.

    ``images`` and ``annotations`` are ordered by id; ``categories`` by id too, and
    that order is the class list. ``info`` carries the hash of the class list.
    """

    path: Path
    images: list[dict]
    annotations: list[dict]
    categories: list[dict]
    info: dict = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path | str) -> "CocoFile":
        """Read a COCO file; DataError if it is none, or at its first wrong value."""
        content = read_lists(path)
        by_id = {key: _sorted_by_id(content[key], f"{path}: {key}") for key in KEYS}
        by_id["annotations"] = list(map(without_nulls, by_id["annotations"]))
        info = content.get("info")
        coco = cls(Path(path), **by_id, info=info if isinstance(info, dict) else {})
        coco._require_values()
        return coco

    def _require_values(self) -> None:
        """Refuse what is not as COCO says: what follows computes with it."""
        _require_each(self.categories, f"{self.path}: category", require_category)
        _require_each(self.images, f"{self.path}: image", require_image)
        sizes = {item["id"]: (item["width"], item["height"]) for item in self.images}
        known = {item["id"] for item in self.categories}
        for items, what in ((self.images, "image"), (self.categories, "category")):
            if len({item["id"] for item in items}) < len(items):
                raise DataError(f"{self.path}: two have the same {what} id; fix one")

        def require(item: dict) -> None:
            reference(item, "image_id", sizes)
            reference(item, "category_id", known)
            require_object(item, sizes[item["image_id"]])
            if any(len(part) < 6 for part in outlines(item)):
                raise Malformed("one of its polygons has under 3 points")

        _require_each(self.annotations, f"{self.path}: annotation", require)

    def write(self, path: Path | str) -> None:
        """Write the file, unless it already holds the same."""
        write_json(
            path,
            {
                "info": self.info,
                "images": self.images,
                "annotations": self.annotations,
                "categories": self.categories,
            },
        )

    @property
    def classes(self) -> list[str]:
        return [category["name"] for category in self.categories]

    @property
    def has_polygons(self) -> bool:
        """Whether each object has a polygon or a mask."""
        return bool(self.annotations) and all(
            annotation.get("segmentation") for annotation in self.annotations
        )

    def subset(self, names: Iterable[str]) -> "CocoFile":
        """Return the part with these image names; ids stay as they are."""
        wanted = set(names)
        images = [image for image in self.images if image["file_name"] in wanted]
        ids = {image["id"] for image in images}
        annotations = [item for item in self.annotations if item["image_id"] in ids]
        return CocoFile(self.path, images, annotations, self.categories, self.info)

    def objects_by_image(self) -> dict[int, list[dict]]:
        """Return the annotations of each image id, those without any included."""
        objects: dict[int, list[dict]] = {image["id"]: [] for image in self.images}
        for annotation in self.annotations:
            objects[annotation["image_id"]].append(annotation)
        return objects


def read_lists(path: Path | str) -> dict:
    """Return the content of a COCO file, whose lists may hold anything."""
    content = read_json(path)
    if not isinstance(content, dict) or not all(
        isinstance(content.get(key), list) for key in KEYS
    ):
        raise DataError(f"{path}: not a COCO file: needs the lists {', '.join(KEYS)}")
    return content


def has_id(item: object) -> bool:
    """Whether an item has an id that others can refer to: a number, or text."""
    key = item.get("id") if isinstance(item, dict) else None
    if isinstance(key, str):
        return True
    return isinstance(key, int) and not isinstance(key, bool) and abs(key) <= MAX_ID


def id_order(item: dict) -> tuple:
    """Return what sorts items by id, numbers before text."""
    return isinstance(item["id"], str), item["id"]


def is_known(value: object, ids: Container) -> bool:
    """Whether a value is one of the ids."""
    return not isinstance(value, bool | list | dict) and value in ids


def reference(item: dict, key: str, known: Container) -> object:
    """Return the id that an item refers to; Malformed if it is not there."""
    value = member(item, key)
    if not is_known(value, known):
        raise Malformed(f"its {key} {shown(value)} is not there")
    return value


def category_name(item: dict) -> str:
    """Return the class that a category is; Malformed if it has no name."""
    return text(member(item, "name"), "its name")


def without_nulls(item: dict) -> dict:
    """Return an annotation whose keys that may be null are not there instead."""
    nulls = {key for key in OPTIONAL if key in item and item[key] is None}
    return {k: v for k, v in item.items() if k not in nulls} if nulls else item


def require_category(item: dict) -> None:
    """Refuse a category whose name is no text."""
    if not isinstance(item.get("name"), str):
        raise Malformed("its name is no text")
    category_name(item)


def require_image(item: dict) -> None:
    """Refuse an image without a name and a size."""
    name = member(item, "file_name")
    if not isinstance(name, str) or not text(name, "its file_name"):
        raise Malformed(f"its file_name is {shown(name)}")
    for key in ("width", "height"):
        if whole(member(item, key), f"its {key}") < 1:
            raise Malformed(f"its {key} is {item[key]}")
    if item["width"] * item["height"] > MAX_PIXELS:
        raise Malformed(f"it has more than {MAX_PIXELS} pixels")


def require_object(item: dict, size: tuple[int, int] | None) -> tuple[float, ...]:
    """Return the bbox of an annotation; Malformed where one of its values is none.

    ``size`` is the (width, height) of its image, if that is known.
    """
    box = sequence(member(item, "bbox"), "its bbox")
    if len(box) != 4:
        raise Malformed(f"its bbox has {len(box)} numbers, not 4")
    if item.get("area") is not None:
        number(item["area"], "its area", MAX_NUMBER**2)
    if item.get("iscrowd") not in (None, 0, 1):
        raise Malformed(f"its iscrowd is {shown(item['iscrowd'])}, not 0 or 1")
    segmentation = item.get("segmentation")
    if isinstance(segmentation, dict):
        require_rle(segmentation, size)
    for part in outlines(item):
        for value in sequence(part, "a polygon of it"):
            number(value, "a coordinate")
        if len(part) % 2:
            raise Malformed("its polygon has an odd number of coordinates")
    return tuple(number(value, "a number of its bbox") for value in box)


def outlines(item: dict) -> list:
    """Return the polygons of an annotation, none if it has a mask or a box alone."""
    segmentation = item.get("segmentation")
    if segmentation is None or isinstance(segmentation, dict):
        return []
    return sequence(segmentation, "its segmentation")


def _require_each(items: list[dict], place: str, require: Callable) -> None:
    for item in items:
        try:
            require(item)
        except Malformed as error:
            raise DataError(f"{place} {shown(item['id'])}: {error}; fix it") from None


def _sorted_by_id(items: list, where: str) -> list[dict]:
    if not all(has_id(item) and not isinstance(item["id"], str) for item in items):
        raise DataError(f"{where}: one has no id, a number; add it")
    return sorted(items, key=id_order)
