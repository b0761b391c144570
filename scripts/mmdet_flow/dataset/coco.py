"""A COCO file in memory: the form in which a data set travels between the steps."""

from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from mmdet_flow.dataset.coco_object import is_readable, normal_object
from mmdet_flow.dataset.fields import (
    Malformed,
    mapping,
    member,
    sequence,
    shown,
    text,
    whole,
)
from mmdet_flow.errors import DataError
from mmdet_flow.files import read_json, write_json
from mmdet_flow.images import MAX_PIXELS

KEYS = ("images", "annotations", "categories")
"""The lists of a COCO file."""

# What wai.annotations and image-dataset-converter do not read a file without.
_DATES = ("version", "description", "contributor", "url", "date_created")
INFO = {"year": 0} | dict.fromkeys(_DATES, "")
LICENSE = {"id": 1, "name": "", "url": ""}
IMAGE = dict.fromkeys(("flickr_url", "coco_url", "date_captured"), "")
ANNOTATION = {"segmentation": []}
CATEGORY = {"supercategory": ""}

LEFT_OUT = "left_out"
"""In the info of a training split: the images that a fraction of it leaves out."""

MAX_ID = 2**53
"""Ids of annotations become floating-point numbers in pycocotools."""


@dataclass(frozen=True)
class CocoFile:
    """Images, annotations and categories as plain COCO dictionaries.

    ``images`` and ``annotations`` are ordered by id; ``categories`` by id too, and
    that order is the class list. ``info`` carries the hash of the class list.
    ``departure`` says what of the file others read in another way than we do, if any.
    """

    path: Path
    images: list[dict]
    annotations: list[dict]
    categories: list[dict]
    info: dict = field(default_factory=dict)
    departure: str = field(default="", compare=False)

    @classmethod
    def read(cls, path: Path | str) -> "CocoFile":
        """Read a COCO file; DataError if it is none, or at its first wrong value.

        Annotations are numbered anew unless each has a number of its own, from 1 up.
        """
        content = read_lists(path)
        images = _sorted_by_id(content["images"], f"{path}: images")
        categories = _sorted_by_id(content["categories"], f"{path}: categories")
        info = content.get("info")
        info = info if isinstance(info, dict) else {}
        coco = cls(Path(path), images, [], categories, info)
        coco._require_values()
        numbered = numbered_annotations(content["annotations"], f"{path}: ")
        known = {item["id"] for item in categories}
        sizes = {item["id"]: (item["width"], item["height"]) for item in images}
        annotations, departure = [], ""
        for raw, item in zip(content["annotations"], numbered, strict=True):
            try:
                normal = _normal(item, sizes, known)
            except Malformed as error:
                place = f"{path}: annotation {shown(item['id'])}"
                raise DataError(f"{place}: {error}; fix it") from None
            annotations.append(normal)
            if not departure and not is_readable(raw, normal):
                departure = f"annotation {item['id']}"
        annotations.sort(key=lambda item: item["id"])
        return replace(coco, annotations=annotations, departure=departure)

    def _require_values(self) -> None:
        """Refuse what is not as COCO says: what follows computes with it."""
        _require_each(self.categories, f"{self.path}: category", require_category)
        _require_each(self.images, f"{self.path}: image", require_image)
        for items, what in ((self.images, "image"), (self.categories, "category")):
            for key in repeated(item["id"] for item in items):
                raise DataError(
                    f"{self.path}: two have the {what} id {shown(key)}; fix one"
                )
        for name in repeated(item["name"] for item in self.categories):
            raise DataError(f"{self.path}: two categories are {name}; make them one")

    def write(self, path: Path | str) -> None:
        """Write the file, unless it is so."""
        write_json(path, self.content)

    @property
    def content(self) -> dict:
        """Return what is written, with all keys that readers of it ask for."""
        return {
            "info": INFO | self.info,
            "licenses": [LICENSE],
            "images": [
                IMAGE | image | {"license": LICENSE["id"]} for image in self.images
            ],
            "annotations": [ANNOTATION | item for item in self.annotations],
            "categories": [CATEGORY | item for item in self.categories],
        }

    @property
    def classes(self) -> list[str]:
        return [category["name"] for category in self.categories]

    @property
    def left_out(self) -> list[str]:
        """The names of training images that ``data split`` left out on purpose."""
        names = self.info.get(LEFT_OUT)
        names = names if isinstance(names, list) else []
        return [name for name in names if isinstance(name, str)]

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


def outlines(item: dict) -> list:
    """Return the polygons of an annotation, none if it has a mask or a box alone."""
    segmentation = item.get("segmentation")
    if segmentation is None or isinstance(segmentation, dict):
        return []
    return sequence(segmentation, "its segmentation")


def numbered_annotations(items: list, where: str = "") -> list[dict]:
    """Return annotations with ids: their own, if each has another number from 1 up.

    Ids of 0 and repeated ones mean other objects to pycocotools, and nothing refers to
    them. Raises DataError for what is no annotation.
    """
    for number, item in enumerate(items, 1):
        mapping(item, f"{where}annotation {number}")
    ids = {item["id"] for item in items if has_number(item)}
    if len(ids) == len(items) and all(key > 0 for key in ids):
        return items
    return [item | {"id": number} for number, item in enumerate(items, 1)]


def has_number(item: dict) -> bool:
    """Whether an item has an id that is a number."""
    return has_id(item) and not isinstance(item["id"], str)


def repeated(values: Iterable) -> Iterator:
    """Yield each value that is there more than once."""
    return (value for value, count in Counter(values).items() if count > 1)


def _normal(item: dict, sizes: dict, known: Container) -> dict:
    """Return an annotation as COCO says it; Malformed if it is of nothing."""
    size = sizes[reference(item, "image_id", sizes)]
    reference(item, "category_id", known)
    normal = normal_object(item, size)
    if any(len(part) < 6 for part in outlines(normal)):
        raise Malformed("one of its polygons has under 3 points")
    return normal


def _require_each(items: list[dict], place: str, require: Callable) -> None:
    for item in items:
        try:
            require(item)
        except Malformed as error:
            raise DataError(f"{place} {shown(item['id'])}: {error}; fix it") from None


def _sorted_by_id(items: list, where: str) -> list[dict]:
    if not all(map(has_number, items)):
        raise DataError(f"{where}: one has no id, a number; add it")
    return sorted(items, key=id_order)
